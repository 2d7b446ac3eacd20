"""`python -m benchmarks bench-plan` on real workers."""

import json
from pathlib import Path

import pytest

from analysis.data.predictions import load_predictions
from tests.integration.commands import benchmarks
from tests.integration.labs import LabWorker, write_lab


@pytest.mark.slow
def test_predictions_are_held_against_pairs_and_longer_chains(
    lab_of_three: Path, tmp_path: Path, bundles_folder: Path
) -> None:
    out = tmp_path / "bench-plan.json"
    line = ("bench-plan", bundles_folder / "tiny", "--out", out)
    hurried = ("--trial", "0.01", "--budget", "1", "--every", "2")
    ended = benchmarks(*line, *hurried, "--lab", lab_of_three)
    # Whether a bound holds is the machine's affair; 2 would be an error.
    assert ended.returncode in (0, 1), ended.stderr
    told = json.loads(out.read_text())
    pairs = {(*cell["devices"], *cell["cuts"]) for cell in told["cells"]}
    assert pairs == {("pi", "server", cut) for cut in (0, 2, 4)}
    assert len(told["cells"]) == 3 * 3 * 2
    assert all(cell["repeated"] > 0 and cell["visit_s"] > 0 for cell in told["cells"])
    assert told["figures"]["time_share"]["n"] == 1
    assert {len(cell["devices"]) for cell in told["long_chains"]} == {3}
    assert {cell["depth"] for cell in told["long_chains"]} == {1, 4}
    assert told["figures"]["latency_median_error"]["n"] == 3 * 3
    assert told["figures"]["long_latency_median_error"]["n"] == len(told["long_chains"]) / 2
    assert all(figure in ended.stdout for figure in told["figures"])
    assert len(load_predictions(out)) == len(told["cells"]) + len(told["long_chains"])


def test_one_device_is_no_lab_for_it(
    standing: dict[str, LabWorker], tmp_path: Path, bundles_folder: Path
) -> None:
    lab = write_lab(tmp_path, [standing["pi"]])
    refused = benchmarks("bench-plan", bundles_folder / "tiny", "--lab", lab, "--out", tmp_path / "b.json")
    assert refused.returncode == 2
    assert refused.stderr == (
        "error: lab 'test': bench-plan needs two devices with emulated links; see docs/planning.md\n"
    )
    assert not (tmp_path / "b.json").exists()
