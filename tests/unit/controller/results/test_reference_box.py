"""The reference box of hypervolumes: the worst of planted ends and baselines."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controller.results import BaselineTrial, Cell, ReferenceBox, Store, reference_boxes
from tests.unit.analysis.synthetic import AT, BUNDLE, NODES, Physics, run_trial

# Latency and seconds a sample, by cut and depth.
PLANTED = {
    (NODES, 1): (0.050, 0.050),
    (NODES, 4): (0.180, 0.045),
    (0, 1): (0.080, 0.080),
    (0, 4): (0.100, 0.025),
    (24, 1): (0.900, 0.900),
    (24, 4): (0.950, 0.800),
}
BASELINES = {"pi": 0.060, "server": 0.004}
BATCH = 2

Make = Callable[..., Store]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(
        *,
        without_trials: tuple[int, int] | None = None,
        without_cut: int | None = None,
        baselines: Mapping[str, float] = BASELINES,
    ) -> Store:
        store = Store.create(tmp_path / "r.sqlite", name="t", text="t", seed=0, trials=3, created_at=AT)
        environment = store.add_environment(AT, {}, [])
        store.add_bundle(BUNDLE, "m", f'{{"node_count": {NODES}, "cut_points": []}}')
        store.add_network("lan", 0, "emulated", {})
        for (cut, depth), figures in PLANTED.items():
            cell = _cell(cut, depth)
            if cut != without_cut:
                store.add(cell)
                if (cut, depth) != without_trials:
                    _add_trials(store, cell, *figures)
        open_load = replace(_cell(0, 1), load="poisson:1/s")
        store.add(open_load)
        _add_trials(store, open_load, 3.0, 3.0)
        for device, sample_s in baselines.items():
            times_s = (sample_s * BATCH,) * 11
            row = BaselineTrial("m", "lan", BUNDLE, device, BATCH, 0, 1, AT, times_s)
            store.add(row, environment=environment)
        return store

    return make


def _cell(cut: int, depth: int) -> Cell:
    return Cell(
        model="m",
        bundle=BUNDLE,
        cuts=(cut,),
        label="x",
        devices=("pi", "server"),
        depth=depth,
        batch=BATCH,
        network="lan",
        shaping="emulated",
    )


def _add_trials(store: Store, cell: Cell, latency_s: float, sample_s: float) -> None:
    """Three trials: the planted figures are their medians."""
    for number, factor in enumerate((1.0, 2.0, 0.9)):
        trial = run_trial(cell, number, 11, Physics(), np.random.default_rng(0))
        trial.endpoint_rows["latency_s"] = factor * latency_s
        store.add_trial(replace(trial, elapsed_s=factor * 11 * BATCH * sample_s))


def test_the_corner_is_the_worst_of_ends_and_baselines(make: Make) -> None:
    with make() as store:
        (box,) = reference_boxes(store, ["lan"])
        # Plain ONNX Runtime on pi takes 0.12 s for a batch of two: worse than both ends.
        assert (box.bundle, box.network) == (BUNDLE, "lan")
        assert (box.latency_s, box.sample_s) == pytest.approx((0.120, 0.060))
        assert reference_boxes(store, ["wifi"]) == []
        store.add(box)
        store.add(replace(box, latency_s=1.0))
        assert [kept.latency_s for kept in store.rows(ReferenceBox)] == [1.0], "the last one is kept"


def test_an_end_counts_with_its_latency_alone_and_its_best_throughput(make: Make) -> None:
    with make(baselines={"pi": 0.001, "server": 0.001}) as store:
        (box,) = reference_boxes(store, ["lan"])
    assert (box.latency_s, box.sample_s) == pytest.approx((0.080, 0.045))


@pytest.mark.parametrize(
    "lacking",
    [
        {"without_trials": (0, 4)},
        {"without_trials": (NODES, 1)},
        {"without_cut": 0},
        {"without_cut": NODES},
        {"baselines": {"pi": 0.060}},
    ],
)
def test_a_box_that_would_be_too_small_is_none(make: Make, lacking: dict[str, object]) -> None:
    with make(**lacking) as store:
        assert reference_boxes(store, ["lan"]) == []


def test_other_splits_do_not_matter(make: Make) -> None:
    with make(without_trials=(24, 1)) as store:
        assert len(reference_boxes(store, ["lan"])) == 1
