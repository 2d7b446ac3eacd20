"""What a cell is predicted to do, from a profile that is known."""

import msgspec
import numpy as np
import pytest

from controller.errors import PlanError, ProfileError
from controller.experiment.networks import Direction, Network
from controller.experiment.topology import payload_bytes
from controller.planning import Predictor, Profile
from controller.profiling.profile import CodecCost, CodecProfile, IdlePenalty, Load
from exporter.bundle import Bundle

IDEAL = Network()
CHAIN = ("pi", "server")


def test_latency_is_stages_delays_and_messages(profile: Profile, tiny: Bundle) -> None:
    predictor = Predictor(profile, tiny, Network(delay_ms=3))
    plan = predictor.predict(CHAIN, (1,)).plan
    # pi's node, three of the server's, a message and a delay each way.
    assert plan.latency_s == pytest.approx(0.0044 + 0.0031 + 2 * (0.003 + 0.0005))


def test_all_on_the_first_device_crosses_no_link(profile: Profile, tiny: Bundle) -> None:
    prediction = Predictor(profile, tiny, Network(delay_ms=3)).predict(CHAIN, (4,), depth=4)
    assert prediction.plan.devices == ("pi",)
    assert prediction.plan.latency_s == prediction.period_s == pytest.approx(0.0164)


def test_raw_input_to_the_last_device(profile: Profile, tiny: Bundle) -> None:
    plan = Predictor(profile, tiny, IDEAL).predict(CHAIN, (0,)).plan
    assert plan.devices == CHAIN
    assert plan.latency_s == pytest.approx(0.0041 + 2 * 0.0005)


def test_the_link_carries_a_frame_and_can_be_the_bottleneck(profile: Profile, tiny: Bundle) -> None:
    slow = Predictor(profile, tiny, Network(rate_mbit=0.01)).predict(CHAIN, (1,), depth=9)
    assert slow.plan.bottleneck == "pi -> server"
    # 32 bytes of payload, and a header and a descriptor before it.
    assert slow.plan.period_s > 32 * 8 / 1e4
    assert slow.period_s == slow.plan.period_s


@pytest.mark.parametrize("shaping", ["emulated", "tc"])
def test_a_networks_rate_counts_what_ethernet_carries(profile: Profile, tiny: Bundle, shaping: str) -> None:
    shaped = msgspec.structs.replace(profile, shaping=shaping)
    link = Predictor(shaped, tiny, Network(rate_mbit=0.01)).problem(0.0).link
    # Header, descriptor and payload, and the headers of one segment.
    assert link.period_s[0, 1, 1] == pytest.approx((24 + 10 + 32 + 66) * 8 / 1e4)


def test_at_low_depth_the_way_round_is_shared(profile: Profile, tiny: Bundle) -> None:
    predictor = Predictor(profile, tiny, Network(delay_ms=50))
    prediction = predictor.predict(CHAIN, (1,), depth=2)
    assert prediction.period_s == pytest.approx(prediction.plan.latency_s / 2)
    assert prediction.throughput_per_s == pytest.approx(2 / prediction.plan.latency_s)


def test_directions_follow_the_order_of_the_lab(profile: Profile, tiny: Bundle) -> None:
    conditions = Network(forward=Direction(delay_ms=1), backward=Direction(delay_ms=20))
    problem = Predictor(profile, tiny, conditions).problem(0.0)
    assert problem.link.latency_s[0, 1, 1] == pytest.approx(0.0015)
    assert problem.link.latency_s[1, 0, 1] == pytest.approx(0.0205)


def test_links_that_are_not_emulated_count_as_probed(profile: Profile, tiny: Bundle) -> None:
    real = msgspec.structs.replace(profile, shaping="none")
    latency_s = Predictor(real, tiny, IDEAL).problem(0.0).link.latency_s[0, 1, 1]
    assert latency_s == pytest.approx(0.0001 + 0.0005, rel=0.01)


