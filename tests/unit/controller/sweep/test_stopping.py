"""The stopping rule, on planted figures: which cells the next block is for, and when there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from controller.results import TIMED, Block, Look, Objective, Store, TrialsWanted
from controller.sweep.stopping import StoppingRule
from tests.unit.analysis.synthetic import AT, BUNDLE, CELL, Physics, run_trial

MANIFEST = '{"node_count": 60, "cut_points": []}'

LEAST, MOST, UNTIL = 3, 6, 0.95


class Planted:
    """Splits of true seconds a request, at depth 1 alone, so that latency and throughput are one figure."""

    def __init__(
        self,
        folder: Path,
        truth_s: Mapping[int, float],
        seed: int = 0,
        noise: float = 0.01,
        objectives: Sequence[Objective] = TIMED,
        rate_noise: float = 0.0,
    ) -> None:
        self.store = Store.create(
            folder / f"{seed}.sqlite",
            name="t",
            text="t",
            seed=0,
            trials=MOST,
            created_at=AT,
            least=LEAST,
            until=UNTIL,
            objectives=objectives,
        )
        self.store._db.execute("PRAGMA synchronous = OFF")
        self.store.add_environment(AT, {}, [])
        self.store.add_bundle(BUNDLE, "m", MANIFEST)
        self.store.add_network("lan", 0, "emulated", {})
        self.cells = {cut: replace(CELL, cuts=(cut,)) for cut in truth_s}
        self.store.add(*self.cells.values())
        self.truth_s, self.noise, self.rate_noise = truth_s, noise, rate_noise
        self.rng = np.random.default_rng(seed)
        self.wanted = self.store.trials_wanted()
        self.rule = StoppingRule(self.store, self.wanted)

    def block(self, number: int, cuts: list[int]) -> None:
        """Run a block of these splits; what moves it moves all of them."""
        self.store.add(Block("lan", number, AT, whole=True))
        common = 0.05 * self.rng.normal()
        for cut in cuts:
            trial = run_trial(self.cells[cut], number, 11, Physics(), np.random.default_rng(1))
            factor = self.truth_s[cut] * np.exp(common + self.noise * self.rng.normal())
            endpoint = trial.endpoint_rows.copy()
            endpoint["latency_s"] = factor
            elapsed_s = 11 * factor
            if self.rate_noise:
                elapsed_s *= np.exp(self.rate_noise * self.rng.normal())
            trial = replace(trial, endpoint_rows=endpoint, elapsed_s=elapsed_s)
            self.store.add_trial(trial)

    def run(self) -> dict[int, int]:
        """Run blocks until the rule has enough; returns the trials of each split."""
        trials = dict.fromkeys(self.truth_s, 0)
        for number in range(MOST + 1):
            if (look := self.rule.look("lan", number)) is not None:
                self.store.add(look)
                self.wanted.note(look)
            cuts = [c for c, cell in self.cells.items() if self.wanted.missing(cell, trials[c])]
            if not cuts:
                break
            self.block(number, cuts)
            for cut in cuts:
                trials[cut] += 1
        return trials

    @property
    def last(self) -> Look:
        return self.wanted.looks["lan"]


def test_one_clear_winner_takes_the_least_trials(tmp_path: Path) -> None:
    sweep = Planted(tmp_path, {1: 0.010, 2: 0.013, 3: 0.014, 4: 0.015})
    assert set(sweep.run().values()) == {LEAST}
    assert (sweep.last.ended, sweep.last.open) == ("sure", ())
    assert sweep.last.sure is not None
    assert sweep.last.sure >= UNTIL
    assert sweep.wanted.is_settled("lan")


def test_a_close_pair_gets_more_blocks_and_the_clearly_bad_ones_none(tmp_path: Path) -> None:
    more = 0
    for seed in range(6):
        sweep = Planted(tmp_path, {1: 0.010, 2: 0.0103, 3: 0.04, 4: 0.041, 5: 0.042}, seed, noise=0.1)
        trials = sweep.run()
        assert [trials[cut] for cut in (3, 4, 5)] == [LEAST] * 3
        assert all(trials[cut] in range(LEAST, MOST + 1) for cut in (1, 2))
        more += max(trials[1], trials[2]) > LEAST
    assert more >= 3


def test_only_the_objectives_that_are_asked_for_are_waited_for(tmp_path: Path) -> None:
    """Latencies are told apart at once; throughputs of the same trials are too noisy for that."""

    def ended(*objectives: Objective) -> tuple[int, str | None]:
        folder = tmp_path / "-".join(objectives)
        folder.mkdir()
        truth_s = {1: 0.010, 2: 0.013, 3: 0.014, 4: 0.015}
        sweep = Planted(folder, truth_s, objectives=objectives, rate_noise=0.3)
        return max(sweep.run().values()), sweep.last.ended

    assert ended("latency") == (LEAST, "sure")
    assert ended("latency", "payload") == (LEAST, "sure")
    assert ended("latency", "throughput") == ended("throughput") == (MOST, "most trials")


def test_equal_splits_end_as_the_same_or_at_most_trials_and_seldom_as_one_winner(tmp_path: Path) -> None:
    ends = []
    for seed in range(12):
        sweep = Planted(tmp_path, dict.fromkeys((1, 2, 3), 0.01), seed)
        sweep.run()
        ends.append(sweep.last.ended)
    assert ends.count("same within 2 %") >= 6
    assert ends.count("most trials") <= 6


def test_a_look_follows_from_the_blocks_before_it_alone(tmp_path: Path) -> None:
    sweep = Planted(tmp_path, {1: 0.010, 2: 0.0103, 3: 0.04, 4: 0.041, 5: 0.042}, noise=0.1)
    sweep.run()
    looks = sweep.store.rows(Look)
    assert len(looks) > 1
    for look in looks:
        again = StoppingRule(sweep.store, TrialsWanted(LEAST, MOST, UNTIL))
        assert again.look("lan", look.block) == look


def test_there_is_no_look_before_the_least_trials_or_where_their_number_is_given(tmp_path: Path) -> None:
    sweep = Planted(tmp_path, {1: 0.010, 2: 0.013})
    sweep.block(0, [1, 2])
    sweep.block(1, [1, 2])
    assert sweep.rule.look("lan", LEAST - 1) is None
    assert StoppingRule(sweep.store, TrialsWanted(2, 2)).look("lan", 5) is None


def test_a_cell_that_lacks_its_least_trials_keeps_a_network_going(tmp_path: Path) -> None:
    """Void trials, or a cell that a search added late."""
    sweep = Planted(tmp_path, {1: 0.010, 2: 0.013, 3: 0.014})
    for number in range(LEAST):
        sweep.block(number, [1, 2, 3] if number else [1, 2])
    look = sweep.rule.look("lan", LEAST)
    assert look is not None
    assert (look.ended, look.open) == (None, ())
    sweep.wanted.note(look)
    assert sweep.wanted.missing(sweep.cells[3], LEAST - 1) == 1
    assert sweep.wanted.missing(sweep.cells[1], LEAST) == 0


def test_one_split_alone_is_the_best(tmp_path: Path) -> None:
    sweep = Planted(tmp_path, {1: 0.010})
    assert sweep.run() == {1: LEAST}
    assert (sweep.last.ended, sweep.last.sure) == ("sure", 1.0)


def test_wanted_trials_follow_the_last_look() -> None:
    wanted = TrialsWanted(LEAST, MOST, UNTIL)
    assert (wanted.text, TrialsWanted(5, 5).text) == ("3 to 6", "5")
    assert [wanted.missing(CELL, done) for done in (0, 2, 3, 6)] == [3, 1, 1, 0]
    assert [wanted.at_most(CELL, done) for done in (0, 3, 6)] == [6, 3, 0]
    wanted.note(Look("lan", 3, (CELL.id,), 0.6))
    assert (wanted.missing(CELL, 3), wanted.at_most(CELL, 3), wanted.is_settled("lan")) == (1, 3, False)
    wanted.note(Look("lan", 4, (), 0.96, "sure"))
    assert (wanted.missing(CELL, 4), wanted.at_most(CELL, 4), wanted.is_settled("lan")) == (0, 0, True)
    assert (wanted.total(CELL, 4), wanted.total(CELL, 1)) == (4, 3)
