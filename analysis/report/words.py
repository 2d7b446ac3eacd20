"""The report's sentences and how its figures are written."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analysis.data.sweep import Network, baseline_name
from analysis.fronts.answers import NOTICED, Answer, Coverage, Gain, lost_to_drift
from analysis.fronts.choice import EXACT, Basis, Goal
from analysis.fronts.fronts import Point
from analysis.fronts.replicas import Replicas
from analysis.statistics.estimates import BOOTSTRAP_TRIALS, Estimate
from analysis.statistics.objectives import Objective
from controller.results import TIMED, Change, TrialsWanted

__all__ = [
    "answer_sentences",
    "capacity",
    "changed_words",
    "conditions",
    "figure",
    "flat",
    "interval",
    "listed",
    "measured_splits",
    "milliseconds",
    "per_second",
    "percent",
    "plain",
    "network_words",
    "number",
    "span",
    "unanswered",
    "why_none",
]

_GOALS = {
    "latency": "For the lowest latency",
    "throughput": "For the highest throughput",
    "knee": "As a compromise, at the knee (most throughput per latency)",
    "accuracy": "For the highest accuracy",
    "payload": "For the least payload on the links",
    "memory": "For the least memory in the fullest device",
}
_UNITS = {"delay_ms": "ms one way", "jitter_ms": "ms jitter", "rate_mbit": "Mbit/s", "loss_percent": "% loss"}


def figure(value: float | None, digits: int = 3) -> str:
    """`value` to `digits` significant digits, without an exponent if that is possible."""
    if value is None:
        return "null"
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+" in text else text


def _with_interval(estimate: Estimate, factor: float, unit: str) -> str:
    if estimate.value is None:
        return "null"
    text = f"{figure(estimate.value * factor)} {unit}".rstrip()
    between = span(estimate, factor)
    return f"{text} ({between})" if between else text


def span(estimate: Estimate, factor: float = 1) -> str:
    """`34.2 to 34.6`; nothing without an interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{figure(estimate.low * factor)} to {figure(estimate.high * factor)}"


def milliseconds(estimate: Estimate) -> str:
    """`34.5 ms (34.2 to 34.6)`."""
    return _with_interval(estimate, 1e3, "ms")


def per_second(estimate: Estimate) -> str:
    """`77.1 samples/s (76.9 to 77.3)`."""
    return _with_interval(estimate, 1, "samples/s")


def capacity(point: Point) -> str:
    """`77.1 samples/s (76.9 to 77.3) at depth 4`; `>= 77.1 ...` where it is a lower bound."""
    least = ">= " if point.is_bound else ""
    return f"{least}{per_second(point.throughput)} at depth {point.cell.depth}"


def plain(estimate: Estimate, factor: float = 1) -> str:
    """`34.5 (34.2 to 34.6)`, for a column whose head has the unit."""
    return _with_interval(estimate, factor, "")


def listed(items: Iterable[str]) -> str:
    """`a, b and c`."""
    words = list(items)
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def interval(wanted: TrialsWanted) -> str:
    """What the interval of a figure over trials is."""
    if wanted.until:
        return "the lowest and highest of up to five trials, of more the 95 % bootstrap interval"
    if wanted.most == 1:
        return "none, since a cell has one trial"
    if wanted.most < BOOTSTRAP_TRIALS:
        return f"the lowest and highest of {wanted.most} trials"
    return f"the 95 % bootstrap interval over {wanted.most} trials"


def conditions(requested: Mapping[str, Any]) -> str:
    """A network's conditions in words, with any keys."""
    parts = []
    directed = isinstance(requested.get("forward"), Mapping) and isinstance(
        requested.get("backward"), Mapping
    )
    # Forward comes first; the rest stays as the network has it.
    for key, value in sorted(requested.items(), key=lambda item: item[0] == "backward"):
        if key == "rate_mbit" and value is None and not directed:
            parts.append("no rate limit")
        if key == "description" or value in (None, "", {}) or (directed and key in _UNITS):
            continue
        if isinstance(value, Mapping):
            inner = conditions(value)
            parts.append(f"{key}: {inner}" if inner else "")
        elif key in _UNITS:
            # Jitter and loss of zero are the ordinary case and say nothing.
            if value or key in ("delay_ms", "rate_mbit"):
                parts.append(f"{figure(value, 4)} {_UNITS[key]}")
        else:
            parts.append(f"{key} {value}")
    return ", ".join(part for part in parts if part)


