"""Which splits predictions are held against."""

import pytest

from benchmarks.planning.cells import long_chains, two_way

DEVICES = ("pi", "server", "pi2", "pi3")
CUTS = (0, 3, 5, 8, 9)


def test_two_way_is_every_cut_of_the_first_two() -> None:
    splits = two_way(DEVICES, CUTS)
    assert {split.devices for split in splits} == {("pi", "server")}
    assert [split.cuts for split in splits] == [(0,), (3,), (5,), (8,), (9,)]


def test_long_chains_are_of_three_and_four_devices_with_work_for_each() -> None:
    splits = long_chains(DEVICES, CUTS, 50)
    assert [len(split.devices) for split in splits] == [3] * 50 + [4] * 50
    for split in splits:
        assert split.devices[0] == "pi"
        assert len(set(split.devices)) == len(split.devices)
        bounds = (0, *split.cuts, 9)
        assert len(bounds) == len(split.devices) + 1
        assert list(bounds) == sorted(set(bounds))
    assert len({split.devices for split in splits}) == 6 + 6


@pytest.mark.parametrize(("devices", "cuts"), [(DEVICES[:2], CUTS), (DEVICES, (0, 5, 9))])
def test_there_is_no_long_chain_without_devices_and_cuts_for_it(
    devices: tuple[str, ...], cuts: tuple[int, ...]
) -> None:
    assert long_chains(devices, cuts, 5) == []
