"""The answers as a LaTeX table that fits one column of a two-column paper."""

from collections.abc import Iterable
from typing import Final

from analysis.fronts.answers import (
    Answer,
    does_not_split,
    first_baseline,
    over_first_device,
    over_one_device,
    sure_not_to_split,
)
from analysis.fronts.choice import EXACT
from analysis.statistics.estimates import Estimate
from analysis.study import Group, Study

__all__ = ["COLUMNS", "answers_latex", "escaped"]

COLUMNS: Final = ("network", "best for", "split", "ms", "samples/s", "gain", "sure")
_DIGITS: Final = 3
_HEAD: Final = """\
% Needs \\usepackage{booktabs}. Small figures: 95 % intervals, or the range of up to five trials.
% ms: latency p50 of a request alone. samples/s: capacity. gain: over the best single device, by 'best for';
% empty where the first device alone was not measured. 'raw input to' is one device: over the first one alone.
% 'do not split': ms and samples/s are of the first device alone, and gain is that of the best split over it.
% sure: the probability of being within 2 % of the best.
{\\footnotesize\\setlength{\\tabcolsep}{3pt}%
\\begin{tabular}{@{}llp{0.24\\columnwidth}rrrr@{}}
\\toprule"""
_FOOT: Final = "\\bottomrule\n\\end{tabular}"

_BOUNDS: Final = {"": "", "least": "\\geq", "most": "\\leq", "unknown": "?"}

_ESCAPES: Final = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "\\": "\\textbackslash{}",
    "\N{RIGHTWARDS ARROW}": "$\\rightarrow$",
    # In TeX's own font encoding these three print as other characters.
    **{c: f"${c}$" for c in "|<>"},
}


def answers_latex(study: Study, note: str = "") -> str:
    """A `tabular` of seven columns, a row an answer; above them the model's name if there are several.

    Args:
        note: What every reader must know; it stands beneath the table, and in a comment.
    """
    lines = [f"% {note}"] if note else []
    lines += [_HEAD, _line(escaped(name) for name in COLUMNS)]
    for model in study.models:
        lines.append("\\midrule")
        if len(study.models) > 1:
            lines.append(f"\\multicolumn{{{len(COLUMNS)}}}{{@{{}}l}}{{{escaped(model.title)}}} \\\\")
        lines += [_row(group, answer) for group in model.groups for answer in group.answers]
    lines.append(_FOOT)
    if note:
        lines.append(f"\\par\\smallskip {escaped(note)}\\par")
    return "\n".join([*lines, "}", ""])


def escaped(text: str) -> str:
    """`text` with what LaTeX would take for commands written out."""
    return "".join(_ESCAPES.get(c, c) for c in text)


def _row(group: Group, answer: Answer) -> str:
    point = answer.point
    plain = first_baseline(answer, group.baselines) if does_not_split(answer) else None
    devices, batch = group.setting_of(point)
    do = (point.split.where, devices, batch)
    latency, throughput, bound = point.latency, point.throughput, "\\geq" if point.is_bound else ""
    if plain:
        do = (f"do not split: {plain.device} alone", batch, "")
        latency, throughput, bound = plain.latency, plain.throughput, ""
    return _line(
        (
            escaped(answer.network.name),
            escaped(answer.objective),
            # A long name breaks after its dots.
            "\\raggedright " + escaped(", ".join(filter(None, do))).replace(".", ".\\allowbreak{}"),
            _figure(latency, 1e3),
            _figure(throughput, bound=bound),
            _gain(answer),
            _sure(answer, is_plain=plain is not None),
        )
    )


def _gain(answer: Answer) -> str:
    """Nothing where the best single device is not known."""
    first, gain = over_first_device(answer), over_one_device(answer)
    if first is None or first.factor.value is None or gain is None:
        return ""
    return _figure(gain.factor, bound=_BOUNDS[gain.bound])


def _sure(answer: Answer, *, is_plain: bool) -> str:
    """Nothing where it is not known."""
    if answer.objective in EXACT:
        return "exact"
    if is_plain:
        first, sure = over_first_device(answer), sure_not_to_split(answer)
        if first and first.tie:
            return "tie"
        return "" if sure is None else f"$\\geq${sure * 100:.0f}\\,\\%"
    return _share(answer.probability if answer.among.measured > 1 else None)


def _figure(estimate: Estimate, factor: float = 1.0, *, bound: str = "") -> str:
    """A value, its interval small below and above it."""
    if estimate.value is None:
        return ""
    text = f"{bound}{_number(estimate.value * factor)}"
    if estimate.low is not None and estimate.high is not None:
        text += f"_{{{_number(estimate.low * factor)}}}^{{{_number(estimate.high * factor)}}}"
    return f"${text}$"


def _share(probability: float | None) -> str:
    """Never all: samples that agree are not certain for that."""
    if probability is None:
        return ""
    return "$>$99\\,\\%" if probability > 0.99 else f"{probability * 100:.0f}\\,\\%"


def _number(value: float) -> str:
    """Three significant digits, never as a power of ten."""
    rounded = float(f"{value:.{_DIGITS}g}")
    return f"{rounded:.0f}" if abs(rounded) >= 10 ** (_DIGITS - 1) else f"{rounded:.{_DIGITS}g}"


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + " \\\\"
