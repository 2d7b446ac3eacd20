"""An export that is killed leaves nothing that loads, wherever it was."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.bundle import Bundle
from exporter.errors import BundleError
from tests.integration.commands import Ended, WarmCommand

Export = Callable[..., Ended]


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmCommand]:
    command = WarmCommand("tests.integration.signalled_exporter")
    yield command
    command.close()


@pytest.fixture
def export(warm: WarmCommand, bundles_folder: Path, tmp_path: Path) -> Export:
    """Exports `tiny` to `b`, and gets a signal where it opens a file of it, or renames the folder."""
    model = str(bundles_folder / "tiny.onnx")

    def run(number: signal.Signals, at: str, *options: str) -> Ended:
        line = [str(number.value), at, "export", model, "--dataset", "random", "--out", str(tmp_path / "b")]
        return warm.run([*line, *options], timeout_s=120)

    return run


@pytest.mark.parametrize("at", ["weights.bin", "shards.zip", "manifest.json", "rename"])
def test_a_killed_export_leaves_nothing_that_loads(export: Export, tmp_path: Path, at: str) -> None:
    assert export(signal.SIGKILL, at).returncode == -signal.SIGKILL
    with pytest.raises(BundleError, match="not a bundle"):
        Bundle.open(tmp_path / "b")


def test_the_next_export_clears_what_is_left_and_a_kill_keeps_the_old_bundle(
    export: Export, tmp_path: Path
) -> None:
    export(signal.SIGKILL, "model.onnx")
    assert [path.name[:11] for path in tmp_path.iterdir()] == [".b.partial-"]
    done = export(signal.SIGKILL, "nowhere")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    first = Bundle.open(tmp_path / "b").digest
    assert export(signal.SIGKILL, "shards.zip", "--force", "--seed", "1").returncode == -signal.SIGKILL
    assert Bundle.open(tmp_path / "b").digest == first


def test_ctrl_c_is_one_line_and_leaves_nothing(export: Export, tmp_path: Path) -> None:
    interrupted = export(signal.SIGINT, "shards.zip")
    assert (interrupted.returncode, interrupted.stderr) == (130, "error: interrupted\n")
    assert list(tmp_path.iterdir()) == []
