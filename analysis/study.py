"""Everything that a report shows of a sweep, computed once: page, figures and tables are functions of it."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.data.breakdown import Breakdown, breakdowns
from analysis.data.predictions import PredictedCell
from analysis.data.sweep import OFFLINE, Baseline, CellResult, Network, Sweep
from analysis.fronts.answers import Answer, Goal, answers_of
from analysis.fronts.fronts import Front, Point, front_of
from analysis.statistics.objectives import Objective
from controller.results import TIMED

__all__ = ["Group", "Model", "Study", "deepest_cells", "distinct_stem"]


@dataclass(frozen=True)
class Group:
    """One model under one network.

    Attributes:
        title: The model's.
        anchor: Begins the names of its figures, and is its place on the page: `mobilenet_v2-wifi`.
        answers: One for each objective that figures suffice for.
        unanswered: The other objectives, where there are answers.
        knee: The compromise of latency and throughput, where both are objectives.
        breakdowns: Where the time goes, of every finished cell of depth 1.
        deepest: The deepest finished cell of each split, in a closed loop.
        timeline: The cell of most throughput among the deepest with several stages, whose bars are shown.
    """

    bundle: str
    title: str
    anchor: str
    network: Network
    cells: tuple[CellResult, ...]
    baselines: tuple[Baseline, ...]
    capability: Front
    operating: Front
    answers: tuple[Answer, ...]
    unanswered: tuple[Objective, ...]
    knee: Answer | None
    breakdowns: tuple[Breakdown, ...]
    deepest: tuple[CellResult, ...]
    timeline: CellResult | None

    @property
    def fronts(self) -> tuple[Front, Front]:
        return self.capability, self.operating

    def setting_of(self, point: Point) -> tuple[str, str]:
        """`on pi→server` and `batch 4` of a split; each is empty where all splits have the same."""
        cells = [p.cell for p in self.capability.points]
        chain = "\N{RIGHTWARDS ARROW}".join(point.split.computing)
        is_told = point.split.kind != "split" or chain in point.split.where
        devices = len({cell.devices for cell in cells}) > 1 and not is_told
        batches = len({cell.batch for cell in cells}) > 1
        return f"on {chain}" if devices else "", f"batch {point.cell.batch}" if batches else ""


@dataclass(frozen=True)
class Model:
    """One bundle of a sweep. `anchor` begins the names of its figures."""

    bundle: str
    title: str
    anchor: str
    groups: tuple[Group, ...]

    def answers(self, objective: str) -> list[Answer]:
        """Each network's answer for one objective."""
        return [a for group in self.groups for a in group.answers if a.objective == objective]


@dataclass(frozen=True)
class Study:
    """A sweep with its fronts, answers, breakdowns, time lines and predictions."""

    sweep: Sweep
    models: tuple[Model, ...]
    predictions: tuple[PredictedCell, ...]

    @classmethod
    def of(cls, sweep: Sweep, predictions: Sequence[PredictedCell] = ()) -> "Study":
        """Compute all of it."""
        anchors: set[str] = set()
        names = {b: distinct_stem(anchors, sweep.title(b)) for b in sweep.manifests}
        # What of a model is of all its networks has this anchor on the page.
        anchors |= {f"{name}-all" for name in names.values()}
        groups = [
            _group(sweep, bundle, network, distinct_stem(anchors, sweep.title(bundle), network.name))
            for bundle, network in sweep.groups()
        ]
        models = tuple(
            Model(b, sweep.title(b), name, tuple(g for g in groups if g.bundle == b))
            for b, name in names.items()
        )
        return cls(sweep, models, tuple(predictions))

    @property
    def groups(self) -> list[Group]:
        """Every model under every network that has a wanted cell."""
        return [group for model in self.models for group in model.groups]

    @property
    def answers(self) -> list[Answer]:
        """The answers of all groups."""
        return [answer for group in self.groups for answer in group.answers]


def _group(sweep: Sweep, bundle: str, network: Network, anchor: str) -> Group:
    cells = tuple(sweep.of(bundle, network.name))
    capability = front_of(sweep, "capability", bundle, network.name)
    deepest = deepest_cells(cells)
    compromise: tuple[Goal, ...] = ("knee",) if set(TIMED) <= set(sweep.objectives) else ()
    answers = answers_of(sweep, bundle, network, capability, (*sweep.objectives, *compromise))
    answered = {a.objective for a in answers}
    return Group(
        bundle=bundle,
        title=sweep.title(bundle),
        anchor=anchor,
        network=network,
        cells=cells,
        baselines=tuple(b for b in sweep.baselines if (b.bundle, b.network) == (bundle, network.name)),
        capability=capability,
        operating=front_of(sweep, "operating", bundle, network.name),
        answers=tuple(a for a in answers if a.objective != "knee"),
        unanswered=tuple(o for o in sweep.objectives if answers and o not in answered),
        knee=next((a for a in answers if a.objective == "knee"), None),
        breakdowns=tuple(breakdowns(cells)),
        deepest=deepest,
        timeline=_fastest(sweep, deepest),
    )


def deepest_cells(cells: Sequence[CellResult]) -> tuple[CellResult, ...]:
    """The deepest finished cell of each split, in a closed loop: there a stage could be busy all the time."""
    deepest: dict[str, CellResult] = {}
    for r in cells:
        if not r.trials or r.cell.load != OFFLINE or r.cell.depth == 1:
            continue
        if r.cell.split_id not in deepest or r.cell.depth_key > deepest[r.cell.split_id].cell.depth_key:
            deepest[r.cell.split_id] = r
    order = sorted(deepest.values(), key=lambda r: (r.cell.devices, r.cell.cuts, r.cell.batch, r.cell.codec))
    return tuple(order)


def _fastest(sweep: Sweep, deepest: Sequence[CellResult]) -> CellResult | None:
    several = [r for r in deepest if len(r.trials[0].hops) > 1 and r.cell.id in sweep.timelines]
    return max(several, key=lambda r: r.throughput.value or 0.0, default=None)


def distinct_stem(taken: set[str], *words: str) -> str:
    """A file name, and an anchor, from words; with their digest where another one is the same.

    Args:
        taken: All others; it joins them.
    """
    name = _stem(*words)
    if name in taken:
        name = f"{name}-{hashlib.sha256(repr(words).encode()).hexdigest()[:8]}"
    taken.add(name)
    return name


def _stem(*words: str) -> str:
    """Words joined by dashes, with no other characters than letters, digits, dots, dashes and underscores."""
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", word).strip("-") for word in words)
