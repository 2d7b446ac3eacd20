"""An export that is killed leaves nothing that loads, wherever it was."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exporter.bundle import Bundle
from exporter.errors import BundleError

_MODEL = f"{Path(__file__).parents[1] / 'unit' / 'exporter' / 'small_models.py'}:residual"


def _start(out: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "exporter", "export", _MODEL, "--out", str(out), *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _kill_when(process: subprocess.Popen[bytes], folder: Path, pattern: str) -> None:
    """Kill as soon as a file is there; files come in the order weights, model, shards, samples, manifest."""
    while process.poll() is None:
        if any(folder.glob(pattern)):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.0005)
    process.wait()


@pytest.mark.parametrize("file", [".", "shards.zip", "manifest.json"])
def test_a_killed_export_leaves_nothing_that_loads(tmp_path: Path, file: str) -> None:
    process = _start(tmp_path / "b")
    _kill_when(process, tmp_path, f".b.partial-*/{file}" if file != "." else ".b.partial-*")
    if process.returncode == 0:
        assert file == "manifest.json"  # the last file, and the rename is next: it may have won
        Bundle.open(tmp_path / "b")
        return
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(BundleError, match="not a bundle"):
        Bundle.open(tmp_path / "b")


def test_the_next_export_clears_what_is_left_and_a_kill_keeps_the_old_bundle(tmp_path: Path) -> None:
    _kill_when(_start(tmp_path / "b"), tmp_path, ".b.partial-*/model.onnx")
    assert _start(tmp_path / "b").wait() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    first = Bundle.open(tmp_path / "b").digest
    process = _start(tmp_path / "b", "--force", "--seed", "1")
    _kill_when(process, tmp_path, ".b.partial-*/shards.zip")
    assert process.returncode == -signal.SIGKILL
    assert Bundle.open(tmp_path / "b").digest == first


def test_ctrl_c_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "exporter",
        "export",
        "vgg16",
        "--input-size",
        "32",
        "--out",
        str(tmp_path / "b"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.poll() is None and not any(tmp_path.iterdir()):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate()
    assert process.returncode == 130
    assert shown.decode() == "error: interrupted\n"
    assert list(tmp_path.iterdir()) == []
