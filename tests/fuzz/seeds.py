"""The inputs that fuzzing begins with: kept files, mended findings among them, and what today's code writes.

A kept results file would be refused by its version after the next change of its schema, and nothing behind
that would be fuzzed.
"""

import tempfile
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["CORPUS", "seeds", "write_seeds"]

CORPUS: Final = Path(__file__).parent / "corpus"


@cache
def seeds(target: str) -> dict[str, bytes]:
    """A target's seeds by name."""
    folder = CORPUS / target
    kept = {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}
    return kept | ({"sweep": _results_file()} if target == "results" else {})


def write_seeds(target: str, folder: Path) -> None:
    """Write them as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds(target).items():
        (folder / name).write_bytes(data)


def _results_file() -> bytes:
    """A small sweep of two devices under three networks."""
    # Here, because it brings the packages, which `make fuzz` must import in its own way.
    from tests.unit.analysis.synthetic import NODES, write_sweep

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.sqlite"
        return write_sweep(path, cuts=(0, 30, NODES), trials=1, voids=(30,)).read_bytes()
