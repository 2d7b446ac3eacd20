"""Memory: private pages, and each page of a folder's files once, however many map it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import psutil
import pytest

from worker.host.process_memory import own_bytes

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the memory is null"),
]

MB = 1024 * 1024
FILE, ANONYMOUS = 24 * MB, 10 * MB
# The interpreter's own allocations while it maps.
NEAR = 1.5 * MB

_MAPS = f"""
import mmap, sys
path, times = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
kept = [b"x" * {ANONYMOUS}]
with open(path, "rb") as file:
    for _ in range(times):
        kept.append(mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ))
total = sum(kept[-1 - i][at] for i in range(times) for at in range(0, {FILE}, mmap.PAGESIZE))
print("mapped", flush=True)
sys.stdin.readline()
"""


class Child:
    """A process that takes ANONYMOUS bytes of its own and maps a file some times."""

    def __init__(self, path: Path, times: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MAPS, str(path), str(times)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self._wait("ready")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def _wait(self, line: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == f"{line}\n"

    def map(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._wait("mapped")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    path = folder / "weights.bin"
    path.write_bytes(b"w" * FILE)
    return path


@pytest.fixture
def children() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_counts_once_however_often_it_is_mapped_and_what_is_private_counts(
    weights: Path, children: ExitStack, times: int
) -> None:
    child = children.enter_context(Child(weights, times))
    process = psutil.Process(child.pid)
    before, rss_before = _of(child.pid, weights=weights), process.memory_info().rss
    child.map()
    after = _of(child.pid, weights=weights)
    assert after - before == pytest.approx(FILE + ANONYMOUS, abs=NEAR)
    rss_bytes = process.memory_info().rss - rss_before
    assert rss_bytes == pytest.approx(times * FILE + ANONYMOUS, abs=NEAR)
    assert after < process.memory_info().rss, "libraries that others map too are not its own"


def test_a_file_counts_in_each_worker_that_maps_it_and_once_in_one_of_two_processes(
    weights: Path, children: ExitStack
) -> None:
    one, other = (children.enter_context(Child(weights, 1)) for _ in range(2))
    before = _of(one.pid, weights=weights)
    both_before = _of(one.pid, other.pid, weights=weights)
    one.map()
    other.map()
    assert _of(one.pid, weights=weights) - before == pytest.approx(FILE + ANONYMOUS, abs=NEAR)
    both = _of(one.pid, other.pid, weights=weights)
    assert both - both_before == pytest.approx(FILE + 2 * ANONYMOUS, abs=NEAR)


def test_a_file_that_lies_elsewhere_counts_as_far_as_it_is_private(
    weights: Path, children: ExitStack, tmp_path: Path
) -> None:
    one, other = (children.enter_context(Child(weights, 1)) for _ in range(2))
    elsewhere = tmp_path / "sto"
    before = own_bytes([one.pid], elsewhere) or 0
    one.map()
    other.map()
    assert (own_bytes([one.pid], elsewhere) or 0) - before == pytest.approx(ANONYMOUS, abs=NEAR)


def test_what_cannot_be_told_is_null(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert own_bytes([ended.pid], tmp_path) is None
    monkeypatch.setattr(sys, "platform", "darwin")
    assert own_bytes([psutil.Process().pid], tmp_path) is None


def _of(*pids: int, weights: Path) -> int:
    measured = own_bytes(pids, weights.parent)
    assert measured is not None
    return measured
