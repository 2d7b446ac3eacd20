"""A folder is written whole or not at all."""

import os
import subprocess
from pathlib import Path

import pytest

from exporter.bundle.write import folder_in_one_piece
from exporter.errors import OutputError


def _write(target: Path, text: str, *, force: bool = False) -> None:
    with folder_in_one_piece(target, force=force, marker="marker") as folder:
        (folder / "marker").write_text(text)


def test_the_folder_is_there_after_the_block_and_not_before(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    with folder_in_one_piece(target, force=False, marker="marker") as folder:
        (folder / "marker").write_text("new")
        assert not target.exists()
    assert (target / "marker").read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_a_failure_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    _write(tmp_path / "target", "old")
    with (
        pytest.raises(ZeroDivisionError),
        folder_in_one_piece(tmp_path / "target", force=True, marker="marker") as folder,
    ):
        (folder / "marker").write_text("new")
        raise ZeroDivisionError
    assert (tmp_path / "target" / "marker").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_only_ours_is_replaced_and_only_when_told(tmp_path: Path) -> None:
    target = tmp_path / "target"
    _write(target, "old")
    with pytest.raises(OutputError, match="exists; add --force"):
        _write(target, "new")
    _write(target, "new", force=True)
    assert (target / "marker").read_text() == "new"
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("work of years")
    with pytest.raises(OutputError, match="holds other files"):
        _write(tmp_path / "thesis", "new", force=True)
    assert (tmp_path / "thesis" / "chapter1.tex").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        _write(tmp_path / "file", "new", force=True)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/target: cannot be written"):
        _write(tmp_path / "file" / "target", "new")


@pytest.mark.processes
def test_what_a_killed_one_left_is_cleared_and_what_it_was_replacing_put_back(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    alive = tmp_path / f".target.partial-{os.getppid()}"
    for folder in (tmp_path / f".target.partial-{gone.pid}", alive):
        folder.mkdir()
    replaced = tmp_path / f".target.partial-{gone.pid}.replaced"
    replaced.mkdir()
    (replaced / "marker").write_text("old")
    with pytest.raises(OutputError, match="exists"):
        _write(tmp_path / "target", "new")
    assert (tmp_path / "target" / "marker").read_text() == "old"
    _write(tmp_path / "target", "new", force=True)
    assert {path.name for path in tmp_path.iterdir()} == {"target", alive.name}
