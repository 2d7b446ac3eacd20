"""The first table of a report: what to do under each network, how good that is, and how sure."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.data.sweep import Baseline, baseline_name
from analysis.fronts.answers import Answer, Gain
from analysis.fronts.choice import EXACT
from analysis.report import words
from analysis.statistics.estimates import Estimate
from analysis.study import Group, Study
from controller.results import TIMED

__all__ = ["HEADS", "Row", "Said", "rows_of", "summary_rows", "unreachable"]

HEADS = (
    *("network", "objective", "do this", "latency", "throughput", "gain over the best single device"),
    "how sure",
)


@dataclass(frozen=True)
class Said:
    """A line in a cell of the table, and what stands small beside it."""

    text: str
    detail: str = ""


@dataclass(frozen=True)
class Row:
    """What to do for one or more objectives of one model under one network.

    Attributes:
        model: The bundle's title.
        anchor: Of the network's section on the page.
        objective: Beside it the answer's own figure, where no column has it.
        gain, sure: A line for each objective.
    """

    model: str
    network: str
    anchor: str
    objective: Said
    do: Said
    latency: Said = Said("\N{EN DASH}")
    throughput: Said = Said("\N{EN DASH}")
    gain: tuple[Said, ...] = (Said("\N{EN DASH}"),)
    sure: tuple[Said, ...] = (Said("\N{EN DASH}"),)

    def cells(self) -> list[tuple[Said, ...]]:
        """Its cells, in the order of `HEADS`."""
        single = Said(self.network), self.objective, self.do, self.latency, self.throughput
        return [*((said,) for said in single), self.gain, self.sure]


@dataclass(frozen=True)
class _Advice:
    """An answer, and the plain ONNX Runtime loop to run in its place, where that is as good or better."""

    answer: Answer
    alone: Gain | None
    plain: Baseline | None

    @property
    def key(self) -> tuple[str, str]:
        """What is the same for objectives that one row answers."""
        return ("plain", self.plain.key) if self.plain else ("split", self.answer.point.cell.id)


def summary_rows(study: Study) -> list[Row]:
    """A row for each model, network and objective; objectives with the same answer share one."""
    return [row for group in study.groups for row in rows_of(study, group, group.answers)]


def rows_of(study: Study, group: Group, answers: Sequence[Answer]) -> list[Row]:
    """The rows of one model under one network, for some of its answers."""
    place = group.title, group.network.name, group.anchor
    if not answers:
        why = words.why_none(study.sweep.objectives)
        return [Row(*place, Said(words.listed(study.sweep.objectives)), Said(f"No answer yet: {why}"))]
    same: dict[tuple[str, str], list[_Advice]] = {}
    for answer in answers:
        advice = _advice(group, answer)
        same.setdefault(advice.key, []).append(advice)
    rows = [_row(place, advices) for advices in same.values()]
    return [*rows, *(Row(*place, Said(o), Said(words.unanswered(o))) for o in group.unanswered)]


def _best_alone(answer: Answer) -> Gain | None:
    """The gain over the single device that is the best for requests that begin on the first one.

    That is plain ONNX Runtime on the first device, which has the inputs, or another device that gets the raw
    input over the network. Plain ONNX Runtime on another device would need its inputs there.
    """
    first = baseline_name(answer.point.cell.devices[0])
    alone = [g for g in answer.gains if g.over == "offload" or (g.over, g.name) == ("baseline", first)]
    return min(
        (g for g in alone if g.factor.value is not None), key=lambda g: g.factor.value or 0.0, default=None
    )


def _advice(group: Group, answer: Answer) -> _Advice:
    alone = _best_alone(answer)
    if alone is None or alone.over != "baseline" or answer.objective not in TIMED:
        return _Advice(answer, alone, None)
    # An answer that may have more throughput than measured is not beaten yet.
    if answer.rivals:
        return _Advice(answer, alone, None)
    behind = alone.tie is not True and (alone.factor.value or 0.0) < 1
    # Of two that are as good plain ONNX Runtime needs less. Everything on the first device is no split.
    if behind or (alone.tie and answer.point.split.kind != "stay"):
        return _Advice(answer, alone, _plain(group, answer))
    return _Advice(answer, alone, None)


def _plain(group: Group, answer: Answer) -> Baseline | None:
    """The first device's baseline with the answer's batch and threads."""
    cell = answer.point.cell
    mine = [
        b
        for b in group.baselines
        if (b.device, b.batch) == (cell.devices[0], cell.batch) and cell.threads in (None, b.threads)
    ]
    return min(mine, key=lambda b: b.latency.value or float("inf"), default=None)


def unreachable(study: Study) -> list[str]:
    """A sentence for each device that would beat all answers of a model, if only the inputs were there."""
    found: dict[tuple[str, str], list[Baseline]] = {}
    for group in study.groups:
        for b in _out_of_reach(group):
            found.setdefault((group.title, b.name), []).append(b)
    several = len(study.models) > 1
    sentences = []
    for (title, name), baselines in found.items():
        of = f" for {title}" if several else ""
        under = words.listed(dict.fromkeys(b.network for b in baselines))
        times = sorted(b.latency.value * 1e3 for b in baselines if b.latency.value)
        between = " to ".join(dict.fromkeys(map(words.figure, (times[0], times[-1]))))
        device = baselines[0].device
        beaten = f"these answers{of} under {under}"
        sentences.append(f"If the inputs were on {device}, {name} would beat {beaten}: {between} ms.")
    return sentences


def _out_of_reach(group: Group) -> list[Baseline]:
    """Baselines of other devices than the first that beat each of a group's answers in time."""
    timed = [a for a in group.answers if a.objective in TIMED]
    better = [
        {g.name for g in a.gains if g.over == "baseline" and not g.tie and (g.factor.value or 1) < 1}
        for a in timed
    ]
    names = set.intersection(*better) if better else set()
    firsts = {baseline_name(a.point.cell.devices[0]) for a in timed}
    return [b for b in group.baselines if b.name in names - firsts and b.latency.value]