def test_a_stage_that_waits_is_slower_and_one_always_busy_is_as_measured(
    profile: Profile, tiny: Bundle
) -> None:
    pi, server = profile.devices.values()
    idle_penalty = (IdlePenalty(idle_s=0.001, factor=1.2), IdlePenalty(idle_s=0.1, factor=2.0))
    server = msgspec.structs.replace(
        server, idle_penalty=idle_penalty, as_follower=Load(factor=1.5, fixed_s=0.001, byte_s=1e-5)
    )
    changed = msgspec.structs.replace(profile, devices={"pi": pi, "server": server})
    near = Predictor(changed, tiny, IDEAL).predict(CHAIN, (0,)).plan
    far = Predictor(changed, tiny, Network(delay_ms=500)).predict(CHAIN, (0,)).plan
    # With no delay it waits for the two messages: 1 ms.
    assert near.latency_s - 0.001 == pytest.approx(1.2 * 0.0041)
    assert far.latency_s - 1.001 == pytest.approx(2 * 0.0041)
    # 32 bytes in and 32 out.
    assert near.period_s == pytest.approx(1.5 * 0.0041 + 0.001 + 64e-5)


def test_problem_costs_are_those_of_predictions_where_nobody_has_to_wake(
    profile: Profile, tiny: Bundle
) -> None:
    predictor = Predictor(profile, tiny, Network(delay_ms=1, rate_mbit=10))
    problem = predictor.problem(0.01)
    assert np.isinf(problem.stage.latency_s[0, 2, 2])
    assert np.isinf(problem.first.latency_s[0, -1])
    assert problem.memory_bytes[0, 0, 4] == 50_000_000 + 2 * 8 * 8 * 4 + 64


@pytest.mark.parametrize(
    ("devices", "cuts", "says"),
    [
        (("pi", "sever"), (1,), "no device 'sever' in the device profile.*server"),
        (CHAIN, (7,), "cut 7 is not in the device profile"),
    ],
)
def test_what_was_not_profiled(
    profile: Profile, tiny: Bundle, devices: tuple[str, ...], cuts: tuple[int, ...], says: str
) -> None:
    with pytest.raises(PlanError, match=says):
        Predictor(profile, tiny, IDEAL).predict(devices, cuts)


def test_a_profile_of_another_bundle(profile: Profile, tiny: Bundle) -> None:
    with pytest.raises(ProfileError, match="of another bundle"):
        Predictor(msgspec.structs.replace(profile, bundle="0" * 64), tiny, IDEAL)


@pytest.fixture
def coded(profile: Profile) -> Profile:
    """With a codec that leaves a quarter, and takes 1 ms to encode and 2 ms to decode, and 10 us a byte."""
    cost = CodecCost(encode_fixed_s=1e-3, encode_byte_s=1e-5, decode_fixed_s=2e-3, decode_byte_s=1e-5)
    codec = CodecProfile(
        encoded_bytes=(4.0, 8.0, 4.0, 2.0, 2.0),
        accuracy=(0.9, 0.5, 0.97, None, 1.0),
        costs={"pi": cost, "server": cost},
    )
    return msgspec.structs.replace(profile, codecs={"uint8": codec})


def test_a_codec_saves_bytes_and_costs_time_at_both_ends(coded: Profile, tiny: Bundle) -> None:
    without, within = (
        Predictor(coded, tiny, IDEAL, codec).predict(CHAIN, (1,)) for codec in ("none", "uint8")
    )
    payload = payload_bytes(tiny.tensors_at(1), 1) + payload_bytes(tiny.tensors_at(4), 1)
    assert within.plan.latency_s - without.plan.latency_s == pytest.approx(2 * 3e-3 + 2 * 1e-5 * payload)
    slow = Network(rate_mbit=0.01)
    without, within = (
        Predictor(coded, tiny, slow, codec).predict(CHAIN, (1,)) for codec in ("none", "uint8")
    )
    saved = payload_bytes(tiny.tensors_at(1), 1) - 8
    assert without.plan.period_s - within.plan.period_s == pytest.approx(saved * 8 / 1e4)


def test_cuts_that_cost_too_much_accuracy_are_left_out(coded: Profile, tiny: Bundle) -> None:
    predictor = Predictor(coded, tiny, IDEAL, "uint8")
    allowed = np.isfinite(predictor.problem(0.0, least_accuracy=0.95).link.latency_s[0, 1])
    # Where nobody knows it, nothing is promised.
    assert allowed.tolist() == [False, False, True, False, True]
    assert np.isfinite(predictor.problem(0.0).link.latency_s).all()
    assert np.isfinite(Predictor(coded, tiny, IDEAL).problem(0.0, least_accuracy=0.95).link.latency_s).all()


def test_a_codec_that_was_not_profiled(coded: Profile, tiny: Bundle) -> None:
    with pytest.raises(
        ProfileError, match=r"no codec 'fp16' \(it has uint8\); measure it with .*--codecs fp16"
    ):
        Predictor(coded, tiny, IDEAL, "fp16")
