"""The best split for each network and objective, how sure that is, and among how many splits."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from analysis.data.splits import equal_cuts
from analysis.data.sweep import OFFLINE, Baseline, Network, Sweep, baseline_name
from analysis.errors import ObjectiveError
from analysis.fronts.choice import Basis, Chooser, Goal, merit_of, power_of
from analysis.fronts.fronts import Front, Point, front_of
from analysis.fronts.replicas import Replicas, replicas_of
from analysis.statistics.estimates import Estimate
from analysis.statistics.objectives import OBJECTIVES, Objective
from controller.results import CHAIN, SOCKET, TIMED
from controller.results.metrics import power

__all__ = [
    "NOTICED",
    "Answer",
    "Coverage",
    "Gain",
    "Goal",
    "all_answers",
    "answers_of",
    "as_json",
    "check_goal",
    "does_not_split",
    "first_baseline",
    "is_like",
    "lost_to_drift",
    "over_first_device",
    "over_one_device",
    "sure_not_to_split",
]

_SETTINGS = ("batch", "codec", "topology", "threads", "backend")
Over = Literal["baseline", "stay", "offload", "equal"]
Bound = Literal["", "least", "most", "unknown"]

_LEVEL = 0.95
"""Of the interval that tells two figures apart."""


@dataclass(frozen=True)
class Gain:
    """How many times better the answer is than something else; below 1 it is worse.

    Attributes:
        over: `baseline` (the whole model in plain ONNX Runtime on one device), an end of the split range, or
            the split with equal numbers of nodes (`equal`).
        factor: Corrected for the answer having been picked, with its 95 % interval.
        tie: Whether the interval holds 1; None with one block, which cannot tell.
        bound: Of a gain in throughput: whether it is at `least` the factor, since the answer's capacity is a
            bound, at `most`, since the other's is, or is `unknown`, since both are.
    """

    over: Over
    name: str
    factor: Estimate
    tie: bool | None
    bound: Bound = ""


@dataclass(frozen=True)
class Coverage:
    """Splits of one bundle under one network.

    Attributes:
        measured: Those with both figures of the capability front.
        splits: All that the experiment asks about; None where the results file does not say.
    """

    measured: int
    splits: int | None

    @property
    def whole(self) -> bool:
        """Whether none was left out."""
        return self.splits is not None and self.measured >= self.splits


@dataclass(frozen=True)
class Answer:
    """The best point of the capability front for one objective.

    Attributes:
        ties: The other splits that are not told apart from it, by the requested figure (the knee: by both).
        among: The splits that it is the best of.
        rivals: Splits that may have more throughput than measured, and then more than the answer; it is one
            of them where its own capacity is a bound. With any, it is not known to be the best.
        replicas: What the whole model on every device would reach, for throughput; None where nothing tells.
        probability: That it is within 2 % of the best of those. None with fewer than two blocks, and with
            rivals.
        equivalents: The other splits that are, all of them and it together, 95 % surely within 2 % of the
            best.
        basis: What the probability rests on; None where there is none, or where the figure is exact.
    """

    bundle: str
    network: Network
    objective: Goal
    point: Point
    ties: tuple[Point, ...]
    gains: tuple[Gain, ...]
    among: Coverage
    rivals: tuple[Point, ...] = ()
    replicas: Replicas | None = None
    probability: float | None = None
    equivalents: tuple[Point, ...] = ()
    basis: Basis | None = None


NOTICED = 0.01
"""A loss of certainty that is worth a word."""


def lost_to_drift(answer: Answer) -> float | None:
    """How much less probable an answer is for the drift that sentinels saw; None without a probability."""
    if answer.probability is None:
        return None
    # What is exact has no basis, and nothing that could drift.
    return answer.basis.without_drift - answer.probability if answer.basis else 0.0


def check_goal(text: str) -> Goal:
    """What `--objective` names: an objective or `knee`.

    Raises:
        ObjectiveError: It is neither.
    """
    goals: tuple[Goal, ...] = (*OBJECTIVES, "knee")
    for goal in goals:
        if goal == text:
            return goal
    raise ObjectiveError(f"--objective {text}: choose one of {', '.join(goals)}")


def answers_of(
    sweep: Sweep, bundle: str, network: Network, front: Front, goals: Sequence[Goal]
) -> tuple[Answer, ...]:
    """An answer for each goal that the points of a capability front suffice for.

    Args:
        goals: Empty for the sweep's objectives.
    """
    if all(power_of(p) is None for p in front.points):
        return ()
    among = _coverage(sweep, bundle, network.name, front.points)
    chooser = Chooser(sweep, bundle, network.name, front.points)
    goals = goals or sweep.objectives
    answers: list[Answer] = []
    chosen: list[Point] = []
    # Many splits may have exactly the same accuracy or payload. One that is best for another objective of the
    # sweep is named, also where only one goal is requested: all commands name the same split.
    for goal in sorted(dict.fromkeys((*sweep.objectives, *goals)), key=lambda goal: goal not in TIMED):
        choice = chooser.choose(goal, chosen)
        if choice is None:
            continue
        chosen.append(choice.point)
        if goal not in goals:
            continue
        best, rivals = choice.point, _rivals(choice.point, front.points, goal)
        gains = _gains(sweep, best, goal, front.points, chooser)
        replicas = replicas_of(sweep, network, best.cell) if goal == "throughput" else None
        answer = Answer(bundle, network, goal, best, choice.ties, gains, among, rivals, replicas)
        if not rivals:
            answer = replace(
                answer, probability=choice.probability, equivalents=choice.equivalents, basis=choice.basis
            )
        answers.append(answer)
    return tuple(sorted(answers, key=lambda answer: goals.index(answer.objective)))


def all_answers(sweep: Sweep, goals: Sequence[Goal] = ()) -> list[Answer]:
    """The answers of every model under every network, without the rest of a study; see `answers_of`."""
    return [
        answer
        for bundle, network in sweep.groups()
        for answer in answers_of(
            sweep, bundle, network, front_of(sweep, "capability", bundle, network.name), goals
        )
    ]


def _coverage(sweep: Sweep, bundle: str, network: str, points: Sequence[Point]) -> Coverage:
    """How many of a sweep's splits have a point on the capability front."""
    measured = sum(p.latency.value is not None and p.throughput.value is not None for p in points)
    scopes = [scope for scope in sweep.scopes if scope.network == network]
    if scopes and scopes[0].ended != "all measured":
        return Coverage(measured, scopes[0].splits.get(bundle))
    shallowest: dict[str, tuple[bool, int]] = {}
    for result in sweep.of(bundle, network):
        if result.cell.load == OFFLINE:
            split, depth = result.cell.split_id, result.cell.depth_key
            shallowest[split] = min(depth, shallowest.get(split, depth))
    return Coverage(measured, sum(depth == (False, 1) for depth in shallowest.values()))


