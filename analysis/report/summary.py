"""The first table of a report: what to do under each network, how good that is, and how sure."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.data.sweep import Baseline, baseline_name
from analysis.fronts.answers import (
    Answer,
    Gain,
    does_not_split,
    first_baseline,
    is_like,
    over_first_device,
    over_one_device,
    sure_not_to_split,
)
from analysis.fronts.choice import EXACT
from analysis.report import words
from analysis.statistics.estimates import Estimate
from analysis.statistics.objectives import Objective
from analysis.study import Group, Study
from controller.results import TIMED

__all__ = ["HEADS", "Row", "Said", "rows_of", "summary_rows", "unreachable"]

HEADS = (
    *("network", "objective", "do this", "latency", "throughput", "gain over the best single device"),
    "how sure",
)

_BOUNDS = {"least": "\N{GREATER-THAN OR EQUAL TO}", "most": "\N{LESS-THAN OR EQUAL TO}", "unknown": "?"}


@dataclass(frozen=True)
class Said:
    """A line in a cell of the table, and what stands small beside it.

    Attributes:
        needed: What of the small print a terminal has too: without it the line would mislead.
    """

    text: str
    detail: str = ""
    needed: str = ""

    @classmethod
    def of(cls, text: str, *needed: str, more: Sequence[str] = ()) -> "Said":
        """A line with its small print, some of which is needed; what is empty is left out."""
        short = ", ".join(filter(None, needed))
        return cls(text, ", ".join(filter(None, [short, *more])), short)


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
    return [row for g in study.groups for row in rows_of(study, g, g.answers, g.unanswered)]


def rows_of(
    study: Study, group: Group, answers: Sequence[Answer], unanswered: Sequence[Objective] = ()
) -> list[Row]:
    """The rows of one model under one network, for some of its answers, and for objectives without one."""
    place = group.title, group.network.name, group.anchor
    if not answers:
        why = words.why_none(study.sweep.objectives)
        return [Row(*place, Said(words.listed(study.sweep.objectives)), Said(f"No answer yet: {why}"))]
    same: dict[tuple[str, str], list[_Advice]] = {}
    for answer in answers:
        plain = first_baseline(answer, group.baselines) if does_not_split(answer) else None
        advice = _Advice(answer, over_one_device(answer), plain)
        same.setdefault(advice.key, []).append(advice)
    rows = [_row(group, place, advices) for advices in same.values()]
    return [*rows, *(Row(*place, Said(o), Said(words.unanswered(o))) for o in unanswered)]


def unreachable(study: Study) -> list[str]:
    """A sentence for each device that would beat all answers of a model, if only the inputs were there."""
    found: dict[tuple[str, str], list[Baseline]] = {}
    timed = "latency" in study.sweep.objectives
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
        beaten = f"these answers{of} under {under}{f': {between} ms' if timed else ''}"
        sentences.append(f"If the inputs were on {baselines[0].device}, {name} would beat {beaten}.")
    return sentences


def _out_of_reach(group: Group) -> list[Baseline]:
    """Baselines of other devices than the first that beat each of a group's answers."""
    timed = [a for a in group.answers if a.objective in TIMED]
    better = [
        {g.name for g in a.gains if g.over == "baseline" and not g.tie and (g.factor.value or 1) < 1}
        for a in timed
    ]
    names = set.intersection(*better) if better else set()
    firsts = {baseline_name(a.point.cell.devices[0]) for a in timed}
    alike = [b for b in group.baselines if any(is_like(b, a.point) for a in timed)]
    return [b for b in alike if b.name in names - firsts and b.latency.value]


def _row(group: Group, place: tuple[str, str, str], advices: Sequence[_Advice]) -> Row:
    answers = [a.answer for a in advices]
    own = [f"{a.objective} {words.number(a)}" for a in answers if a.objective not in (*TIMED, "knee")]
    point, plain = advices[0].answer.point, advices[0].plain
    several = len(advices) > 1
    latency, throughput = (plain.latency, plain.throughput) if plain else (point.latency, point.throughput)
    at = "" if plain else f"depth {point.cell.depth}"
    bound = f"{_BOUNDS['least']} " if point.is_bound and not plain else ""
    return Row(
        *place,
        Said.of(words.listed(a.objective for a in answers), *own),
        _do(group, advices),
        _with_interval(latency, 1e3, " ms"),
        _with_interval(throughput, 1.0, "/s", bound=bound, more=at),
        tuple(_gain(group, a, several=several) for a in advices),
        tuple(_sure(a, several=several) for a in advices),
    )


