"""What a row of a figure is called: where it cuts, with more where several rows cut there."""

from collections.abc import Callable, Sequence

from analysis.data.sweep import CellResult
from controller.results import Cell

__all__ = ["distinct_names"]


def distinct_names(results: Sequence[CellResult]) -> list[str]:
    """A name for each, no two alike."""
    names = [r.split.where for r in results]
    cells = [r.cell for r in results]
    for more in _TELLING:
        longer = [f"{n}, {more(c)}" for n, c in zip(names, cells, strict=True)]
        # What tells no two of them apart only makes them too long to be read.
        if len(set(longer)) > len(set(names)):
            names = longer
    if len(set(names)) == len(names):
        return names
    return [f"{n} ({c.id[:4]})" for n, c in zip(names, cells, strict=True)]


def _prefetch(cell: Cell) -> str:
    return "all inputs made before" if cell.prefetch is None else f"{cell.prefetch} inputs ahead"


def _threads(cell: Cell) -> str:
    return "threads of each device" if cell.threads is None else f"{cell.threads} threads"


_TELLING: tuple[Callable[[Cell], str], ...] = (
    lambda c: f"batch {c.batch}",
    lambda c: "\N{RIGHTWARDS ARROW}".join(c.devices),
    lambda c: c.codec,
    lambda c: c.backend,
    _threads,
    _prefetch,
)
