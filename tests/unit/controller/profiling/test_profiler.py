"""How much time a profile takes itself."""

from controller.profiling.profiler import ProfileRequest

CUTS = tuple(range(40))


def test_slow_models_are_timed_in_fewer_rounds() -> None:
    usual = ProfileRequest(CUTS, budget_s=30)
    assert usual.rounds(0.002) == 3
    assert usual.rounds(0.05) == 1
    assert usual.rounds(5.0) == 1
    assert 1 < usual.rounds(0.04) < 3
    assert ProfileRequest(CUTS, budget_s=300).rounds(0.05) == 3


def test_in_a_hurry_there_are_two_rounds_at_most() -> None:
    hurried = ProfileRequest(CUTS, budget_s=30, quick=True)
    assert hurried.rounds(0.002) == 2
    assert hurried.rounds(0.05) == 1
