"""What limits a report: missing, void, drifting or disagreeing results, an untrained model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analysis.data.sweep import Sweep
from analysis.report.words import listed
from analysis.statistics.drift import DRIFT_LIMIT, Change, changes_of
from controller.results import Accuracy, Sentinel
from controller.results.metrics import QUANTILES

__all__ = ["Concern", "Drifted", "concerns", "disagreements", "drifts", "missing_cells"]

_ENDED = {
    "front stands": "by prediction no other could be on the front",
    "share measured": "the share that the experiment allows; by prediction others could be on the front",
    "time spent": "the time budget is used up; the most promising cells came first",
    None: "the search has not ended; run the same sweep command to resume",
}


@dataclass(frozen=True)
class Concern:
    """One line of the list; `grave` ones put figures in doubt, `note` ones only limit them."""

    weight: Literal["grave", "note"]
    text: str


@dataclass(frozen=True)
class Drifted:
    """A sentinel in one block, and its change against the network's first block."""

    sentinel: Sentinel
    change: Change

    @property
    def what(self) -> str:
        """The device, or the link as in `pi -> server`."""
        return " -> ".join(filter(None, (self.sentinel.device, self.sentinel.receiver)))


def drifts(sweep: Sweep) -> list[Drifted]:
    """Every sentinel of every block, in the order of networks, devices and links, and blocks."""
    series: dict[tuple[str, str, str], list[Sentinel]] = {}
    for sentinel in sorted(sweep.sentinels, key=lambda s: s.block):
        key = (sentinel.network, sentinel.device, sentinel.receiver)
        series.setdefault(key, []).append(sentinel)
    return [
        Drifted(sentinel, change)
        for blocks in series.values()
        for sentinel, change in zip(blocks, changes_of([s.times_s for s in blocks]), strict=True)
    ]


def disagreements(sweep: Sweep) -> list[Accuracy]:
    """Splits whose chain of shards is not as accurate as the whole graph."""
    return [a for a in sweep.accuracies if a.whole != a.chain]


def concerns(sweep: Sweep) -> list[Concern]:
    """All of them, the grave ones first."""
    parts = (_wrong, _unsettled, _missing, _chosen, _limits)
    return sorted((c for part in parts for c in part(sweep)), key=lambda c: c.weight != "grave")


def _wrong(sweep: Sweep) -> Iterator[Concern]:
    if bad := disagreements(sweep):
        cuts = listed(",".join(map(str, a.cuts)) for a in bad[:6])
        yield Concern(
            "grave",
            f"The chain of shards does not have the accuracy of the whole graph at {len(bad)} "
            f"split{'s' * (len(bad) > 1)} (cut {cuts}). Its figures are those of another network.",
        )
    if flagged := [d for d in drifts(sweep) if d.change.flagged]:
        worst = max(flagged, key=lambda d: abs(d.change.value))
        names = listed(dict.fromkeys(d.sentinel.network for d in flagged))
        what = listed(dict.fromkeys(d.what for d in flagged))
        yield Concern(
            "grave",
            f"Speed drifted while the sweep ran: {what} by up to {worst.change.value:+.1%} under {names} "
            f"(limit {DRIFT_LIMIT:.0%}). Differences of that size between cells may be drift.",
        )


def _unsettled(sweep: Sweep) -> Iterator[Concern]:
    if unstable := sum(c.unstable for c in sweep.cells):
        yield Concern(
            "grave" if unstable > sweep.finished / 10 else "note",
            f"{unstable} of {_trials(sweep.finished)} changed while they ran: the median latencies of their "
            "thirds differ by over 10 %. The column unstable of cells.csv says which.",
        )
    if overloaded := sum(c.overloaded for c in sweep.cells):
        yield _note(
            f"{_trials(overloaded)} received more requests than the pipeline could process: they have "
            "a throughput but no latency, and are on no front."
        )
    if missed := sum(c.bound_missed for c in sweep.cells):
        yield _note(f"In {_trials(missed)} no request rate kept the requested bound on latency.")