def network_words(network: Network) -> str:
    """A network's conditions and how they were imposed."""
    links = {"emulated": "links emulated", "tc": "links shaped by tc", "none": "links as they are"}
    return "; ".join(
        w for w in (conditions(network.requested), links.get(network.shaping, network.shaping)) if w
    )


def answer_sentences(answer: Answer, before: Sequence[Answer] = ()) -> tuple[str, list[str]]:
    """What to do with its figure, and then how it compares, one sentence each.

    Of the knee, `before` are the network's answers: where it is the split of one, nothing is compared twice.
    """
    point = answer.point
    figures = number(answer)
    same = [a.objective for a in before if a.point.cell.id == point.cell.id]
    if answer.objective == "knee" and same:
        return f"{_GOALS['knee']}, the same split as for {listed(same)}: {figures}.", []
    lead = f"{_GOALS[answer.objective]}, {point.split.sentence}: {figures}."
    ends = [g for g in answer.gains if g.over != "baseline"]
    alone = [g for g in answer.gains if g.over == "baseline"]
    sentences = []
    if ends:
        sentences.append(f"That is {listed(_compared(g, answer) for g in ends)}.")
    if alone:
        sentences.append(f"It is {listed(_compared(g, answer) for g in alone)}.")
    if answer.probability is not None or answer.among.measured < 2:
        sentences.append(_sure(answer))
    if answer.basis and answer.basis.drifted:
        sentences.append(_drifted(answer, answer.basis))
    if answer.equivalents:
        sentences.append(_equivalents(answer))
    if answer.ties:
        sentences.append(_ties(answer))
    if answer.rivals:
        sentences.append(_open(answer))
    if answer.replicas:
        sentences.append(_replicas(answer.replicas))
    if point.latency.trials == 1:
        sentences.append("With one trial, the spread of a repetition is unknown.")
    if answer.basis:
        sentences.append(_basis(answer.basis))
    return lead, sentences


def why_none(goals: Sequence[Goal]) -> str:
    """What no split of a network without an answer has."""
    why = "no split has finished both its depth-1 cell (with 11 requests a trial) and its deepest one"
    untimed = [goal for goal in goals if goal not in (*TIMED, "knee")]
    return f"{why}, or none has {' or '.join(untimed)}" if untimed else why


def unanswered(objective: Objective) -> str:
    """Say that no split has a figure for an objective."""
    return f"No answer for {objective}: no split has a figure for it."


def _sure(answer: Answer) -> str:
    """How sure it is, and among which splits."""
    if answer.among.measured < 2:
        return "No other split was measured, so whether it is the best is unknown."
    of = f"the best of {measured_splits(answer.among)}"
    return f"It is {percent(answer.probability or 0.0)} sure to be within 2 % of {of}."


def _basis(basis: Basis) -> str:
    """What that rests on."""
    text = (
        f"This rests on {basis.blocks} blocks. Between them a figure varies by "
        f"{figure(basis.noise * 100, 2)} % (pooled over splits, without shifts of whole blocks)"
    )
    if basis.unsteady:
        text = f"{text}; {_some(basis.unsteady)} varied more"
    if basis.drift > 0.5 and not basis.drifted:
        text = f"{text}; drift of devices between blocks is likely, and allowed for"
    return f"{text}."


def _drifted(answer: Answer, basis: Basis) -> str:
    """By how much the drift that sentinels saw lowers certainty."""
    what = f"Drift of {listed(basis.drifted)}"
    if (lost_to_drift(answer) or 0.0) < NOTICED:
        return f"{what} does not make it less sure."
    return f"{what} lowers this from {percent(basis.without_drift)} to {percent(answer.probability or 0.0)}."


