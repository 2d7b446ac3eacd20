"""The figures of a stage of constant time under an open load, beside their truths.

Up to half of what the stage can take, the planted time gives the truth. Above it the achieved time does:
at nine tenths, a time that is 1 % longer makes the mean latency 10 % longer.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.truth.compared import ALLOWED, Compared, Row, exact, name, number
from benchmarks.truth.queue import highest_rate_per_s, mean_latency_s, quantile_s
from controller.experiment.load import parse_load
from controller.results import Cell
from controller.results.metrics import QUANTILES

__all__ = ["Service", "achieved", "open_figures"]

_HALF: Final = 0.5 + 1e-9
_WIDER: Final = 1.5
"""The truth may be this far outside of half of a 95 % interval: one of 300 is."""
_QUANTILE_ALLOWED: Final = 0.125
"""Half of the widest interval with which a quantile is given."""
_ALWAYS_KNOWN: Final = "p90"
"""Of a load of half of what the stage can take; other quantiles may be null."""
_EDGE: Final = 0.05
_LONGER: Final = 1.05
_RATE_ALLOWED: Final = 0.05


@dataclass(frozen=True)
class Service:
    """What a request takes of a stage, the mean and the mean of its squares.

    Attributes:
        late: As of `Truth`.
    """

    mean_s: float
    square_s2: float
    late: float


def achieved(
    planted_s: float, late: float, own: Sequence[Row], full: Row, full_rows: Sequence[Row]
) -> Service:
    """What requests took in a trial, and a stage between two of them.

    Args:
        own: Of `batch_metrics.csv`, the requests of an open load.
        full: Of `cells.csv`, the same stage in a closed loop, which always has a request waiting.
        full_rows: Of `batch_metrics.csv`, that one's requests.
    """
    between_s = 0.0
    if full.get("throughput_per_s") and full_rows:
        between_s = 1 / float(full["throughput_per_s"]) - statistics.fmean(_compute_s(full_rows))
    times = [seconds + max(0.0, between_s) for seconds in _compute_s(own)] or [planted_s]
    return Service(statistics.fmean(times), statistics.fmean(s * s for s in times), late)


def open_figures(
    where: str, cell: Cell, planted: Service, used: Service, row: Row, trials: int
) -> Iterator[Compared]:
    """What `cells.csv` says of a cell.

    Args:
        planted: The planted time.
        used: The time as achieved.
    """
    figures = _figures(where, cell, planted, used, row, trials)
    if used.mean_s > _LONGER * planted.mean_s:
        # Cells in a closed loop hold planted times to be kept: here a busy machine did not keep them.
        figures = (replace(one, disturbed=math.inf) for one in figures)
    yield from figures


def _figures(
    where: str, cell: Cell, planted: Service, used: Service, row: Row, trials: int
) -> Iterator[Compared]:
    yield exact(where, "trials", row.get("trials"), trials)
    load = parse_load(cell.load)
    if load.quantile is not None and load.bound_s is not None:
        yield from _search(where, load.quantile, load.bound_s, used, row, trials)
        return
    rate_per_s = load.rate_per_s or 0.0
    yield number(where, "rate", row.get("rate_per_s"), rate_per_s, allowed=1e-6)
    service = planted if rate_per_s * planted.mean_s <= _HALF else used
    in_use = rate_per_s * service.mean_s
    yield number(where, "utilisation", row.get("utilisation"), in_use, per_late_s=service.late)
    yield exact(where, "overloaded trials", row.get("overloaded"), trials if in_use >= 1 else 0)
    if in_use >= 1:
        yield name(where, "open latency mean", row.get("latency_mean_s") or "none", "none")
        return
    mean_s = mean_latency_s(rate_per_s, service.mean_s, service.square_s2)
    late = service.late / (1 - in_use)
    allowed = ALLOWED if in_use <= _HALF else max(ALLOWED, _WIDER * _half_width(row, mean_s))
    reported = row.get("latency_mean_s")
    yield number(where, "open latency mean", reported, mean_s, allowed=allowed, per_late_s=late)
    for quantile, q in QUANTILES.items():
        if abs(1 - in_use - q) < _EDGE:
            # About so many do not wait at all: the draws decide whether this one does.
            continue
        figure, reported = f"open latency {quantile}", row.get(f"latency_{quantile}_s")
        true = quantile_s(rate_per_s, service.mean_s, q)
        if not reported and (in_use > _HALF or quantile != _ALWAYS_KNOWN):
            yield Compared(where, figure, None, true, 0.0)
        else:
            yield number(where, figure, reported, true, allowed=_QUANTILE_ALLOWED, per_late_s=late)


def _search(
    where: str, quantile: str, bound_s: float, used: Service, row: Row, trials: int
) -> Iterator[Compared]:
    can_be_kept = used.mean_s < bound_s
    yield exact(where, "trials with the bound missed", row.get("bound_missed"), 0 if can_be_kept else trials)
    if can_be_kept:
        true = highest_rate_per_s(used.mean_s, QUANTILES[quantile], bound_s)
        yield number(
            where, "highest rate", row.get("rate_per_s"), true, allowed=_RATE_ALLOWED, per_late_s=used.late
        )


def _half_width(row: Row, mean_s: float) -> float:
    """Of the interval of the mean, relative; 0 without one."""
    value, low, high = (row.get(f"latency_mean_s{end}") for end in ("", "_low", "_high"))
    if not (value and low and high):
        return 0.0
    return max(float(high) - float(value), float(value) - float(low)) / mean_s


def _compute_s(rows: Sequence[Row]) -> list[float]:
    return [float(row["stage_compute_s"]) for row in rows if row.get("stage_compute_s")]