def _missing(sweep: Sweep) -> Iterator[Concern]:
    if sweep.missing:
        empty = sum(not c.trials for c in sweep.cells)
        yield Concern(
            "grave",
            f"The sweep is incomplete: {sweep.finished} trials finished, {sweep.missing} missing; {empty} of "
            f"{len(sweep.cells)} cells have none. Missing cells are listed below; a split that was not "
            "measured cannot win. Run the same sweep command to resume.",
        )
    if voids := len(sweep.voids):
        devices = dict.fromkeys(v.device for v in sweep.voids if v.device)
        blamed = f" (devices named: {listed(devices)})" if devices else ""
        yield _note(
            f"{_trials(voids)} {'was' if voids == 1 else 'were'} void{blamed}; void trials are not counted."
        )


def _chosen(sweep: Sweep) -> Iterator[Concern]:
    """What was not measured because it was not chosen."""
    for scope in sweep.scopes:
        measured = sum(c.cell.network == scope.network for c in sweep.cells)
        if measured < scope.cells and scope.ended in _ENDED:
            how = "a planned search" if scope.how == "planned" else "a time budget"
            yield _note(
                f"Under {scope.network}, {measured} of {scope.cells} cells were measured, chosen by {how}: "
                f"{_ENDED[scope.ended]}. A split that was not measured cannot win."
            )
    if sweep.profilings:
        took_s = sum(p.took_s for p in sweep.profilings)
        yield _note(f"Profiling the lab for the search's predictions took another {took_s:.0f} s.")


def _limits(sweep: Sweep) -> Iterator[Concern]:
    for bundle, manifest in sweep.manifests.items():
        title = sweep.title(bundle)
        if manifest.get("trained") is False:
            yield _note(f"{title} is untrained: its timings are right, its predictions mean nothing.")
        of_bundle = [a for a in sweep.accuracies if a.bundle == bundle]
        if not any(a.whole is not None for a in of_bundle):
            why = "its samples have no labels" if of_bundle else "it was not computed"
            yield _note(f"Accuracy of {title} is null: {why}.")
    yield from _other_samples(sweep)
    if sweep.trials_wanted == 1:
        yield _note("One trial per cell: all intervals are null, and no difference can be told from noise.")
    elif any(len(c.trials) == 1 for c in sweep.cells):
        yield _note("Some cells have one trial; their intervals are null.")
    latencies = [c for c in sweep.cells if c.trials and not any(t.course.steady for t in c.trials)]
    if any(c.latency().value is None for c in latencies):
        yield _note("Some trials have fewer than 11 requests: their p50 is null and they are on no front.")
    if any(c.latency("p90").value is None for c in latencies):
        yield _note("p90 and above are null where a trial has too few requests (64 for p90, 130, 662).")
    loaded = [c for c in sweep.cells if c.trials and not c.overloaded and c.utilisation.value is not None]
    if any(c.latency(name).value is None for c in loaded for name in QUANTILES):
        yield _note(
            "Under an open load a percentile is null where a trial has too few requests for it, or where its "
            "95 % interval would be wider than 25 %."
        )


def _other_samples(sweep: Sweep) -> Iterator[Concern]:
    """Models whose bundles draw other samples: from another data set, or with another seed."""
    known = {a.bundle for a in sweep.accuracies if a.whole is not None}
    drawn: dict[tuple[Any, Any], list[str]] = {}
    for bundle, manifest in sweep.manifests.items():
        if bundle in known:
            key = manifest.get("dataset"), manifest.get("seed")
            drawn.setdefault(key, []).append(sweep.title(bundle))
    if len(drawn) > 1:
        groups = (f"{listed(titles)} on {data} (seed {seed})" for (data, seed), titles in drawn.items())
        yield _note(
            f"Accuracies are over different samples, so they cannot be compared: {'; '.join(groups)}."
        )


def _note(text: str) -> Concern:
    return Concern("note", text)


def _trials(number: int) -> str:
    return f"{number} trial{'s' * (number != 1)}"


def missing_cells(sweep: Sweep) -> Sequence[tuple[str, str, int, int, int]]:
    """Network, where, depth, finished and void trials of every cell that wants more trials."""
    return [
        (c.cell.network, c.split.where, c.cell.depth, len(c.trials), c.voids)
        for c in sweep.cells
        if len(c.trials) < sweep.trials_wanted
    ]
