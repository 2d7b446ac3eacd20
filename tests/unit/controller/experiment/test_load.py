"""Loads as they are written."""

import pytest

from analysis.statistics.estimates import samples_needed as samples_needed_by_theory
from controller.errors import ExperimentError
from controller.experiment.load import Load, parse_load, seed_of
from controller.results.metrics import SAMPLES_NEEDED


@pytest.mark.parametrize(
    ("text", "load"),
    [
        ("offline", Load()),
        ("single", Load()),
        ("poisson:20/s", Load(kind="poisson", rate_per_s=20.0)),
        ("constant:0.5/s", Load(kind="constant", rate_per_s=0.5)),
        ("poisson:p95<=100ms", Load(kind="poisson", quantile="p95", bound_s=0.1)),
    ],
)
def test_a_load_is_read_from_its_text(text: str, load: Load) -> None:
    assert parse_load(text) == load
    assert load.is_open == (text not in ("offline", "single"))


@pytest.mark.parametrize(
    "text", ["", "poison:2/s", "poisson:1e400/s", "poisson:2", "poisson:p42<=9ms", "closed"]
)
def test_what_is_no_load_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(ExperimentError, match="is not a load; allowed: offline, single"):
        parse_load(text)


def test_quantiles_want_as_many_requests_here_as_in_the_report() -> None:
    for name, q in {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}.items():
        assert SAMPLES_NEEDED[name] == samples_needed_by_theory(q)


def test_each_trial_has_a_seed_of_its_own_and_keeps_it() -> None:
    seeds = {seed_of(seed, cell, number) for seed in (0, 1) for cell in "ab" for number in (0, 1)}
    assert len(seeds) == 8
    assert seed_of(1, "a", 0) in seeds