def _rivals(best: Point, points: Sequence[Point], goal: Goal) -> tuple[Point, ...]:
    """Splits that could have more of what is asked for, with more requests in flight than were tried."""
    if goal not in ("throughput", "knee"):
        return ()
    merit = merit_of(best, goal) or 0.0

    def at_most(point: Point) -> float:
        return point.limit if goal == "throughput" else power(point.latency.value or math.inf, point.limit)

    known = [p for p in points if merit_of(p, goal) is not None]
    return tuple(p for p in known if p.is_bound and (p is best or at_most(p) > merit))


def _setting(point: Point) -> tuple[object, ...]:
    """What must be the same for a split to be compared with an end."""
    return point.cell.batch, point.cell.devices, point.cell.threads, point.cell.prefetch


def _gains(
    sweep: Sweep, best: Point, goal: Goal, points: Sequence[Point], chooser: Chooser
) -> tuple[Gain, ...]:
    """The knee is compared by its latency: it is the more cautious of its two gains to print."""
    objective: Objective = "latency" if goal == "knee" else goal
    if objective not in TIMED:
        return ()

    def gain(over: Over, name: str, other: Point | Baseline) -> Gain:
        factor, tie = chooser.gain(objective, best, other), chooser.is_tie(objective, best, other)
        return Gain(over, name, factor, tie, _bound(best, other) if objective == "throughput" else "")

    gains = [
        gain("baseline", b.name, b)
        for b in sweep.baselines
        if (b.bundle, b.network) == (best.cell.bundle, best.cell.network) and is_like(b, best)
    ]
    equal = equal_cuts(sweep.manifests[best.cell.bundle], len(best.cell.devices))
    for p in points:
        if merit_of(p, goal) is None:
            continue
        alike = _setting(p) == _setting(best)
        # Those with the answer's own codec, topology and backend, or as usual; the others only say how
        # codecs, topologies and backends compare.
        alike &= p.cell.codec in ("none", best.cell.codec) and p.cell.topology in (CHAIN, best.cell.topology)
        alike &= p.cell.backend in (SOCKET, best.cell.backend)
        if p is best or not alike:
            continue
        if p.split.kind != "split":
            gains.append(gain(p.split.kind, p.split.where, p))
        elif p.cell.cuts == equal:
            gains.append(gain("equal", p.split.where, p))
    return tuple(gains)


def _bound(best: Point, other: Point | Baseline) -> Bound:
    """What is known of a ratio of two capacities."""
    other_is_bound = isinstance(other, Point) and other.is_bound
    if best.is_bound:
        return "unknown" if other_is_bound else "least"
    return "most" if other_is_bound else ""


