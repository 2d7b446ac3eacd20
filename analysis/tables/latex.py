"""The answers as a LaTeX table that fits one column of a two-column paper."""

from collections.abc import Iterable, Sequence
from typing import Final

from analysis.data.sweep import baseline_name
from analysis.fronts.answers import Answer, Gain
from analysis.statistics.estimates import Estimate
from analysis.study import Study

__all__ = ["COLUMNS", "answers_latex", "escaped"]

COLUMNS: Final = ("network", "best for", "split", "ms", "samples/s", "gain", "sure")
_DIGITS: Final = 3
_HEAD: Final = """\
% Needs \\usepackage{booktabs}. Small figures: 95 % intervals, or the range of up to five trials.
% ms: latency p50 of a request alone. samples/s: capacity. gain: over the best single device, by 'best for'.
% sure: the probability of being within 2 % of the best.
{\\footnotesize\\setlength{\\tabcolsep}{3pt}%
\\begin{tabular}{@{}llp{0.24\\columnwidth}rrrr@{}}
\\toprule"""
_FOOT: Final = """\
\\bottomrule
\\end{tabular}}
"""

_ESCAPES: Final = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "\\": "\\textbackslash{}",
    "\N{RIGHTWARDS ARROW}": "$\\rightarrow$",
    # In TeX's own font encoding these three print as other characters.
    **{c: f"${c}$" for c in "|<>"},
}


def answers_latex(study: Study) -> str:
    """A `tabular` of seven columns, a row an answer; above them the model's name if there are several."""
    lines = [_HEAD, _line(escaped(name) for name in COLUMNS)]
    for model in study.models:
        lines.append("\\midrule")
        if len(study.models) > 1:
            lines.append(f"\\multicolumn{{{len(COLUMNS)}}}{{@{{}}l}}{{{escaped(model.title)}}} \\\\")
        lines += [_row(answer) for group in model.groups for answer in group.answers]
    return "\n".join([*lines, _FOOT])


def escaped(text: str) -> str:
    """`text` with what LaTeX would take for commands written out."""
    return "".join(_ESCAPES.get(c, c) for c in text)


def _row(answer: Answer) -> str:
    point = answer.point
    gain = _over_one_device(answer.gains, baseline_name(point.cell.devices[0]))
    return _line(
        (
            escaped(answer.network.name),
            escaped(answer.objective),
            # A long name breaks after its dots.
            "\\raggedright " + escaped(point.split.where).replace(".", ".\\allowbreak{}"),
            _figure(point.latency, 1e3),
            _figure(point.throughput, bound="\\geq" if point.is_bound else ""),
            "" if gain is None else _figure(gain.factor),
            _share(answer.probability),
        )
    )


def _over_one_device(gains: Sequence[Gain], plain: str) -> Gain | None:
    """Over the single device that is the best for requests that begin on the first one."""
    alone = (g for g in gains if g.over == "offload" or (g.over, g.name) == ("baseline", plain))
    known = [(g.factor.value, g) for g in alone if g.factor.value is not None]
    return min(known, key=lambda pair: pair[0])[1] if known else None


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
