"""Devices as environments found them: what is a change of a device, and which environments are alike."""

from controller.results import Change, Description, DeviceRow, FoundDevices, comparison_block, state_of


def device(name: str, **stamp: str | None) -> DeviceRow:
    return DeviceRow(name, "local", 1.0, {"kernel": "6.1", **stamp})


PI, SERVER = device("pi"), device("server")
NEW = device("server", kernel="6.6", governor="performance")


def test_a_device_that_stays_the_same_has_one_description_with_its_last_row() -> None:
    warmer = device("pi", temperature_c="60", qdisc="netem", frequency_mhz="600", throttled="4")
    found = FoundDevices({1: [PI, SERVER], 2: [warmer]})
    assert found.changes() == []
    assert found.descriptions("pi") == [Description(warmer, (1, 2))]
    assert found.last == (warmer, SERVER)
    assert found.states() == {1: 0, 2: 0}


def test_a_change_says_what_was_and_what_is() -> None:
    found = FoundDevices({1: [PI, SERVER], 2: [PI, SERVER], 3: [PI, NEW], 5: [PI], 6: [PI, SERVER]})
    forth = (("kernel", "6.1", "6.6"), ("governor", None, "performance"))
    back = (("kernel", "6.6", "6.1"), ("governor", "performance", None))
    assert found.changes() == [Change("server", 3, forth), Change("server", 6, back)]
    assert found.descriptions("server") == [Description(SERVER, (1, 2, 6)), Description(NEW, (3,))]
    # Where the server is away, the lab is as it was last seen.
    assert found.states() == {1: 0, 2: 0, 3: 1, 5: 1, 6: 0}


def test_what_was_measured_of_a_device_holds_where_it_is_the_same() -> None:
    found = FoundDevices({1: [PI, SERVER], 2: [PI, NEW], 3: [PI, NEW]})
    assert found.alike(3, ["pi"]) == {1, 2, 3}
    assert found.alike(3, ["server"]) == found.alike(3, ["pi", "server"]) == {2, 3}
    assert found.alike(3, ["desk"]) == {3}


def test_blocks_of_two_states_differ_and_the_first_state_keeps_their_numbers() -> None:
    blocks = {(number, state): comparison_block(number, state) for number in range(3) for state in range(3)}
    assert len(set(blocks.values())) == 9
    assert [blocks[number, 0] for number in range(3)] == [0, 1, 2]
    assert all(state_of(block) == state for (_, state), block in blocks.items())
