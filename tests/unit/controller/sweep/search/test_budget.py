"""Durations as they are typed, and a budget in equal parts."""

import pytest

from controller.errors import ExperimentError
from controller.sweep.search.budget import TimeBudget, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20m", 1200), ("90s", 90), ("1h", 3600), ("1h30m", 5400), ("0.5h", 1800), ("1.5s", 1.5)],
)
def test_a_duration_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "0m", "-1s", "20 minutes", "30m1h", "1d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ExperimentError, match="--time-budget"):
        parse_duration(text)


def test_what_one_part_leaves_is_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr("controller.sweep.search.budget.time.monotonic", lambda: now_s)
    budget = TimeBudget(90.0, 1000.0)
    budget.begin_part(3)
    assert budget.left_s == 30
    now_s += 10
    budget.begin_part(2)
    assert budget.left_s == 40
