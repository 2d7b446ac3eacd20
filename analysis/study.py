"""Everything that a report shows of a sweep, computed once: page, figures and tables are functions of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.data.breakdown import Breakdown, breakdowns
from analysis.data.predictions import PredictedCell
from analysis.data.sweep import OFFLINE, Baseline, CellResult, Network, Sweep
from analysis.fronts.answers import Answer, Goal, answers_of
from analysis.fronts.fronts import Front, front_of
from analysis.statistics.objectives import Objective
from controller.results import TIMED

__all__ = ["Group", "Model", "Study", "deepest_cells", "stem"]


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
        groups = [_group(sweep, bundle, network) for bundle, network in sweep.groups()]
        models = tuple(
            Model(b, sweep.title(b), stem(sweep.title(b)), tuple(g for g in groups if g.bundle == b))
            for b in sweep.manifests
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


def _group(sweep: Sweep, bundle: str, network: Network) -> Group:
    cells = tuple(sweep.of(bundle, network.name))
    capability = front_of(sweep, "capability", bundle, network.name)
    deepest = deepest_cells(cells)
    compromise: tuple[Goal, ...] = ("knee",) if set(TIMED) <= set(sweep.objectives) else ()
    answers = answers_of(sweep, bundle, network, capability, (*sweep.objectives, *compromise))
    answered = {a.objective for a in answers}
    return Group(
        bundle=bundle,
        title=sweep.title(bundle),
        anchor=stem(sweep.title(bundle), network.name),
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


def stem(*words: str) -> str:
    """A file name, and an anchor, of letters, digits, dots, dashes and underscores."""
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", word).strip("-") for word in words)
