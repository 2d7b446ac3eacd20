"""The figures of the benchmark, their bounds, and summaries of their values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["FIGURES", "Figure", "Summary", "all_hold", "figure_rows", "summarize", "summary"]


@dataclass(frozen=True)
class Summary:
    """A figure's value: median, lowest and highest of `n`, or as the figure says."""

    median: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Figure:
    """One line of the benchmark's table.

    Attributes:
        at_least: Lower bound, if any.
        at_most: Upper bound, if any.
        above: Lower bound that itself is too little, if any.
        judged: Which of a summary's values the bounds are for.
        bound_key: Figure of the same run that is the upper bound: that of a hop depends on the wire.
    """

    key: str
    what: str
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    bound_key: str | None = None
    judged: Literal["low", "median", "high"] = "median"

    def bound(self, summaries: Mapping[str, Summary]) -> str:
        """The bound as text."""
        of = "" if self.judged == "median" else f"{self.judged} "
        at_most = self.upper(summaries)
        if self.at_least is not None:
            return f"{of}>= {self.at_least:g}"
        if self.above is not None:
            return f"{of}> {self.above:g}"
        return "" if at_most is None else f"{of}<= {at_most:.3g}"

    def upper(self, summaries: Mapping[str, Summary]) -> float | None:
        """The upper bound, measured or fixed."""
        if self.bound_key is None:
            return self.at_most
        measured = summaries.get(self.bound_key)
        return None if measured is None else measured.median

    def holds(self, summaries: Mapping[str, Summary]) -> bool | None:
        """Whether the judged value is within its bound; None without a bound or a value."""
        summary, at_most = summaries.get(self.key), self.upper(summaries)
        if summary is None or (self.at_least is None and self.above is None and at_most is None):
            return None
        value: float = getattr(summary, self.judged)
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (at_most is None or value <= at_most)
        )


FIGURES = (
    Figure("bottleneck_busy_b1", "busy share of the slowest stage, mobilenet_v2, batch 1", at_least=0.95),
    Figure("bottleneck_busy_b8", "the same, batch 8", at_least=0.95),
    Figure("speedup_mobilenet_v2", "throughput of two devices over one", at_least=1.8),
    Figure("of_balance_limit_mobilenet_v2", "that speed-up over the limit of the balance", at_least=0.93),
    Figure("of_balance_limit_resnet50", "the same, resnet50", at_least=0.93),
    Figure("of_balance_limit_vgg16", "the same, vgg16", at_least=0.93),
    Figure("hop_excess_ms_64k", "a hop over the bare wire, 64 kB", bound_key="hop_bound_ms_64k"),
    Figure("hop_excess_ms_0m8", "the same, 0.8 MB", bound_key="hop_bound_ms_0m8"),
    Figure("hop_excess_ms_3m2", "the same, 3.2 MB", bound_key="hop_bound_ms_3m2"),
    Figure("null_requests_per_s", "two null stages, 4 kB, depth 16, full records", at_least=8_000),
    Figure("link_fill", "share of a link of 100 Mbit/s in use", at_least=0.95),
    Figure("socket_over_rpc", "throughput over PyTorch RPC's best, mobilenet_v2", at_least=1.15),
    Figure("socket_over_rpc_null_0m8", "the same, null stages, 0.8 MB"),
    Figure("tls_cost_mobilenet_v2", "throughput with TLS over without, mobilenet_v2"),
    Figure("tls_cost_null_0m8", "the same, null stages, 0.8 MB"),
    Figure("tls_connect_ms", "time to connect with TLS and certificates"),
    Figure("auth_connect_ms", "time to connect with the lab's key"),
    Figure("connect_ms", "time to connect with neither"),
    Figure("memory_growth", "resident memory after 100,000 requests over after 1,000", at_most=1.02),
    Figure("records_cost", "throughput with records over without", at_least=0.97),
    Figure("resplit_s", "time without results while a live pipeline is re-split", at_most=0.3),
    Figure("cell_overhead_s", "a sweep's time for a cell beside its requests", at_most=0.35),
)
"""In the order of the table."""


def summary(values: Sequence[float], at: Sequence[float] = (0.0, 0.5, 1.0)) -> Summary | None:
    """The quantiles at `at`, lowest first: by default the median and its range. None without values."""
    if not values:
        return None
    low, middle, high = np.quantile(values, at).tolist()
    return Summary(middle, low, high, len(values))


def summarize(values: Mapping[str, Sequence[float]]) -> dict[str, Summary]:
    """Summarize the values of each figure; figures without values are left out."""
    return {key: shown for key, each in values.items() if (shown := summary(each)) is not None}


def all_hold(figures: Sequence[Figure], summaries: Mapping[str, Summary]) -> bool:
    """Whether no figure misses its bound."""
    return all(figure.holds(summaries) is not False for figure in figures)


def figure_rows(figures: Sequence[Figure], summaries: Mapping[str, Summary]) -> list[list[str]]:
    """Key, median, range, bound and verdict of each measured figure."""
    verdicts = {True: "yes", False: "NO", None: ""}
    return [
        [
            figure.key,
            f"{summary.median:.4g}",
            f"{summary.low:.4g} to {summary.high:.4g} (n={summary.n})",
            figure.bound(summaries),
            verdicts[figure.holds(summaries)],
        ]
        for figure in figures
        if (summary := summaries.get(figure.key)) is not None
    ]
