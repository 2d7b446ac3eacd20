"""`best_split.yml` as a user runs it: real ansible-playbook, real workers."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from controller.results import BaselineTrial, Results
from tests.integration.playbooks.local_lab import TINY_MODEL, LocalLab, assert_fails_saying, assert_succeeds


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLab]:
    """The repository with a bundle of a tiny model, and nothing deployed."""
    lab = LocalLab(tmp_path_factory.mktemp("a lab"))
    (lab.root / "tiny.py").write_text(TINY_MODEL, encoding="utf-8")
    export = [sys.executable, "-m", "exporter", "export", "tiny.py:build", "--out", "bundles/tiny"]
    subprocess.run(export, cwd=lab.root, check=True, capture_output=True)
    try:
        yield lab
    finally:
        lab.kill()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ([], "No model is named; for example: -e model=mobilenet_v2"),
        (["model=resnet18"], "edgecut export resnet18 --out "),
        (
            ["model=tiny", "objective=speed"],
            "value of objective must be one of: latency, throughput, knee, got: speed",
        ),
        (["model=tiny", "network=wfi"], "no network wfi in "),
        (["model=tiny", "networks=nowhere.yml"], "nowhere.yml; name one with -e networks=FILE"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is_deployed(
    lab: LocalLab, settings: list[str], says: str
) -> None:
    assert_fails_saying(lab.play("best_split.yml", *settings), says)
    assert not lab.state.exists()


@pytest.mark.slow
def test_from_nothing_to_the_best_split_and_its_partitions(lab: LocalLab) -> None:
    done = lab.play("best_split.yml", "model=tiny", "objective=throughput")
    assert_succeeds(done)
    assert "next best 1" in done.stdout
    assert "<- best" in done.stdout
    assert "plain ONNX Runtime on server" in done.stdout
    assert "For the highest throughput" in done.stdout
    folder = lab.root / "results" / "best-split-tiny-throughput-as_is"
    (results,) = folder.glob("*/results.sqlite")
    with Results.open(results) as kept:
        cells = kept.cells()
        assert len(kept.finished()) == 3 * len(cells)
        assert len({cell.cuts for cell in cells}) >= 4
        assert {baseline.device for baseline in kept.rows(BaselineTrial)} == {"pi", "server"}
    partitions = list((folder / "partitions").glob("*.onnx")) if (folder / "partitions").is_dir() else []
    assert len(partitions) in (0, 2)
    assert bool(partitions) == ("Nothing is cut" not in done.stdout)

    again = lab.play("best_split.yml", "model=tiny", "objective=throughput")
    assert_succeeds(again)
    assert "<- best" in again.stdout