def over_first_device(answer: Answer) -> Gain | None:
    """The gain over plain ONNX Runtime on the first device, which has the inputs; None if not measured.

    Where it has several numbers of threads the least gain, and where no factor is known a gain without one.
    """
    name = baseline_name(answer.point.cell.devices[0])
    return _least([gain for gain in answer.gains if (gain.over, gain.name) == ("baseline", name)])


def over_one_device(answer: Answer) -> Gain | None:
    """The gain over the best single device for requests that begin on the first one.

    That is the first device itself, or another one that gets the raw input over the network, which plain ONNX
    Runtime elsewhere does not count. An answer that sends the raw input is one device, and so has a gain over
    the first device only. Where plain ONNX Runtime on the first device is not known, the gain is over the
    best of the others, which is not known to be the best.
    """
    first = over_first_device(answer)
    if answer.point.split.kind == "offload" or does_not_split(answer):
        return first
    others = [gain for gain in answer.gains if gain.over == "offload"]
    return _least([*([first] if first else []), *others])


def does_not_split(answer: Answer) -> bool:
    """Whether plain ONNX Runtime on the first device is better than the answer, or as good with less."""
    first = over_first_device(answer)
    # An answer that may have more throughput than measured is not beaten yet.
    if first is None or first.factor.value is None or answer.objective not in TIMED or answer.rivals:
        return False
    if first.tie:
        # Everything on the first device is no split.
        return answer.point.split.kind != "stay"
    return first.factor.value < 1


def sure_not_to_split(answer: Answer) -> float | None:
    """A probability that no split is over 2 % better than plain ONNX Runtime on the first device, at least.

    It was compared with the answer alone, so either that comparison or the answer may be wrong. None where
    one of the two is not known, for a tie, and below one half.
    """
    first = over_first_device(answer)
    if first is None or first.tie is not False:
        return None
    if answer.among.measured < 2:
        return _LEVEL
    least = _LEVEL + (answer.probability or 0.0) - 1
    return least if least >= 0.5 else None


def first_baseline(answer: Answer, baselines: Sequence[Baseline]) -> Baseline | None:
    """Of a network's baselines the first device's, with the answer's batch and threads."""
    first = answer.point.cell.devices[0]
    mine = [b for b in baselines if b.device == first and is_like(b, answer.point)]
    return min(mine, key=lambda b: b.latency.value or math.inf, default=None)


def is_like(baseline: Baseline, point: Point) -> bool:
    """Whether a baseline has a split's batch and threads."""
    return baseline.batch == point.cell.batch and point.cell.threads in (None, baseline.threads)


def _least(gains: Sequence[Gain]) -> Gain | None:
    def size(gain: Gain) -> float:
        return math.inf if gain.factor.value is None else gain.factor.value

    return min(gains, key=size, default=None)


def as_json(sweep: Sweep, answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """The answers as plain values: seconds, samples a second, factors."""
    return [
        {
            "model": a.point.cell.model,
            "bundle_name": sweep.title(a.bundle),
            "bundle": a.bundle,
            "network": a.network.name,
            "shaping": a.network.shaping,
            "objective": a.objective,
            "kind": a.point.split.kind,
            "where": a.point.split.where,
            "cuts": list(a.point.cell.cuts),
            "devices": list(a.point.cell.devices),
            **{name: getattr(a.point.cell, name) for name in _SETTINGS},
            "accuracy": a.point.accuracy,
            "depth": a.point.cell.depth,
            "latency_p50_s": _values(a.point.latency),
            "throughput_per_s": _values(a.point.throughput),
            "payload_bytes": _values(a.point.payload),
            "memory_bytes": _values(a.point.memory),
            "is_lower_bound": a.point.is_bound and a.objective in ("throughput", "knee"),
            "probability_best": a.probability,
            "could_have_more": [p.split.where for p in a.rivals],
            "replicas_per_s": a.replicas.throughput_per_s if a.replicas else None,
            "splits_measured": a.among.measured,
            "splits": a.among.splits,
            "probability_on_front": a.point.probability,
            "tied_with": [p.split.where for p in a.ties],
            "equivalent_to": [p.split.where for p in a.equivalents],
            "basis": asdict(a.basis) if a.basis else None,
            "gains": [
                {"over": g.over, "name": g.name, "factor": _values(g.factor), "tie": g.tie, "bound": g.bound}
                for g in a.gains
            ],
        }
        for a in answers
    ]


def _values(figure: Estimate) -> dict[str, Any]:
    return {"value": figure.value, "low": figure.low, "high": figure.high, "interval": figure.kind}