def _row(place: tuple[str, str, str], advices: Sequence[_Advice]) -> Row:
    answers = [a.answer for a in advices]
    own = [f"{a.objective} {words.number(a)}" for a in answers if a.objective not in (*TIMED, "knee")]
    point, plain = advices[0].answer.point, advices[0].plain
    several = len(advices) > 1
    latency, throughput = (plain.latency, plain.throughput) if plain else (point.latency, point.throughput)
    at = "" if plain else f"depth {point.cell.depth}"
    bound = "\N{GREATER-THAN OR EQUAL TO} " if point.is_bound and not plain else ""
    return Row(
        *place,
        Said(words.listed(a.objective for a in answers), ", ".join(own)),
        _do(advices),
        _with_interval(latency, 1e3, " ms"),
        _with_interval(throughput, 1.0, "/s", bound=bound, more=at),
        tuple(_gain(a, several=several) for a in advices),
        tuple(_sure(a, several=several) for a in advices),
    )


def _with_interval(estimate: Estimate, factor: float, unit: str, *, bound: str = "", more: str = "") -> Said:
    if estimate.value is None:
        return Said("null", "too few requests in a trial")
    detail = [words.span(estimate, factor), more]
    return Said(f"{bound}{words.figure(estimate.value * factor)}{unit}", ", ".join(filter(None, detail)))


def _do(advices: Sequence[_Advice]) -> Said:
    point, plain = advices[0].answer.point, advices[0].plain
    if plain:
        how = _faster(advices)
        with_what = f"{'than' if how.endswith('faster') else 'as'} the best of the splits: {_best(advices)}"
        return Said(f"Do not split: {plain.name} is {how}", with_what)
    if point.split.kind == "stay":
        return Said(f"Do not split: {point.split.sentence}")
    return Said(f"{point.split.sentence[:1].upper()}{point.split.sentence[1:]}")


def _faster(advices: Sequence[_Advice]) -> str:
    """`7 % faster`, `2 to 7 % faster`, `up to 7 % faster`, `as good`."""
    factors = [a.alone.factor.value or 1.0 for a in advices if a.alone and not a.alone.tie]
    if not factors:
        return "as good"
    most, least = 1 / min(factors), 1 / max(factors)
    if most >= 2:
        return f"{words.figure(most, 2)} times as fast"
    texts = [words.percent(speed - 1).removesuffix(" %") for speed in (least, most)]
    if len(factors) < len(advices):
        return f"up to {texts[1]} % faster"
    return f"{' to '.join(dict.fromkeys(texts))} % faster"


def _best(advices: Sequence[_Advice]) -> str:
    """What plain ONNX Runtime is compared with."""
    splits = {a.answer.point.split.where: a.answer.point.split.kind for a in advices}
    names = [f"{where} with edgecut" if kind == "stay" else where for where, kind in splits.items()]
    return words.listed(names)


def _gain(advice: _Advice, *, several: bool) -> Said:
    answer, gain = advice.answer, advice.alone
    if answer.objective not in TIMED:
        return Said("\N{EN DASH}")
    own = [answer.objective] if several else []
    if gain is None or gain.factor.value is None:
        return Said("null", ", ".join([*own, "no single device was measured"]))
    name = f"{answer.point.cell.devices[0]} alone" if gain.over == "baseline" else gain.name
    details = [*own, *filter(None, [words.span(gain.factor)])]
    if gain.tie:
        return Said(f"a tie with {name}", ", ".join(details))
    bound = answer.objective == "throughput" and answer.point.is_bound
    least = "\N{GREATER-THAN OR EQUAL TO} " if bound else ""
    times = f"{least}{words.figure(gain.factor.value)} \N{MULTIPLICATION SIGN} {name}"
    return Said(times, ", ".join(details))


def _itself(answer: Answer) -> list[str]:
    """How sure the split that is compared with is the best one."""
    if answer.probability is None or answer.among.measured < 2:
        return []
    return [f"best split: {words.percent(answer.probability)}"]


def _sure(advice: _Advice, *, several: bool) -> Said:
    answer, gain = advice.answer, advice.alone
    own = [answer.objective] if several else []

    def said(text: str, *more: str) -> Said:
        return Said(text, ", ".join([*own, *more]))

    if answer.objective in EXACT:
        return said("exact")
    if answer.rivals:
        return said("unknown", "throughput still rose with the depth")
    if answer.point.latency.trials == 1:
        return said("unknown", "one trial")
    if advice.plain and gain:
        return said("a tie") if gain.tie else said("at least 95 %", *_itself(answer))
    if answer.among.measured < 2:
        return said("unknown", "no other split was measured")
    if answer.probability is None:
        return said("unknown", "too few samples")
    among = answer.among
    part = not among.whole and among.splits is not None
    of = f"of {among.measured}{f' of {among.splits}' if part else ''} splits"
    return said(words.percent(answer.probability), *([] if several and among.whole else [of]))
