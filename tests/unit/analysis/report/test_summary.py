"""The first table: what to do, for each network and objective, on the page and in a terminal."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.data.sweep import Sweep, load
from analysis.fronts.answers import Answer, Coverage, Gain
from analysis.report.summary import HEADS, Row, rows_of, summary_rows, unreachable
from analysis.report.terminal import summary_lines
from analysis.statistics.estimates import NOTHING, Estimate
from analysis.study import Group, Study
from analysis.tables.latex import answers_latex
from controller.results import TIMED, Scope, Store
from tests.unit.analysis.synthetic import Physics, write_sweep


@pytest.fixture(scope="module")
def wifi(study: Study) -> Group:
    return next(group for group in study.groups if group.network.name == "wifi")


def _told(row: Row, head: str) -> list[tuple[str, str]]:
    return [(said.text, said.detail) for said in row.cells()[HEADS.index(head)]]


def _gain(answer: Answer, over: str, factor: float, low: float | None, high: float | None) -> Answer:
    """The answer with this gain over plain ONNX Runtime on pi, or over the raw input sent, and no other."""
    (gain,) = [g for g in answer.gains if over in (g.name, g.over)]
    tie = None if low is None or high is None else low <= 1 <= high
    return replace(answer, gains=(replace(gain, factor=Estimate(factor, low, high, 3, "blocks95"), tie=tie),))


_PI = "plain ONNX Runtime on pi"
_GAIN = "gain over the best single device"


def test_a_row_has_what_to_do_its_figures_its_gain_and_how_sure_it_is(study: Study) -> None:
    rows = summary_rows(study)
    assert [(row.network, row.objective.text) for row in rows] == [
        (network, objective) for network in ("lan", "wifi", "wan") for objective in TIMED
    ]
    lan, _, _, wifi, *_ = rows
    assert _told(lan, "do this") == [("Send the raw input to server", "")]
    assert _told(wifi, "do this") == [("Cut after features.2", "")]
    group = next(g for g in study.groups if g.network.name == "wifi")
    answer = next(a for a in group.answers if a.objective == "throughput")
    ((latency, between),) = _told(wifi, "latency")
    assert latency == f"{(answer.point.latency.value or 0) * 1e3:.3g} ms"
    assert between == " to ".join(
        f"{(each or 0) * 1e3:.3g}" for each in (answer.point.latency.low, answer.point.latency.high)
    )
    alone = next(g for g in answer.gains if g.name == _PI).factor.value or 0
    offload = next(g for g in answer.gains if g.over == "offload").factor.value or 0
    best, name = min((alone, "pi alone"), (offload, "raw input to server"))
    assert (
        _told(wifi, "gain over the best single device")[0][0] == f"{best:.3g} \N{MULTIPLICATION SIGN} {name}"
    )


def test_objectives_with_the_same_answer_share_a_row(study: Study, wifi: Group) -> None:
    latency, throughput = wifi.answers
    (row,) = rows_of(study, wifi, [replace(latency, point=throughput.point), throughput])
    assert row.objective.text == "latency and throughput"
    for head in ("gain over the best single device", "how sure"):
        assert [detail.split(",")[0] for _, detail in _told(row, head)] == ["latency", "throughput"]


def test_plain_onnx_runtime_that_beats_every_split_is_what_to_do(study: Study, wifi: Group) -> None:
    latency, throughput = wifi.answers
    slower = _gain(throughput, _PI, 0.93, 0.92, 0.94)
    (row,) = rows_of(study, wifi, [slower])
    ((do, than),) = _told(row, "do this")
    assert do == "Do not split: plain ONNX Runtime on pi is 8 % faster"
    assert than == "than the best of the splits: features.2"
    plain = next(b for b in wifi.baselines if b.device == "pi")
    assert _told(row, "latency")[0][0] == f"{(plain.latency.value or 0) * 1e3:.3g} ms", "of what to do"
    assert _told(row, "throughput")[0][0] == f"{plain.throughput.value:.3g}/s"
    assert _told(row, "gain over the best single device") == [
        ("0.93 \N{MULTIPLICATION SIGN} pi alone", "0.92 to 0.94")
    ]
    assert _told(row, "how sure")[0][0] == "at least 95 %"
    (both,) = rows_of(study, wifi, [_gain(latency, _PI, 0.98, 0.97, 0.99), slower])
    assert _told(both, "do this")[0][0] == "Do not split: plain ONNX Runtime on pi is 2 to 8 % faster"
    (half,) = rows_of(study, wifi, [_gain(latency, _PI, 0.4, 0.39, 0.41)])
    assert _told(half, "do this")[0][0] == "Do not split: plain ONNX Runtime on pi is 2.5 times as fast"


def test_a_tie_is_called_a_tie_and_is_no_reason_to_split(study: Study, wifi: Group) -> None:
    throughput = _gain(wifi.answers[1], _PI, 1.01, 0.99, 1.03)
    (row,) = rows_of(study, wifi, [throughput])
    ((do, than),) = _told(row, "do this")
    assert do == "Do not split: plain ONNX Runtime on pi is as good"
    assert than == "as the best of the splits: features.2"
    assert _told(row, "gain over the best single device") == [("a tie with pi alone", "0.99 to 1.03")]
    assert _told(row, "how sure")[0][0] == "a tie"
    with_network = _gain(wifi.answers[1], "offload", 1.01, 0.99, 1.03)
    (row,) = rows_of(study, wifi, [with_network])
    assert _told(row, "do this") == [("Cut after features.2", "")]
    assert _told(row, "gain over the best single device")[0][0] == "a tie with raw input to server"


def test_a_bound_keeps_its_mark_and_leaves_the_best_unknown(study: Study, wifi: Group) -> None:
    throughput = wifi.answers[1]
    bound = replace(throughput.point, is_bound=True)
    slower = _gain(throughput, _PI, 0.93, 0.92, 0.94)
    least = replace(slower.gains[0], bound="least")
    open_ = replace(slower, gains=(least,), point=bound, rivals=(bound,), probability=None)
    (row,) = rows_of(study, wifi, [open_])
    assert _told(row, "do this") == [("Cut after features.2", "")], "it may be faster than it was measured"
    assert _told(row, "throughput")[0][0].startswith("\N{GREATER-THAN OR EQUAL TO} ")
    assert _told(row, "gain over the best single device")[0][0].startswith(
        "\N{GREATER-THAN OR EQUAL TO} 0.93"
    )
    assert _told(row, "how sure") == [("unknown", "throughput still rose with the depth")]


def test_what_too_few_samples_cannot_tell_is_unknown(other: Callable[..., Sweep]) -> None:
    for row in summary_rows(Study.of(other(trials=1))):
        assert {text for text, _ in _told(row, "how sure")} == {"unknown"}
        assert all(not detail.count(" to ") for _, detail in _told(row, "latency"))
    (row, *_) = summary_rows(Study.of(other(requests=(5, 5))))
    assert _told(row, "do this")[0][0].startswith("No answer yet: no split has finished both")
    assert _told(row, "how sure") == [("\N{EN DASH}", "")]


def test_how_sure_says_of_how_many_splits(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 60))
    with Store.append(path) as store:
        (bundle,) = load(path).manifests
        store.add(Scope("wifi", "planned", 60, "front stands", {bundle: 30}))
    study = Study.of(load(path))
    details = {row.network: _told(row, "how sure")[-1][1] for row in summary_rows(study)}
    assert details["wifi"].endswith("of 3 of 30 splits")
    group = study.groups[0]
    single = replace(group.answers[0], among=Coverage(1, 1))
    assert _told(rows_of(study, group, [single])[0], "how sure") == [
        ("unknown", "no other split was measured")
    ]


def test_objectives_without_a_column_have_their_figure_beside_them(results: Path) -> None:
    study = Study.of(load(results, objectives=("latency", "payload")))
    _, payload = rows_of(study, study.groups[0], study.groups[0].answers)
    assert (payload.objective.text, payload.objective.detail) == ("payload", "payload 0 kB a sample (0 to 0)")
    assert _told(payload, "how sure") == [("exact", "")]
    assert any("payload (payload 0 kB" in line for line in summary_lines(study))


def test_a_device_whose_inputs_are_elsewhere_is_no_single_device_and_is_told_beneath(study: Study) -> None:
    """The server is ten times faster; a split that ships inputs to it is what can be had."""
    assert all("server alone" not in said.text for row in summary_rows(study) for said in row.gain)
    (sentence,) = unreachable(study)
    assert sentence.startswith("If the inputs were on server, plain ONNX Runtime on server would beat these")


def test_the_terminal_has_the_same_table(study: Study) -> None:
    lines = summary_lines(study)
    for row in summary_rows(study):
        mine = [line for line in lines if line.startswith(f" {row.network} ") or line.startswith(row.network)]
        assert any(row.latency.text in line and row.throughput.text in line for line in mine)


def test_gains_without_any_baseline_are_null(study: Study, wifi: Group, other: Callable[..., Sweep]) -> None:
    (row,) = rows_of(study, wifi, [replace(wifi.answers[1], gains=())])
    assert _told(row, _GAIN) == [("null", "no single device was measured")]
    study = Study.of(other(physics=Physics(networks={"lan": (1000.0, 0.0002)})))
    answer = replace(study.groups[0].answers[0], gains=())
    (row,) = rows_of(study, study.groups[0], [answer])
    assert _told(row, _GAIN) == [("is one device", "pi alone: not measured")]
    unknown = Gain("baseline", _PI, Estimate(None, None, None, 0, None), None)
    (row,) = rows_of(study, study.groups[0], [replace(answer, gains=(unknown,))])
    assert _told(row, _GAIN)[0][0] == "is one device"


def test_the_first_device_that_was_not_measured_alone_is_no_best_one(study: Study, wifi: Group) -> None:
    throughput = _gain(wifi.answers[1], "offload", 2.0, 1.9, 2.1)
    (row,) = rows_of(study, wifi, [throughput])
    assert _told(row, _GAIN) == [
        ("2 \N{MULTIPLICATION SIGN} raw input to server", "pi alone: not measured, 1.9 to 2.1")
    ]
    apart = Gain("baseline", _PI, NOTHING, None)
    (row,) = rows_of(study, wifi, [replace(throughput, gains=(*throughput.gains, apart))])
    assert _told(row, _GAIN)[0][1].startswith("pi alone: measured only before or after a change")


def test_an_answer_that_sends_the_raw_input_is_one_device_itself(study: Study) -> None:
    lan = next(group for group in study.groups if group.network.name == "lan")
    (row, *_) = rows_of(study, lan, lan.answers)
    factor = next(g for g in lan.answers[0].gains if g.name == _PI).factor.value or 0.0
    assert _told(row, _GAIN)[0][0] == f"is one device; {factor:.3g} \N{MULTIPLICATION SIGN} pi alone"


def test_of_several_ties_only_that_with_the_first_device_is_a_reason_not_to_split(
    study: Study, wifi: Group
) -> None:
    throughput = wifi.answers[1]
    pi, server = (_gain(throughput, over, 1.01, 0.98, 1.03).gains[0] for over in (_PI, "offload"))
    less = replace(server, factor=replace(server.factor, value=0.99))
    (row,) = rows_of(study, wifi, [replace(throughput, gains=(pi, less))])
    assert _told(row, "do this")[0][0] == "Do not split: plain ONNX Runtime on pi is as good"
    assert _told(row, _GAIN)[0][0] == "a tie with pi alone"


def test_plain_onnx_runtime_is_as_sure_as_the_split_that_it_was_compared_with(
    study: Study, wifi: Group
) -> None:
    slower = replace(_gain(wifi.answers[1], _PI, 0.93, 0.92, 0.94), probability=0.7)
    (row,) = rows_of(study, wifi, [slower])
    assert _told(row, "how sure") == [("at least 65 %", "best split: 70 %")]
    for unknown in (replace(slower, probability=0.4), _gain(wifi.answers[1], _PI, 0.93, None, None)):
        (row,) = rows_of(study, wifi, [unknown])
        assert _told(row, "how sure")[0][0] == "unknown"


def test_what_is_exact_is_so_among_the_measured_splits(results: Path) -> None:
    study = Study.of(load(results, objectives=("payload",)))
    few = replace(study.groups[0].answers[0], among=Coverage(3, 30))
    rows = rows_of(study, study.groups[0], [few])
    assert _told(rows[0], "how sure") == [("exact", "of 3 of 30 splits")]
    assert any("(of 3 of" in line for line in summary_lines(study, rows))


def test_devices_and_batches_are_told_where_splits_differ_in_them(study: Study, wifi: Group) -> None:
    point = wifi.answers[1].point
    others = [replace(point, cell=replace(point.cell, batch=4, devices=("pi", "phone", "server")))]
    mixed = replace(wifi, capability=replace(wifi.capability, points=(*wifi.capability.points, *others)))
    rows = rows_of(study, mixed, [wifi.answers[1]])
    told = "on pi\N{RIGHTWARDS ARROW}server, batch 1"
    assert _told(rows[0], "do this") == [("Cut after features.2", told)]
    said = "".join(summary_lines(study, rows))
    assert "(on pi\N{RIGHTWARDS ARROW}server," in said and "batch 1)" in said
    (model,) = study.models
    latex = answers_latex(replace(study, models=(replace(model, groups=(mixed,)),)))
    assert "on pi$\\rightarrow$server, batch 1" in latex


def test_a_baseline_in_another_batch_is_not_out_of_reach(study: Study, results: Path) -> None:
    sentence = unreachable(study)
    slow = Estimate(9.0, None, None, 1, None)
    groups = [
        replace(g, baselines=(*g.baselines, *(replace(b, batch=8, latency=slow) for b in g.baselines)))
        for g in study.groups
    ]
    (model,) = study.models
    assert unreachable(replace(study, models=(replace(model, groups=tuple(groups)),))) == sentence
    (rate,) = unreachable(Study.of(load(results, objectives=("throughput",))))
    assert " ms" in sentence[0] and " ms" not in rate


def test_a_terminal_says_which_objective_and_that_devices_are_not_real(study: Study, wifi: Group) -> None:
    latency, throughput = wifi.answers
    rows = rows_of(study, wifi, [replace(latency, point=throughput.point), throughput])
    first, *lines = summary_lines(study, rows)
    assert first == "Measured in a local lab with some devices emulated as slower and emulated links."
    assert all(f"({objective})" in "".join(lines) for objective in TIMED)
