"""What is predicted of a network's candidates: from profiles, or roughly, from baselines."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest

from controller.experiment.networks import Network
from controller.experiment.resolve import ResolvedExperiment
from controller.planning.prediction import Prediction, Predictor
from controller.profiling.profile import Profile
from controller.results import TIMED, Cell, Objective
from controller.results.pareto import Point
from controller.sweep.eta import request_s
from controller.sweep.saturation import saturating_depth
from controller.sweep.search.candidates import Candidate, candidates_of
from controller.sweep.search.front_search import Search
from worker.wire.codecs import NO_CODEC

__all__ = [
    "ProfileKey",
    "estimated_searches",
    "figures_for",
    "most_candidates",
    "most_measured",
    "planned_searches",
    "profile_key",
]

ProfileKey = tuple[str, int, int | None]
"""Bundle, batch, and threads where the experiment compares several: a profile is of one of each."""

_COMPARED = 3
"""The equal split and both ends: what answers are compared with."""

_FEWEST = _COMPARED + 4
"""With four more, which are chosen two at a time."""

_COMPARED_SHARE = 5
"""With many chains, at most a fifth is for what answers are compared with: the front needs the rest."""

_AT_ONCE = 2

_ROUNDS = 50
"""The most that a search may take, about."""


def profile_key(cell: Cell) -> ProfileKey:
    """Which profile predicts a cell."""
    return cell.bundle, cell.batch, cell.threads


def planned_searches(
    resolved: ResolvedExperiment, name: str, profiles: Mapping[ProfileKey, Profile]
) -> list[Search[Candidate]]:
    """A search for the front of each bundle under network `name`, by profiles taken before."""
    conditions = resolved.networks[name] if resolved.cells[name][0].shaping != "none" else Network()
    predictors = {
        (key, codec): Predictor(profiles[key], resolved.bundles[key[0]], conditions, codec)
        for key, codec in {(profile_key(cell), cell.codec) for cell in resolved.cells[name]}
    }
    experiment = resolved.experiment

    def point(candidate: Candidate) -> Point:
        shallow, deep = candidate.shallow, candidate.deep
        plan = predictors[profile_key(deep), deep.codec].predict(deep.devices, deep.cuts).plan
        depth = deep.depth or saturating_depth(plan.latency_s, plan.period_s)
        throughput_per_s = Prediction(plan, depth, deep.batch).throughput_per_s
        return Prediction(plan, shallow.depth, shallow.batch).latency_s, 1 / throughput_per_s

    searches = _searches(resolved, name, point, lambda number: most_measured(experiment.search_share, number))
    for search in searches:
        equal, ends = _compared(resolved, search.predicted)
        compared = [each for turn in zip_longest(equal, *ends) for each in turn if each is not None]
        search.first = compared[: max(_COMPARED, search.most // _COMPARED_SHARE)]
        search.ends = [each for alike in ends for each in alike]
        # Reconsidering millions of splits after every few of thousands would take too long.
        search.at_once = max(_AT_ONCE, search.most // _ROUNDS)
    return searches


def most_candidates(resolved: ResolvedExperiment, name: str) -> int:
    """How many splits a planned search may measure under network `name`."""
    numbers = Counter(candidate.shallow.bundle for candidate in candidates_of(resolved.cells[name]))
    share = resolved.experiment.search_share
    return sum(min(number, most_measured(share, number)) for number in numbers.values())


def most_measured(share: float, number: int) -> int:
    """How many of so many splits a planned search may measure."""
    return max(_FEWEST, int(share * number))


def estimated_searches(
    resolved: ResolvedExperiment, name: str, whole_model_s: Mapping[tuple[str, str], float]
) -> list[Search[Candidate]]:
    """The same without profiles, to its end: compute time by multiply-adds, links by bytes."""

    def point(candidate: Candidate) -> Point:
        shallow, deep = candidate.shallow, candidate.deep
        alone_s, _ = estimate(shallow)
        _, period_s = estimate(deep)
        latency_s = max(alone_s, shallow.depth * period_s) if shallow.depth > 1 else alone_s
        depth = deep.depth or saturating_depth(alone_s, period_s)
        return latency_s, max(period_s, alone_s / depth) / deep.batch

    def estimate(cell: Cell) -> tuple[float, float]:
        profile = resolved.networks[name]
        return request_s(cell, resolved.bundles[cell.bundle], resolved.lab, profile, whole_model_s)

    searches = _searches(resolved, name, point, lambda number: number)
    for search in searches:
        search.to_the_end = True
    return searches


def _compared(
    resolved: ResolvedExperiment, candidates: Iterable[Candidate]
) -> tuple[list[Candidate], tuple[list[Candidate], list[Candidate]]]:
    """What answers are compared with, plain: equal splits, and the ends, stays and offloads."""
    equal, on_first, on_last = [], [], []
    for candidate in candidates:
        cell = candidate.deep
        bundle = resolved.bundles[cell.bundle]
        if cell.codec != NO_CODEC.name:
            continue
        if cell.cuts == bundle.equal_cuts(len(cell.devices)):
            equal.append(candidate)
        elif set(cell.cuts) == {bundle.node_count}:
            on_first.append(candidate)
        elif set(cell.cuts) == {0}:
            on_last.append(candidate)
    return equal, (on_first, on_last)


def _searches(
    resolved: ResolvedExperiment, name: str, point: Callable[[Candidate], Point], most: Callable[[int], int]
) -> list[Search[Candidate]]:
    by_bundle: dict[str, list[Candidate]] = {}
    for candidate in candidates_of(resolved.cells[name]):
        by_bundle.setdefault(candidate.shallow.bundle, []).append(candidate)
    searches = []
    for bundle, alike in by_bundle.items():
        predicted = {candidate: point(candidate) for candidate in alike}
        nodes = resolved.bundles[bundle].node_count
        # Looked up for every split whenever one was measured.
        places = {candidate: candidate.place(nodes) for candidate in alike}
        search = Search(predicted, most(len(alike)), place=places.__getitem__)
        search.figures = figures_for(resolved.experiment.objectives)
        searches.append(search)
    return searches


def figures_for(objectives: Sequence[Objective]) -> tuple[int, int]:
    """Which of a candidate's latency and time a sample make the front: both, unless only one counts."""
    if len(objectives) == 1 and objectives[0] in TIMED:
        number = TIMED.index(objectives[0])
        return number, number
    return 0, 1
