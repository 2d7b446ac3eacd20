"""The best split for each network, what kind it is, what it gains, and when it is a tie."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.__main__ import main
from analysis.data.sweep import Sweep, load
from analysis.fronts.answers import Answer, all_answers, answers_of, as_json
from analysis.report.terminal import summary_lines
from analysis.report.words import answer_sentences
from analysis.study import Study
from controller.results import Store
from tests.unit.analysis.synthetic import BUNDLE, Physics, run_trial, write_sweep


def _by(found: list[Answer]) -> dict[tuple[str, str], Answer]:
    return {(a.network.name, a.objective): a for a in found}


def test_each_network_has_the_answer_that_its_physics_gives(study: Study) -> None:
    found = _by(study.answers)
    assert found["lan", "latency"].point.split.kind == "offload"
    assert found["wifi", "throughput"].point.split.kind == "split"
    assert found["wan", "latency"].point.split.kind == "stay"


def test_the_winner_is_the_best_of_all_candidates(study: Study) -> None:
    for (network, objective), answer in _by(study.answers).items():
        cells = study.sweep.of(BUNDLE, network)
        if objective == "latency":
            assert answer.point.latency.value == min(
                r.latency().value or 0 for r in cells if r.cell.depth == 1
            )
        elif objective == "throughput":
            assert answer.point.throughput.value == max(
                r.throughput.value or 0 for r in cells if r.cell.depth == 4
            )


def test_gain_over_the_slow_device_alone_is_the_ratio_of_the_latencies(study: Study) -> None:
    answer = _by(study.answers)["lan", "latency"]
    gain = next(g for g in answer.gains if g.name == "plain ONNX Runtime on pi")
    pi = next(b for b in study.sweep.baselines if b.device == "pi")
    assert pi.latency.value and answer.point.latency.value
    assert gain.factor.value == pytest.approx(pi.latency.value / answer.point.latency.value, rel=0.01)
    assert gain.tie is False


def test_both_ends_and_every_device_alone_are_compared_with(study: Study) -> None:
    answer = _by(study.answers)["wifi", "throughput"]
    assert {(g.over, g.name) for g in answer.gains} == {
        ("baseline", "plain ONNX Runtime on pi"),
        ("baseline", "plain ONNX Runtime on server"),
        ("stay", "everything on pi"),
        ("offload", "raw input to server"),
        ("equal", "features.5"),
    }


def test_what_noise_cannot_tell_apart_is_a_tie(other: Callable[..., Sweep]) -> None:
    noisy = other(physics=Physics(noise=0.15))
    assert any(a.ties for a in all_answers(noisy))


def test_one_trial_can_tell_no_tie(other: Callable[..., Sweep]) -> None:
    found = all_answers(other(trials=1))
    assert found
    assert all(g.tie is None and g.factor.low is None for a in found for g in a.gains)


def test_too_few_requests_give_no_answer_and_the_table_says_so(other: Callable[..., Sweep]) -> None:
    study = Study.of(other(requests=(5, 5)))
    assert study.answers == []
    assert any("No answer yet" in line for line in summary_lines(study))


def test_a_gain_says_which_of_two_capacities_is_a_bound(study: Study) -> None:
    group = next(g for g in study.groups if g.network.name == "wifi")

    def bounds(*kinds: str) -> dict[str, str]:
        points = tuple(replace(p, is_bound=p.split.kind in kinds, limit=0.0) for p in group.capability.points)
        front = replace(group.capability, points=points)
        (answer,) = answers_of(study.sweep, group.bundle, group.network, front, ("throughput",))
        return {g.over: g.bound for g in answer.gains}

    assert bounds("offload") == {"baseline": "", "stay": "", "offload": "most", "equal": ""}
    assert bounds("offload", "split") == {
        "baseline": "least",
        "stay": "least",
        "offload": "unknown",
        "equal": "unknown",
    }


def test_objectives_that_were_not_requested_have_no_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_sweep(
        tmp_path / "r.sqlite", cuts=(0, 12, 60), trained=False, objectives=("accuracy", "latency")
    )
    assert main(["best", str(path), "--objective", "latency"]) == 0
    assert "No answer" not in capsys.readouterr().out


def test_the_machine_readable_answers_say_what_the_table_says(study: Study) -> None:
    plain = json.loads(json.dumps(as_json(study.sweep, study.answers)))
    assert [(a["network"], a["objective"]) for a in plain[:3]] == [
        ("lan", "latency"),
        ("lan", "throughput"),
        ("wifi", "latency"),
    ]
    line = next(line for line in summary_lines(study) if line.split()[:1] == ["lan"])
    assert "Send the raw input" in line
    assert plain[0]["kind"] == "offload" and plain[0]["cuts"] == [0]


def test_how_sure_an_answer_is_falls_with_noise(other: Callable[..., Sweep]) -> None:
    every = tuple(range(0, 61, 6))
    calm, noisy = (
        sum(a.probability or 0.0 for a in all_answers(other(cuts=every, physics=Physics(noise=noise))))
        for noise in (0.01, 0.15)
    )
    assert 0 < noisy < calm <= 6
    assert all(a.probability is None for a in all_answers(other(trials=1)))


def test_the_experiments_objectives_are_answered_in_its_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 60), objectives=("throughput", "payload")))
    assert main(["best", path, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(a["network"], a["objective"], a["where"]) for a in told[2:]] == [
        ("wifi", "throughput", "features.2"),
        ("wifi", "payload", "everything on pi"),
        ("wan", "throughput", "everything on pi"),
        ("wan", "payload", "everything on pi"),
    ]
    out = tmp_path / "o"
    assert main(["report", path, "--out", str(out), "--figures", ""]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["wifi"]]
    assert [line.split()[1] for line in lines] == ["throughput", "payload"]
    assert "Cut after features.2" in lines[0] and "Do not split" in lines[1]
    written = json.loads((out / "answers.json").read_text())
    assert [(a["network"], a["objective"]) for a in written] == [(a["network"], a["objective"]) for a in told]


def test_the_knee_is_a_detail_where_latency_and_throughput_are_objectives(
    tmp_path: Path, study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    wifi = next(group for group in study.groups if group.network.name == "wifi")
    assert wifi.knee is not None
    power = {
        p.split.where: (p.throughput.value or 0) / (p.latency.value or 1) for p in wifi.capability.points
    }
    assert power[wifi.knee.point.split.where] == max(power.values())
    assert not any("knee" in line for line in summary_lines(study))
    latency_only = write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 60), objectives=("latency",))
    assert all(group.knee is None for group in Study.of(load(latency_only)).groups)
    assert main(["best", str(latency_only)]) == 0
    assert "compromise" not in capsys.readouterr().out
    assert main(["best", str(latency_only), "--objective", "knee"]) == 0
    assert capsys.readouterr().out.count("As a compromise, at the knee") == 3


def test_the_least_payload_is_found_off_the_front(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Under lan everything on pi is the slowest split by far, and sends nothing."""
    path = str(write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 60)))
    assert main(["best", path, "--objective", "payload", "--json"]) == 0
    lan = json.loads(capsys.readouterr().out)[0]
    assert (lan["network"], lan["where"], lan["payload_bytes"]["value"]) == ("lan", "everything on pi", 0)
    front = next(group.capability for group in Study.of(load(Path(path))).groups)
    assert "everything on pi" not in [point.split.where for point in front.members]


