"""Which part of a path someone else than root may change. That root then does nothing is tested on a host."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

MODULE = Path(__file__).parents[3] / "ansible/library/root_only.py"


@pytest.fixture(scope="module")
def root_only(load: Callable[[Path, str], ModuleType]) -> ModuleType:
    return load(MODULE, "edgecut_root_only")


@pytest.fixture
def theirs(root_only: ModuleType, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The inodes that others may change, in place of owners and modes, which only root could set."""
    inodes: set[int] = set()
    monkeypatch.setattr(root_only, "may_be_changed", lambda status: status.st_ino in inodes)
    return inodes


@pytest.mark.parametrize(
    ("mode", "owner", "changeable"),
    [
        (stat.S_IFDIR | 0o755, 0, False),
        (stat.S_IFREG | 0o640, 0, False),
        (stat.S_IFLNK | 0o777, 0, False),
        (stat.S_IFDIR | 0o775, 0, True),
        (stat.S_IFDIR | 0o1777, 0, True),
        (stat.S_IFREG | 0o602, 0, True),
        (stat.S_IFDIR | 0o700, 999, True),
        (stat.S_IFLNK | 0o777, 999, True),
    ],
)
def test_owner_group_and_others_may_change_it(
    root_only: ModuleType, mode: int, owner: int, changeable: bool
) -> None:
    status = os.stat_result((mode, 1, 1, 1, owner, 50, 0, 0, 0, 0))
    assert root_only.may_be_changed(status) is changeable


def test_the_first_part_that_is_theirs_is_named(
    root_only: ModuleType, theirs: set[int], tmp_path: Path
) -> None:
    path = tmp_path / "a" / "b" / "c"
    path.parent.mkdir(parents=True)
    assert root_only.changeable_part(path) is None  # the rest does not exist yet
    path.mkdir()
    assert root_only.changeable_part(path) is None
    theirs |= {path.stat().st_ino, path.parent.stat().st_ino}
    assert root_only.changeable_part(path) == path.parent


def test_links_are_followed_to_all_folders_on_their_way(
    root_only: ModuleType, theirs: set[int], tmp_path: Path
) -> None:
    (tmp_path / "disk" / "theirs" / "lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("disk/theirs/lib")
    assert root_only.changeable_part(tmp_path / "lib" / "edgecut") is None
    theirs.add((tmp_path / "disk" / "theirs").stat().st_ino)
    assert root_only.changeable_part(tmp_path / "lib" / "edgecut") == tmp_path / "disk" / "theirs"
    (tmp_path / "disk" / "away").symlink_to(tmp_path / "disk" / "theirs" / ".." / "nowhere")
    (tmp_path / "away").symlink_to("disk/away")
    assert root_only.changeable_part(tmp_path / "away") == tmp_path / "disk" / "theirs"
    (tmp_path / "circle").symlink_to("circle")
    assert root_only.changeable_part(tmp_path / "circle") == tmp_path / "circle"


def test_a_record_has_no_file_of_theirs_and_no_links(
    root_only: ModuleType, theirs: set[int], tmp_path: Path
) -> None:
    record = tmp_path / "record"
    assert root_only.forged_file(record) is None  # there is none yet
    (record / "deeper").mkdir(parents=True)
    own = record / "deeper" / ".own"
    own.write_text("x")
    assert root_only.forged_file(record) is None
    theirs.add(own.stat().st_ino)
    assert root_only.forged_file(record) == own
    theirs.clear()
    (tmp_path / "hard").hardlink_to(own)
    assert root_only.forged_file(record) == own
    own.unlink()
    own.symlink_to("/etc/hostname")
    assert root_only.forged_file(record) == own
