"""Planted sweeps, written to results files and answered by the command line: certainty that is true."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.data.sweep import load
from analysis.fronts.answers import all_answers
from analysis.report.words import answer_sentences
from controller.results import Sentinel, Store, TrialsWanted
from tests.calibration.families import Planted
from tests.calibration.files import answer_of, write
from tests.calibration.measure import Tally, Through, measure

SEED = 11
AT = "2026-03-01T10:00:00+00:00"


def planted(truth: list[float], figures: np.ndarray, shares: list[float] | None = None) -> Planted:
    """Shares are those of the first device."""
    first = None if shares is None else np.array([[share, 1 - share] for share in shares])
    return Planted(np.array(truth), figures, first)


def noisy(truth: list[float], blocks: int, noise: float, seed: int = SEED) -> Planted:
    rng = np.random.default_rng(seed)
    figures = np.array(truth)[:, None] + noise * rng.normal(size=(len(truth), blocks))
    return planted(truth, figures + 0.3 * rng.normal(size=blocks))


@pytest.mark.slow
def test_planted_sweeps_read_back_keep_their_word(tmp_path: Path) -> None:
    """A short version of `python -m tests.calibration --through-files`.

    Bounds are the target and three standard errors of so many equal pairs, or answers.
    """
    whole = Tally()
    for family, cells, blocks, sweeps, objective in (
        ("normal", 2, 2, 15, "latency"),
        ("normal", 10, 3, 8, "throughput"),
        ("heavy tails", 2, 3, 15, "latency"),
        ("one noisy cell", 10, 5, 8, "latency"),
        ("drift", 10, 3, 8, "latency"),
        ("spikes", 2, None, 6, "throughput"),
    ):
        through = Through(tmp_path / "planted.sqlite", objective)
        whole.add(measure(family, cells, blocks, sweeps, SEED, through))
    equal = whole.called_chosen
    assert len(equal) > 40
    assert np.mean(equal) <= 0.06 + 3 * np.sqrt(0.06 * 0.94 / len(equal))
    held = whole.held_chosen
    assert np.mean(held) >= 0.93 - 3 * np.sqrt(0.05 * 0.95 / len(held))
    count, _, right = whole.decile(0.95, 1.01)
    assert count > 20
    assert right >= 0.94 - 3 * np.sqrt(0.06 * 0.94 / count)
    count, sure, right = whole.decile(0.5, 0.95)
    assert count > 8
    assert abs(right - sure) <= 0.05 + 3 * np.sqrt(0.2 * 0.8 / count)


@pytest.mark.processes
def test_the_command_itself_says_the_same(tmp_path: Path) -> None:
    file = write(tmp_path / "r.sqlite", noisy([0.0, 0.03, 0.2], 4, 0.02))
    command = [sys.executable, "-m", "analysis", "best", str(file), "--objective", "latency", "--json"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == [answer_of(file, "latency")]


def test_blocks_that_differ_by_more_than_splits_hide_no_difference(tmp_path: Path) -> None:
    """Blocks lie 30 % apart and splits 10 %, with 1 % of noise: resampled trials saw a tie."""
    answer = answer_of(write(tmp_path / "r.sqlite", noisy([0.0, 0.1, 0.1], 5, 0.01)), "latency")
    assert answer["where"] == "split.0" and 0.999 < answer["probability_best"] < 1
    assert answer["tied_with"] == answer["equivalent_to"] == []
    assert answer["basis"]["noise"] == pytest.approx(0.01, rel=0.6)


def test_ties_of_a_sweep_that_looked_until_it_was_sure_account_for_its_looks(tmp_path: Path) -> None:
    """Of the same trials more splits are ties: each look at blocks 3 to 15 needs 98.9 % for 95 % of all."""
    sweep = noisy(list(np.arange(16) * 0.003), 4, 0.01)
    ties = []
    for wanted in (TrialsWanted(4, 4), TrialsWanted(3, 15, 0.95)):
        answer = answer_of(write(tmp_path / "r.sqlite", sweep, wanted=wanted), "latency")
        ties.append({*answer["tied_with"], *(gain["over"] for gain in answer["gains"] if gain["tie"])})
    assert ties[0] and ties[0] < ties[1]


def test_splits_that_are_the_same_are_said_to_be(tmp_path: Path) -> None:
    answer = answer_of(write(tmp_path / "r.sqlite", noisy([0.0, 0.0, 0.0, 0.2], 6, 0.004)), "throughput")
    same = {answer["where"], *answer["equivalent_to"]}
    assert same == {"split.0", "split.1", "split.2"}
    assert answer["probability_best"] > 0.99


def test_a_split_that_joined_in_slow_blocks_is_judged_by_these_blocks(tmp_path: Path) -> None:
    """The third split is 10 % faster, but ran only in the two blocks that were twice as slow."""
    rng = np.random.default_rng(SEED)
    truth = [0.0, 0.05, -0.1, 0.3]
    figures = np.array(truth)[:, None] + 0.005 * rng.normal(size=(4, 4)) + np.array([0.0, 0.0, 0.7, 0.7])
    figures[2, :2] = np.nan
    answer = answer_of(write(tmp_path / "r.sqlite", planted(truth, figures)), "latency")
    assert answer["where"] == "split.2"
    assert answer["probability_best"] > 0.95
    assert answer["tied_with"] == []


def test_the_gain_of_the_luckiest_of_equals_is_corrected(tmp_path: Path) -> None:
    """Of 20 equal splits with 3 % of noise the best one seems 5 % better than the ends."""
    shares = [1.0, 0.0, *([0.5] * 18)]
    sweep = replace(noisy([0.0] * 20, 2, 0.03), shares=np.array([[s, 1 - s] for s in shares]))
    answer = answer_of(write(tmp_path / "r.sqlite", sweep), "latency")
    gains = {gain["over"]: gain for gain in answer["gains"]}
    assert set(gains) == {"stay", "offload"}
    means = sweep.figures.mean(axis=1)
    raw = np.exp(np.mean(means[:2]) - means.min())
    assert raw > 1.02
    assert np.mean([gain["factor"]["value"] for gain in gains.values()]) < 1 + 0.5 * (raw - 1)
    assert all(gain["tie"] for gain in gains.values())


def test_one_block_tells_no_certainty(tmp_path: Path) -> None:
    answer = answer_of(write(tmp_path / "r.sqlite", noisy([0.0, 0.1], 1, 0.01)), "latency")
    assert answer["probability_best"] is None and answer["basis"] is None
    assert answer["where"] == "split.0"


@pytest.mark.parametrize(("device", "receiver"), [("pi", ""), ("server", "pi")])
def test_drift_that_a_sentinel_saw_lowers_certainty_and_says_by_how_much(
    tmp_path: Path, device: str, receiver: str
) -> None:
    """Everything on pi is 4 % better than what hardly uses it; later pi, or its link, was 10 % slower."""
    truth = [0.0, 0.04]
    rng = np.random.default_rng(SEED)
    figures = np.array(truth)[:, None] + 0.004 * rng.normal(size=(2, 4))
    file = write(tmp_path / "r.sqlite", planted(truth, figures, [1.0, 0.001]))
    before = answer_of(file, "latency")
    with Store.append(file) as store:
        (environment, *_), *_ = store.environments()
        for block, slower in enumerate((1.0, 1.0, 1.1, 1.1)):
            times_s = tuple(0.01 * slower * (1 + 0.001 * (repeat % 5)) for repeat in range(21))
            store.add(Sentinel("lan", block, device, receiver, AT, times_s), environment=environment)
    after = answer_of(file, "latency")
    if receiver:
        assert after["probability_best"] == before["probability_best"], "a request spends no time on it"
        return
    assert before["probability_best"] > 0.99 and before["basis"]["drifted"] == []
    assert 0.6 < after["probability_best"] < 0.97
    assert after["basis"]["drifted"] == ["pi"]
    assert after["basis"]["without_drift"] > 0.99
    latency = next(a for a in all_answers(load(file)) if a.objective == "latency")
    said = " ".join(answer_sentences(latency)[1])
    assert f"Drift of pi lowers this from over 99 % to {100 * after['probability_best']:.0f} %." in said
