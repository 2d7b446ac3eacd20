"""Two bundles of one model in one sweep: tables and figures have both, by the folders that the user named."""

import csv
import re
from pathlib import Path

from analysis.data.sweep import load
from analysis.report import write_report
from tests.bundles import export_tiny
from tests.integration.commands import sweep
from tests.integration.labs import write_experiment


def test_bundles_of_one_model_are_told_apart_by_their_folders(lab: Path, tmp_path: Path) -> None:
    bundles = tmp_path / "bundles"
    for seed, name in enumerate(("small", "large")):
        export_tiny(bundles, seed=seed)
        (bundles / "tiny").rename(bundles / name)
    experiment = write_experiment(tmp_path, models=["small", "large"], splits=[2], depths=[1, 4], requests=24)
    done = sweep(experiment, lab, bundles)
    assert done.returncode == 0, done.stderr

    report = write_report(load(tmp_path / "results.sqlite"), tmp_path / "out", ("svg",))

    for table in ("cells", "pareto", "fronts", "splits", "nodes", "parts", "accuracy"):
        with (report.page.parent / f"{table}.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert {row["bundle_name"] for row in rows} == {"small", "large"}, table
        assert {row["model"] for row in rows} == {"tiny"}, table
    latex = report.page.with_name("answers.tex").read_text(encoding="utf-8")
    assert "{large}" in latex and "{small}" in latex
    page = report.page.read_text(encoding="utf-8")
    assert "<h1>Where to cut tiny (small and large)</h1>" in page
    first = page[page.index('id="answer"') : page.index("</section>", page.index('id="answer"'))]
    assert re.findall(r'<td data-head="model">(\w+)</td>', first).count("large") >= 1
    assert "Bundle <strong>large</strong>: tiny, " in page
    assert any("large" in line for line in report.lines)
    drawn = {path.stem for path in (report.page.parent / "figures").glob("*.svg")}
    for name in ("small", "large"):
        assert {f"{name}-ideal-capability", f"{name}-ideal-parts", f"{name}-payload"} <= drawn
    gains = (report.page.parent / "figures" / "gains.svg").read_text()
    assert "latency, large" in gains and "latency, small" in gains
