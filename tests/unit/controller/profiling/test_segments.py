"""From timed prefixes and suffixes to any stage."""

import msgspec
import numpy as np
import pytest

from controller.planning import Profile
from controller.profiling.segments import rising, segments, stage_memory_bytes, stage_s
from exporter.bundle import Bundle


def test_a_stage_in_the_middle_has_one_run_and_its_own_nodes(profile: Profile) -> None:
    seconds = stage_s(profile.devices["server"])
    assert seconds[1, 3] == pytest.approx(0.0001 + 0.002)
    assert seconds[0, 4] == pytest.approx(0.0041)
    assert seconds[3, 1] == 0


def test_what_a_cut_costs_is_in_every_stage_that_has_it(profile: Profile) -> None:
    """Cutting before node 2 costs the stage after it 0.5 ms more: fused operators, say."""
    server = profile.devices["server"]
    suffix_s = list(server.suffix_s)
    suffix_s[2] += 0.0005
    dearer = stage_s(msgspec.structs.replace(server, suffix_s=tuple(suffix_s)))
    assert dearer[2, 3] == pytest.approx(0.0001 + 0.001 + 0.0005)
    assert dearer[1, 3] == pytest.approx(0.0001 + 0.002)


def test_noise_makes_no_stage_cheaper_than_a_part_of_it(profile: Profile) -> None:
    rng = np.random.default_rng(0)
    server = profile.devices["server"]
    noisy = msgspec.structs.replace(
        server,
        prefix_s=(0.0, *(s * rng.uniform(0.6, 1.6) for s in server.prefix_s[1:])),
        suffix_s=(*(s * rng.uniform(0.6, 1.6) for s in server.suffix_s[:-1]), 0.0),
    )
    seconds = stage_s(noisy)
    assert np.all(seconds >= 0)
    assert np.all(np.diff(seconds[0]) >= 0)
    assert np.all(np.diff(seconds[:, -1]) <= 0)


def test_rising_pools_what_falls() -> None:
    assert rising(np.array([1.0, 3.0, 2.0, 4.0])).tolist() == [1.0, 2.5, 2.5, 4.0]


def test_segments_add_up_to_the_model(profile: Profile, tiny: Bundle) -> None:
    rows = segments(tiny, profile.cuts, profile.devices["pi"], 2)
    assert sum(row.seconds for row in rows) == pytest.approx(profile.devices["pi"].prefix_s[-1])
    assert sum(row.parameters for row in rows) == tiny.manifest.parameters
    assert sum(row.multiply_adds for row in rows) == 2 * tiny.manifest.multiply_adds
    # Two samples of 8 float32 each cross every cut; in and out of a node are alive at once.
    assert {row.activation_bytes for row in rows} == {64}
    assert rows[1].peak_bytes == 128
    assert rows[0].peak_bytes == 128 + 8 * 8 * 4


def test_memory_of_a_stage_grows_with_its_weights(tiny: Bundle) -> None:
    memory = stage_memory_bytes(tiny, (0, 1, 2, 3, 4), 1)
    assert memory[0, 4] == 2 * 8 * 8 * 4 + 64
    assert memory[1, 2] == 64
