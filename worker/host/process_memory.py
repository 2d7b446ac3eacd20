"""Memory of processes: pages of their own, and those of a folder's files, which other processes may share.

Resident memory (RSS) counts a library's pages in every process, and a page of the weights once for each
stage that maps it. Here a page that only one process maps is its own, and a file's page counts once,
however many map it.
Source: the kernel's Documentation/filesystems/proc.rst and admin-guide/mm/pagemap.rst.
"""

import mmap
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["own_bytes"]

_ENTRY_BYTES: Final = 8
_PRESENT: Final = np.uint64(1 << 63)
_OF_FILE: Final = np.uint64(1 << 61)
_EXCLUSIVE: Final = np.uint64(1 << 56)

_Pages = NDArray[np.int64]


def own_bytes(pids: Iterable[int], folder: Path) -> int | None:
    """Private pages of these processes, and resident pages of files in `folder` that they map, each once.

    None where the system does not tell: outside Linux, or for a process that has ended.
    """
    if sys.platform != "linux":
        return None
    private_bytes = 0
    of_files: dict[str, list[_Pages]] = defaultdict(list)
    try:
        for pid in pids:
            private_bytes += _private_bytes(pid)
            for file, pages, exclusive in _file_pages(pid, f"{folder}{os.sep}"):
                of_files[file].append(pages)
                # They are among the private ones, and count below.
                private_bytes -= exclusive * mmap.PAGESIZE
    except (OSError, ValueError):
        return None
    return private_bytes + sum(map(_distinct, of_files.values())) * mmap.PAGESIZE


def _private_bytes(pid: int) -> int:
    """Pages that this process alone has mapped."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _distinct(mappings: list[_Pages]) -> int:
    """How many pages of one file are in any of these mappings; sorting them would take ten times as long."""
    in_memory = np.zeros(1 + max(int(pages[-1]) for pages in mappings), np.bool_)
    for pages in mappings:
        in_memory[pages] = True
    return int(np.count_nonzero(in_memory))


def _file_pages(pid: int, beginning: str) -> Iterator[tuple[str, _Pages, int]]:
    """Each mapping of a file whose path begins so: the file, its resident pages, and how many are exclusive.

    A page that was written to is the process' own copy, and not the file's any more.
    """
    with Path(f"/proc/{pid}/maps").open() as maps:
        mappings = [
            fields for line in maps if beginning in line and len(fields := line.split(maxsplit=5)) == 6
        ]
    if not mappings:
        return
    with Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pagemap:
        for addresses, _, offset, device, inode, path in mappings:
            if not path.startswith(beginning):
                continue
            start, stop = (int(address, 16) // mmap.PAGESIZE for address in addresses.split("-"))
            data = os.pread(pagemap.fileno(), (stop - start) * _ENTRY_BYTES, start * _ENTRY_BYTES)
            entries = np.frombuffer(data, np.uint64)
            from_file = (entries & _PRESENT != 0) & (entries & _OF_FILE != 0)
            pages = np.flatnonzero(from_file) + int(offset, 16) // mmap.PAGESIZE
            if len(pages):
                yield f"{device} {inode}", pages, int(np.count_nonzero(entries[from_file] & _EXCLUSIVE))
