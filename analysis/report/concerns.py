"""What limits a report: missing, void, drifting or disagreeing results, an untrained model."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import floor
from typing import Any, Literal

from analysis.data.sweep import Sweep
from analysis.fronts.answers import NOTICED, Answer, lost_to_drift
from analysis.report.words import changed_words, listed
from controller.errors import INVALID_REPLY
from controller.results import Accuracy, Change
from controller.results.laws import LAW_BROKEN, RETRIES
from controller.results.metrics import QUANTILES
from controller.statistics.drift import DRIFT_LIMIT

__all__ = ["Concern", "concerns", "disagreements", "missing_cells"]

_ENDED = {
    "front stands": "by prediction no other could do better",
    "share measured": "the share that the experiment allows; by prediction others could be on the front",
    "time spent": "the time budget is used up; the most promising cells came first",
    None: "the search has not ended; run the same sweep command to resume",
}
_STOPPED = {
    "sure": "every answer is as sure as the experiment asks",
    "same within 2 %": "every answer is as sure as the experiment asks; some splits are as good as the best",
    "most trials": "that is the most the experiment allows",
    "no answer": "no split can be an answer",
}


@dataclass(frozen=True)
class Concern:
    """One line of the list; `grave` ones put figures in doubt, `note` ones only limit them."""

    weight: Literal["grave", "note"]
    text: str


def disagreements(sweep: Sweep) -> list[Accuracy]:
    """Splits whose chain of shards is not as accurate as the whole graph."""
    return [a for a in sweep.accuracies if a.whole != a.chain]


def concerns(sweep: Sweep, answers: Sequence[Answer] = ()) -> list[Concern]:
    """All of them, the grave ones first.

    Args:
        answers: What is said of the sweep, since drift is grave only where it makes them less sure.
    """
    parts = (
        _wrong,
        partial(_drifted, answers=answers),
        _changed,
        _lab,
        _unsound,
        _unsettled,
        _missing,
        _left_out,
        _untimed,
        _chosen,
        _stopped,
        _limits,
    )
    return sorted((c for part in parts for c in part(sweep)), key=lambda c: c.weight != "grave")


def _wrong(sweep: Sweep) -> Iterator[Concern]:
    if bad := disagreements(sweep):
        cuts = listed(",".join(map(str, a.cuts)) for a in bad[:6])
        yield Concern(
            "grave",
            f"The chain of shards does not have the accuracy of the whole graph at {len(bad)} "
            f"split{'s' * (len(bad) > 1)} (cut {cuts}). Figures there are those of another model.",
        )


def _drifted(sweep: Sweep, answers: Sequence[Answer]) -> Iterator[Concern]:
    flagged = [d for d in sweep.drifts if d.change.flagged]
    if not flagged:
        return
    worst = max(flagged, key=lambda d: abs(d.change.value))
    names = list(dict.fromkeys(d.sentinel.network for d in flagged))
    what = listed(dict.fromkeys(d.what for d in flagged))
    text = (
        f"Speed drifted while the sweep ran: {what} by up to {worst.change.value:+.1%} under {listed(names)} "
        f"(limit {DRIFT_LIMIT:.0%}). Differences of that size between cells may be drift"
    )
    concerned = [lost_to_drift(answer) for answer in answers if answer.network.name in names]
    if concerned and all(lost is not None and lost < NOTICED for lost in concerned):
        yield _note(f"{text}; the answers above take it into account and stay as sure.")
    else:
        yield Concern("grave", f"{text}.")


def _changed(sweep: Sweep) -> Iterator[Concern]:
    """Devices that were not the same for all trials."""
    for change in sweep.found.changes():
        mixed, apart = _networks_around(sweep, change)
        if not mixed and not apart:
            continue
        before = sweep.trials_in(range(1, change.environment))
        what = f"{change.device} changed after trial {before} of {sweep.finished}: {changed_words(change)}."
        if mixed:
            yield Concern(
                "grave",
                f"{what} Figures under {listed(mixed)} mix trials before and after; certainty and ties "
                "rest on differences within each part alone.",
            )
        else:
            yield _note(f"{what} No network has trials on both sides, so networks cannot be compared.")


def _networks_around(sweep: Sweep, change: Change) -> tuple[list[str], bool]:
    """The networks whose trials on a device lie on both sides of its change, and whether any two's do."""
    before: set[str] = set()
    after: set[str] = set()
    for result in sweep.cells:
        if change.device in result.cell.devices:
            for trial in result.trials:
                (before if trial.environment < change.environment else after).add(result.cell.network)
    return [p.name for p in sweep.networks if p.name in before & after], bool(before and after)