def test_of_splits_that_are_exactly_alike_the_one_that_is_best_otherwise_is_named(tmp_path: Path) -> None:
    """Without codecs all splits have the whole graph's accuracy: it is no reason for another split."""
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 60), objectives=("accuracy", "throughput"))
    answers = Study.of(load(path)).answers
    assert [a.objective for a in answers] == ["accuracy", "throughput"] * 3
    found = _by(answers)
    for network in ("lan", "wifi", "wan"):
        assert found[network, "accuracy"].point == found[network, "throughput"].point
        assert len(found[network, "accuracy"].ties) == 2
    alone = _by(all_answers(load(path), ("accuracy",)))
    assert {key: a.point.split.where for key, a in alone.items()} == {
        key: a.point.split.where for key, a in found.items() if key[1] == "accuracy"
    }
    assert "Exactly equal: " in " ".join(answer_sentences(found["lan", "accuracy"])[1])


def test_other_objectives_have_answers_of_their_own(results: Path) -> None:
    study = Study.of(load(results, objectives=("latency", "payload")))
    found = _by(study.answers)
    assert {objective for _, objective in found} == {"latency", "payload"}
    assert found["lan", "payload"].point.split.kind == "stay"
    assert found["lan", "payload"].point.payload.value == 0


def test_an_objective_that_nothing_has_a_figure_for_has_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 60), trained=False)
    assert not all_answers(load(path, objectives=("accuracy",))), "samples without labels"
    assert {a.objective for a in all_answers(load(path, objectives=("latency", "accuracy")))} == {"latency"}

    out = str(tmp_path / "o")
    assert main(["report", str(path), "--out", out, "--figures", "", "--objectives", "accuracy"]) == 0
    said = capsys.readouterr().out
    assert said.count("No answer yet: no split") == 3
    assert "none has accuracy" in " ".join(said.split())


def test_an_objective_that_no_split_has_a_figure_for_is_said_to_have_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_sweep(
        tmp_path / "r.sqlite", cuts=(0, 12, 60), trained=False, objectives=("accuracy", "latency")
    )
    study = Study.of(load(path))
    assert [a.objective for a in study.answers] == ["latency"] * 3
    assert all(group.capability.objectives == ("latency", "throughput") for group in study.groups)
    assert main(["best", str(path)]) == 0
    assert capsys.readouterr().out.count("No answer for accuracy: no split has a figure for it.") == 3


def test_an_end_whose_inputs_were_made_otherwise_is_not_compared_with(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 60))
    rng = np.random.default_rng(3)
    with Store.append(path) as store:
        ahead = [replace(c, prefetch=4) for c in store.cells() if c.network == "lan"]
        store.add(*ahead)
        for cell in ahead:
            for number in range(3):
                store.add_trial(run_trial(cell, number, 24, Physics(), rng))
    for answer in all_answers(load(path)):
        assert [g.over for g in answer.gains].count("stay") <= 1