def measured_splits(among: Coverage) -> str:
    """`all 14 splits`, or `the 3 of 30 splits that were measured`."""
    if among.whole:
        return f"all {among.measured} splits"
    number = among.measured if among.splits is None else f"{among.measured} of {among.splits}"
    return f"the {number} splits that were measured"


def percent(share: float) -> str:
    """`97 %`; neither `0 %` nor `100 %` of what is not quite that."""
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{share * 100:.0f} %"


def number(answer: Answer) -> str:
    """An answer's own figure: `247 samples/s (247 to 247) at depth 5`, `0 kB a sample`."""
    point = answer.point
    numbers = {
        "latency": milliseconds(point.latency),
        "throughput": capacity(point),
        "knee": f"{milliseconds(point.latency)} and {capacity(point)}",
        "accuracy": figure(point.accuracy, 4),
        "payload": _with_interval(point.payload, 1e-3, "kB a sample"),
        "memory": _with_interval(point.memory, 1e-6, "MB"),
    }
    return numbers[answer.objective]


def _open(answer: Answer) -> str:
    """Whose throughput still rose with the depth, so that the best is unknown."""
    shown = _some([p.split.where for p in answer.rivals])
    return (
        f"Which split is the best is unknown: throughput still rose with the depth at {shown}, and could "
        "exceed this. Measure at greater depths."
    )


def _replicas(replicas: Replicas) -> str:
    """What a user who wants throughput alone should know."""
    return (
        f"The whole model on each of {listed(replicas.devices)}, with each request dealt to a free one, "
        f"would reach {figure(replicas.throughput_per_s)} samples/s (predicted from baselines and links)."
    )


def _some(names: Sequence[str]) -> str:
    return listed(names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"])


def _equivalents(answer: Answer) -> str:
    shown = _some([p.split.where for p in answer.equivalents])
    return f"As good (95 % sure that all are within 2 % of the best): {shown}."


def _ties(answer: Answer) -> str:
    what = "Exactly equal" if answer.objective in EXACT else "Tied within noise"
    return f"{what}: {_some([p.split.where for p in answer.ties])}."


def _compared(gain: Gain, answer: Answer) -> str:
    other = _other(gain, answer)
    if gain.factor.value is None:
        return f"not comparable with {other} (too few samples)"
    if gain.bound == "unknown":
        return f"not comparable with {other} (the throughput of both still rose with the depth)"
    if gain.tie and not gain.bound:
        return f"within noise of {other} (a tie)"
    what = "the throughput of" if answer.objective == "throughput" else "as fast as"
    bound = f"at {gain.bound} " if gain.bound else ""
    return f"{bound}{figure(gain.factor.value)} times {what} {other}"


def _other(gain: Gain, answer: Answer) -> str:
    first = answer.point.cell.devices[0]
    if gain.over == "stay":
        return f"running everything on {first}"
    if gain.over == "offload":
        return f"sending the {gain.name}"
    if gain.over == "equal":
        return f"the equal split ({gain.name})"
    return gain.name if gain.name == baseline_name(first) else f"{gain.name} (if the inputs were there)"


def changed_words(change: Change) -> str:
    """`kernel from 6.1 to 6.6 and governor from ondemand to performance`."""
    words = [f"{name} from {_brief(before)} to {_brief(after)}" for name, before, after in change.differences]
    return _some(words)


def _brief(value: object) -> str:
    """A value of a stamp; of a digest its beginning."""
    text = "null" if value is None else str(value)
    return f"{text[:12]}…" if len(text) == 64 else text


def flat(stamp: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested stamp as rows of key and value."""
    rows: list[tuple[str, str]] = []
    for key, value in stamp.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rows += flat(value, f"{name}.")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            rows.append((name, ", ".join(map(str, value))))
        else:
            rows.append((name, "null" if value is None else str(value)))
    return rows