def _lab(sweep: Sweep) -> Iterator[Concern]:
    """What the selfcheck of the lab found, by the last call of the sweep."""
    if not sweep.environments:
        return
    _, _, stamp = sweep.environments[-1]
    checked = stamp.get("selfcheck")
    if checked is None:
        yield _note(
            "No selfcheck of this lab backs these figures: `edgecut selfcheck` checks its devices "
            "and links against known times."
        )
        return
    links = f"its links under {checked['network']}" if checked["network"] else "no links"
    what = f"selfcheck of {checked['taken_at'][:16].replace('T', ' ')} (devices, {links})"
    if wrong := checked["wrong"]:
        yield Concern("grave", f"The lab failed its {what}: {'; '.join(wrong)}.")
    else:
        yield _note(f"The lab passed its {what}: all {checked['figures']} figures hold.")


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
        missing = f"{'at least ' * (sweep.wanted.until is not None)}{sweep.missing}"
        yield Concern(
            "grave",
            f"The sweep is incomplete: {sweep.finished} trials finished, {missing} missing; {empty} of "
            f"{len(sweep.cells)} cells have none. Missing cells are listed below; a split that was not "
            "measured cannot win. Run the same sweep command to resume.",
        )
    if voids := len(sweep.voids):
        devices = dict.fromkeys(v.device for v in sweep.voids if v.device)
        blamed = f" (devices named: {listed(devices)})" if devices else ""
        yield _note(
            f"{_trials(voids)} {'was' if voids == 1 else 'were'} void{blamed}; void trials are not counted."
        )


def _left_out(sweep: Sweep) -> Iterator[Concern]:
    """Trials, or samples of their telemetry, that no sweep wrote."""
    for line in sweep.left_out:
        yield Concern("grave", f"{line[0].upper()}{line[1:]}. The results file is damaged or forged.")


def _untimed(sweep: Sweep) -> Iterator[Concern]:
    """Trials whose busy shares are null because a device failed after them."""
    why = Counter(
        missing
        for cell in sweep.cells
        for trial in cell.trials
        for missing in {hop.alone_missing for hop in trial.hops if hop.alone_missing}
    )
    for reason, trials in why.items():
        yield _note(f"Busy shares of {_trials(trials)} are null, time alone missing: {reason}.")


def _unsound(sweep: Sweep) -> Iterator[Concern]:
    """Blocks that lack a cell because each of its trials there was unsound."""
    done = {(c.cell.id, t.number) for c in sweep.cells for t in c.trials}
    tries = Counter(
        (v.cell.id, v.number) for v in sweep.voids if v.reason.startswith((LAW_BROKEN, INVALID_REPLY))
    )
    if flagged := {key for key, tried in tries.items() if tried > RETRIES and key not in done}:
        cells, blocks = len({cell for cell, _ in flagged}), len({number for _, number in flagged})
        yield Concern(
            "grave",
            f"{cells} cell{'s have' if cells > 1 else ' has'} no trial in {blocks} "
            f"block{'s' * (blocks > 1)}: each of {RETRIES + 1} tries broke a law that every good trial "
            "keeps, or had a reply that cannot be true. The void trials say which.",
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


def _stopped(sweep: Sweep) -> Iterator[Concern]:
    """Why networks had blocks enough, where the experiment's `trials` leave that to their answers."""
    alike: dict[tuple[int, str, int | None], list[str]] = {}
    for look in sweep.wanted.looks.values():
        if look.ended is not None:
            sure = None if look.sure is None else floor(100 * look.sure)
            alike.setdefault((look.block, look.ended, sure), []).append(look.network)
    for (block, ended, sure), networks in alike.items():
        least = "" if sure is None else f" The least sure answer is {sure} % sure."
        ran = f"Under {listed(networks)} the sweep ran {block} blocks"
        yield _note(f"{ran}: {_STOPPED.get(ended, ended)}.{least}")


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
    if sweep.wanted.most == 1:
        yield _note("One trial per cell: all intervals are null, and no difference can be told from noise.")
    elif any(len(c.trials) == 1 for c in sweep.cells):
        yield _note("Some cells have one trial; their intervals are null.")
    latencies = [c for c in sweep.cells if c.trials and not any(t.course.steady for t in c.trials)]
    if any(c.latency().value is None for c in latencies):
        yield _note("Some trials have fewer than 11 requests: their p50 is null and they are on no front.")
    if any(c.latency("p90").value is None for c in latencies):
        yield _note("Percentiles are null with too few requests in a trial: p90 needs 64, p95 130, p99 662.")
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
        if sweep.missing_of(c)
    ]