def _with_interval(estimate: Estimate, factor: float, unit: str, *, bound: str = "", more: str = "") -> Said:
    if estimate.value is None:
        return Said("null", "too few requests in a trial")
    detail = [words.span(estimate, factor), more]
    return Said(f"{bound}{words.figure(estimate.value * factor)}{unit}", ", ".join(filter(None, detail)))


def _do(group: Group, advices: Sequence[_Advice]) -> Said:
    point, plain = advices[0].answer.point, advices[0].plain
    where = group.setting_of(point)
    if plain:
        how = _faster(advices)
        with_what = f"{'than' if how.endswith('faster') else 'as'} the best of the splits: {_best(advices)}"
        detail = ", ".join(filter(None, [with_what, *where]))
        return Said(f"Do not split: {plain.name} is {how}", detail, where[-1])
    sentence = point.split.sentence
    if point.split.kind == "stay":
        return Said.of(f"Do not split: {sentence}", *where)
    return Said.of(f"{sentence[:1].upper()}{sentence[1:]}", *where)


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


def _gain(group: Group, advice: _Advice, *, several: bool) -> Said:
    answer, gain = advice.answer, advice.alone
    if answer.objective not in TIMED:
        return Said("\N{EN DASH}")
    own = answer.objective if several else ""
    unknown = _unknown(group, answer)
    is_one = answer.point.split.kind == "offload" and not advice.plain
    if gain is None or gain.factor.value is None:
        if is_one:
            return Said.of("is one device", own, unknown)
        return Said.of("null", own, "no single device was measured" if gain is None else unknown)
    name = f"{answer.point.cell.devices[0]} alone" if gain.over == "baseline" else gain.name
    itself = "is one device; " if is_one else ""
    span = words.span(gain.factor)
    if gain.tie and not gain.bound:
        return Said.of(f"{itself}a tie with {name}", own, unknown, more=[span])
    bound = f"{_BOUNDS[gain.bound]} " if gain.bound else ""
    times = f"{itself}{bound}{words.figure(gain.factor.value)} \N{MULTIPLICATION SIGN} {name}"
    return Said.of(times, own, unknown, more=[span])


def _unknown(group: Group, answer: Answer) -> str:
    """Why the answer has no gain over the first device alone; nothing where it has."""
    gain = over_first_device(answer)
    if gain is not None and gain.factor.value is not None:
        return ""
    baseline = None if gain is None else first_baseline(answer, group.baselines)
    is_measured = baseline is not None and baseline.latency.value is not None
    why = "measured only before or after a change" if is_measured else "not measured"
    return f"{answer.point.cell.devices[0]} alone: {why}"


def _among(answer: Answer) -> str:
    """`of 3 of 30 splits`, `of 14 splits`."""
    among = answer.among
    part = not among.whole and among.splits is not None
    return f"of {among.measured}{f' of {among.splits}' if part else ''} splits"


def _sure(advice: _Advice, *, several: bool) -> Said:
    answer = advice.answer
    own = answer.objective if several else ""
    among = _among(answer)
    part = "" if answer.among.whole else among

    if answer.objective in EXACT:
        return Said.of("exact", own, part)
    if answer.rivals:
        return Said.of("unknown", own, more=["throughput still rose with the depth"])
    if answer.point.latency.trials == 1:
        return Said.of("unknown", own, more=["one trial"])
    if advice.plain and advice.alone:
        return _sure_of_plain(answer, advice.alone, own, part)
    if answer.among.measured < 2:
        return Said.of("unknown", own, more=["no other split was measured"])
    if answer.probability is None:
        return Said.of("unknown", own, more=["too few samples"])
    return Said.of(words.percent(answer.probability), own, part, more=[] if several or part else [among])


def _sure_of_plain(answer: Answer, gain: Gain, own: str, part: str) -> Said:
    """Of plain ONNX Runtime, which was compared with the split alone that is probably the best."""
    split = "" if answer.probability is None else f"best split: {words.percent(answer.probability)}"
    if answer.among.measured < 2:
        split = ""
    if gain.tie:
        return Said.of("a tie", own, part, more=[split])
    sure = sure_not_to_split(answer)
    if sure is None:
        return Said.of("unknown", own, part, more=[split or "too few samples"])
    return Said.of(f"at least {words.percent(sure)}", own, part, more=[split])
