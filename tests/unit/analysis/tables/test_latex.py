"""The answers for a paper: seven columns, in ms, with intervals, of what LaTeX takes."""

import re
from collections.abc import Callable
from dataclasses import replace

from analysis.data.sweep import Sweep
from analysis.fronts.answers import Answer, Coverage
from analysis.statistics.estimates import Estimate
from analysis.study import Study
from analysis.tables.latex import COLUMNS, answers_latex, escaped


def _rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.endswith("\\\\") and "multicolumn" not in line]
    return [re.split(r"(?<!\\) & ", line.removesuffix(" \\\\")) for line in lines]


def test_each_answer_is_a_row_of_seven_columns_in_ms_with_its_interval(sweep: Sweep) -> None:
    study = Study.of(sweep)
    text = answers_latex(study)
    (head, *rows), answers = _rows(text), study.answers
    assert head == list(COLUMNS) and len(COLUMNS) == 7
    assert [row[:2] for row in rows] == [[a.network.name, a.objective] for a in answers]
    assert {len(row) for row in rows} == {7}
    for row, answer in zip(rows, answers, strict=True):
        figure = re.fullmatch(r"\$([\d.]+)_\{([\d.]+)\}\^\{([\d.]+)\}\$", row[3])
        assert figure
        value, low, high = map(float, figure.groups())
        assert low <= value <= high
        assert abs(value / 1e3 / (answer.point.latency.value or 0) - 1) < 0.01, "milliseconds"
    one_device = [float(row[5].strip("$").partition("_")[0]) for row in rows]
    assert min(one_device) > 0


def test_it_is_what_latex_takes(sweep: Sweep) -> None:
    text = answers_latex(Study.of(sweep))
    code = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    bare = re.sub(r"\\[{}]", "", code)
    assert bare.count("{") == bare.count("}")
    assert len(re.findall(r"(?<!\\)\$", code)) % 2 == 0
    columns = re.search(r"\\begin\{tabular\}\{@\{\}(.*)@\{\}\}", code)
    assert columns and len(re.sub(r"p\{.*?columnwidth\}", "p", columns[1])) == 7
    assert [code.count(rule) for rule in ("\\toprule", "\\midrule", "\\bottomrule")] == [1, 1, 1]
    assert not re.search(r"(?<!\\)[#%&_](?!\{)", re.sub(r" & |\$[^$]*\$|setlength.*\n|\{3pt\}%", "", code))
    assert code.isascii()


def test_models_are_told_apart_only_where_there_are_several(
    sweep: Sweep, other: Callable[..., Sweep]
) -> None:
    study = Study.of(sweep)
    assert "multicolumn" not in answers_latex(study)
    (model,) = study.models
    two = replace(study, models=(model, replace(model, title="a_b")))
    assert answers_latex(two).count("\\multicolumn{7}{@{}l}{mobilenet\\_v2}") == 1
    assert "{a\\_b}" in answers_latex(two)


def test_it_says_not_to_split_where_the_page_does_and_what_is_not_known_is_empty(sweep: Sweep) -> None:
    study = Study.of(sweep)
    group = next(g for g in study.groups if g.network.name == "wifi")
    answer = group.answers[1]
    plain = next(g for g in answer.gains if g.name == "plain ONNX Runtime on pi")
    offload = next(g for g in answer.gains if g.over == "offload")

    def row(answer: Answer) -> list[str]:
        (model,) = study.models
        groups = (replace(group, answers=(answer,)),)
        return _rows(answers_latex(replace(study, models=(replace(model, groups=groups),))))[1]

    slower = replace(plain, factor=Estimate(0.93, 0.92, 0.94, 3, "blocks95"), tie=False)
    what, _, _, gain, sure = row(replace(answer, gains=(slower,), probability=0.9))[2:]
    assert what.endswith("do not split: pi alone")
    assert gain == "$0.93_{0.92}^{0.94}$" and sure == "$\\geq$85\\,\\%"
    most = replace(offload, factor=Estimate(1.5, 1.4, 1.6, 3, "blocks95"), tie=False, bound="most")
    faster = replace(plain, factor=Estimate(2.0, 1.9, 2.1, 3, "blocks95"), tie=False)
    assert row(replace(answer, gains=(faster, most)))[5] == "$\\leq1.5_{1.4}^{1.6}$"
    assert row(replace(answer, gains=(most,)))[5] == "", "pi alone may be better"
    assert row(replace(answer, objective="payload"))[6] == "exact"
    assert row(replace(answer, among=Coverage(1, 1)))[6] == ""


def test_a_note_stands_beneath_the_table_and_in_a_comment(sweep: Sweep) -> None:
    lines = answers_latex(Study.of(sweep), "Measured in a lab_1.").splitlines()
    assert lines[0] == "% Measured in a lab_1."
    assert lines[-3:] == ["\\end{tabular}", "\\par\\smallskip Measured in a lab\\_1.\\par", "}"]


def test_names_are_escaped() -> None:
    assert escaped("features.0_1 | b & 50% {x}") == "features.0\\_1 $|$ b \\& 50\\% \\{x\\}"
