"""A snapshot as a panel on a terminal, or as a line."""

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Column, Table

from controller.console import duration, words
from controller.live.snapshot import Stage, SweepSnapshot, TrialSummary
from controller.results import Cell

__all__ = ["line", "panel", "state"]

_BAR = 32
_POINTS = 8


def panel(snapshot: SweepSnapshot, left_s: float | None, hint: str | None = None) -> RenderableType:
    """Show a whole snapshot.

    Args:
        left_s: Seconds left.
        hint: A word at the panel's foot.
    """
    parts: list[RenderableType] = [_progress(snapshot, left_s)]
    if snapshot.now is not None and snapshot.now.ended is None and not snapshot.now.has_died:
        parts.append(_doing(snapshot))
    if snapshot.last is not None:
        parts += ["", _stages(snapshot, snapshot.last)]
    parts += [words((_left_out(snapshot), "red"))] if snapshot.left_out else []
    cell = snapshot.shown
    if cell is not None and (front := _front(snapshot, cell)) is not None:
        parts += ["", front]
    return Panel(
        Group(*parts),
        title=words(("edgecut ", "bold"), snapshot.experiment),
        title_align="left",
        subtitle=hint,
        subtitle_align="right",
        box=box.ROUNDED,
        padding=(0, 1),
    )


def state(snapshot: SweepSnapshot) -> str:
    """The sweep's state in words: running, ended and how, or died."""
    now = snapshot.now
    if now is None:
        return "no sweep is running"
    if now.ended is not None:
        return f"ended: {now.ended}"
    if now.has_died:
        return f"died (process {now.pid} is gone); finished trials are saved; run the same command to resume"
    return "running" if now.is_here else f"running on {now.host}, last seen at {now.written_at[:19]} UTC"


def line(snapshot: SweepSnapshot, left_s: float | None) -> str:
    """Show a snapshot in one line."""
    now = snapshot.now
    if now is None or now.ended is not None or now.has_died:
        counts = f"{snapshot.finished_trials()} trials finished, {snapshot.missing()} missing"
        return "; ".join(filter(None, (state(snapshot), counts, _left_out(snapshot))))
    parts = [f"{now.part}: {now.done}/{now.total}", _what(snapshot)]
    if snapshot.last is not None and snapshot.cell is not None:
        busy = ", ".join(f"{stage.name} {_share(stage)}" for stage in snapshot.last.stages)
        last = snapshot.cells[snapshot.last.cell]
        parts.append(f"in flight {snapshot.last.in_flight:.1f} of {last.depth_text}, busy {busy}")
    if snapshot.shown is not None:
        front, measured = snapshot.front(snapshot.shown)
        parts.append(f"front {len(front)} of {measured} splits")
    if left_s is not None:
        parts.append(_left(snapshot, left_s))
    parts.append(_left_out(snapshot))
    return "  ".join(part for part in parts if part)


def _left_out(snapshot: SweepSnapshot) -> str:
    """The first row that was left out of the results, and how many others were."""
    if not snapshot.left_out:
        return ""
    first, *others = snapshot.left_out.values()
    return f"left out: {first}{f', and {len(others)} more rows' if others else ''}"


def _progress(snapshot: SweepSnapshot, left_s: float | None) -> RenderableType:
    now = snapshot.now
    if now is None or not now.total:
        return words(state(snapshot))
    grid = Table.grid(padding=(0, 2))
    text = state(snapshot)
    if text == "running" and left_s is not None:
        text = _left(snapshot, left_s)
    grid.add_row(
        words((now.part, "bold")),
        ProgressBar(total=now.total, completed=now.done, width=_BAR),
        f"{now.done}/{now.total}",
        words((text, "red" if now.has_died else "")),
    )
    return grid


def _left(snapshot: SweepSnapshot, left_s: float) -> str:
    """The time left, at most where answers decide how many trials there are."""
    return f"{'at most ' * (snapshot.wanted.until is not None)}{duration(left_s)} left"


def _doing(snapshot: SweepSnapshot) -> RenderableType:
    return words(("now  ", "dim"), _what(snapshot))


def _what(snapshot: SweepSnapshot) -> str:
    cell, now = snapshot.cell, snapshot.now
    if cell is None or now is None or snapshot.wanted.until is not None:
        return now.doing if now else ""
    return f"{_cell(cell)}, trial {now.number + 1} of {snapshot.wanted.most}"


def _cell(cell: Cell) -> str:
    batch = f", batch {cell.batch}" if cell.batch > 1 else ""
    codec = f", {cell.codec}" if cell.codec != "none" else ""
    return f"{cell.label}{codec} on {' -> '.join(cell.devices)}, depth {cell.depth_text}{batch}"


def _stages(snapshot: SweepSnapshot, last: TrialSummary) -> RenderableType:
    """Stages of the last finished trial: nothing queries a device during a trial."""
    cell = snapshot.cells[last.cell]
    head = (
        f"last trial: {last.latency_s * 1e3:.3g} ms, {last.samples_per_s:.3g} samples/s, "
        f"in flight {last.in_flight:.1f} of {cell.depth_text}"
    )
    if snapshot.cell is None or snapshot.cell.id != cell.id:
        head += f" ({cell.label}, depth {cell.depth_text})"
    grid = Table.grid("", "", Column(justify="right"), padding=(0, 2))
    for stage in last.stages:
        grid.add_row(
            stage.name,
            ProgressBar(total=1.0, completed=min(1.0, stage.busy or 0.0), width=_BAR),
            f"{_share(stage)} busy",
        )
    return Group(head, grid)


def _share(stage: Stage) -> str:
    return "unknown" if stage.busy is None else f"{stage.busy:.0%}"


def _front(snapshot: SweepSnapshot, cell: Cell) -> RenderableType | None:
    front, measured = snapshot.front(cell)
    if not front:
        return None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(f"front so far: {cell.model}, {cell.network}", no_wrap=True)
    table.add_column("latency ms", justify="right")
    table.add_column("samples/s", justify="right")
    several = len({one.devices for one in snapshot.cells.values() if one.network == cell.network}) > 1
    shown = front if len(front) <= _POINTS else [*front[: _POINTS - 1], front[-1]]
    for one, (latency_s, sample_s) in shown:
        codec = f", {one.codec}" if one.codec != "none" else ""
        chain = f" on {' -> '.join(one.devices)}" if several else ""
        table.add_row(f"{one.label}{codec}{chain}", f"{latency_s * 1e3:.3g}", f"{1 / sample_s:.3g}")
    more = f", {len(front) - len(shown)} of them not shown" if len(front) > len(shown) else ""
    summary = f"{len(front)} on the front, of {measured} splits measured so far{more}"
    return Group(table, words((summary, "dim")))
