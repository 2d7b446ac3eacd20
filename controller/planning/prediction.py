"""Predict a cell's figures from a device profile and a network's conditions.

The model covers each stage's compute time on its device, its slowdown after waiting and its change under
constant load; each link's delay and rate; and a message's further cost by its bytes. All of these are
measured (`controller.profiling.calibration`); docs/planning.md lists what the model leaves out.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.errors import PlanError, ProfileError, did_you_mean, edgecut_command
from controller.experiment.networks import Network
from controller.experiment.topology import payload_bytes, tensor_specs
from controller.planning.problem import Costs, Part, Plan, Problem, evaluate, parts_of
from controller.profiling.profile import CodecProfile, IdlePenalty, Load, PairProfile, Profile
from controller.profiling.segments import stage_memory_bytes, stage_s
from exporter.bundle import Bundle
from worker.wire.codecs import NO_CODEC
from worker.wire.ethernet import ethernet_bytes
from worker.wire.frames import LinkLayout

__all__ = ["Prediction", "Predictor"]

Floats = NDArray[np.float64]

# A device's wait follows from the latency, and the latency from the wait. The idle penalty grows so slowly
# with the wait that the second round changes the result by a per mille.
_ROUNDS: Final = 3

# A shorter wait does not count.
_AT_ONCE_S: Final = 1e-4


@dataclass(frozen=True)
class Prediction:
    """A cell's predicted figures.

    Attributes:
        plan: The latency of a request alone in the pipeline, and the slowest part's period.
        depth: Requests in flight.
        batch: Samples in a request.
        parts: Its stages and links, in the order of a request.
    """

    plan: Plan
    depth: int
    batch: int
    parts: tuple[Part, ...] = ()

    @property
    def latency_s(self) -> float:
        """Median latency of a request: alone at depth 1; above, by Little's law with all in flight."""
        return max(self.plan.latency_s, self.depth * self.period_s)

    @property
    def period_s(self) -> float:
        """Seconds between two results."""
        return self.plan.period_at(self.depth)

    @property
    def throughput_per_s(self) -> float:
        """Samples a second."""
        return self.batch / self.period_s


@dataclass(frozen=True)
class _Positions:
    """Figures by cut position: for all of a device profile's positions, or for some and both ends.

    Attributes:
        stage_s: (D, K, K), like `Problem.stage`, without the effects of waiting and load.
        payload: (K,) bytes that cross.
        frame: (K,) bytes of the frame, after the codec.
        sent: (K,) bytes of payload, after the codec.
        memory: (K, K) bytes of a stage.
    """

    cuts: tuple[int, ...]
    stage_s: Floats
    payload: Floats
    frame: Floats
    sent: Floats
    memory: Floats

    def only(self, cuts: Iterable[int]) -> "_Positions":
        """Keep both ends and these cuts: one pipeline's costs need no others, and all take long."""
        keep = np.array(sorted({0, len(self.cuts) - 1, *(self.cuts.index(cut) for cut in cuts)}))
        return _Positions(
            tuple(self.cuts[i] for i in keep),
            self.stage_s[:, keep[:, None], keep],
            self.payload[keep],
            self.frame[keep],
            self.sent[keep],
            self.memory[keep[:, None], keep],
        )


class Predictor:
    """A device profile under one network's conditions, with one codec on every link, or none."""

    def __init__(
        self, profile: Profile, bundle: Bundle, conditions: Network, codec: str = NO_CODEC.name
    ) -> None:
        """Use a device profile of this bundle.

        Raises:
            ProfileError: The device profile is of another bundle, or lacks this codec.
        """
        if profile.bundle != bundle.digest or profile.cuts[-1] != bundle.node_count:
            raise ProfileError(
                f"the device profile is of another bundle than {bundle.path}; profile this one with "
                f"`{edgecut_command('profile', bundle.path)}`"
            )
        self.profile = profile
        self.bundle = bundle
        self.conditions = conditions
        self.devices = tuple(profile.devices)
        self._codec = _codec_of(profile, codec)
        crossing = [bundle.tensors_at(cut) for cut in profile.cuts]
        payload = np.array([float(payload_bytes(t, profile.batch)) for t in crossing])
        frame = np.array([float(LinkLayout(tensor_specs(t, profile.batch)).frame_bytes) for t in crossing])
        sent = payload
        if self._codec is not None:
            sent = np.array(self._codec.encoded_bytes) * profile.batch
        self._all = _Positions(
            profile.cuts,
            np.stack([stage_s(device) for device in profile.devices.values()]),
            payload,
            frame - payload + sent,
            sent,
            stage_memory_bytes(bundle, profile.cuts, profile.batch),
        )
        self._links_as_they_are = {(link.sender, link.receiver): link for link in profile.links}
        self._pairs = {(pair.source, pair.follower): pair for pair in profile.pairs}

    def problem(self, latency_s: float, *, least_accuracy: float = 0.0) -> Problem:
        """All costs, assuming that a request takes about `latency_s` and that every device waits as long.

        Args:
            least_accuracy: Leave out cuts at which the codec's accuracy is lower or unknown.
        """
        pairs = list(itertools.permutations(self.devices, 2))
        problem = self._problem(self._all, pairs, latency_s, dict.fromkeys(self.devices, latency_s))
        if self._codec is None or not least_accuracy:
            return problem
        known = np.array([-1.0 if a is None else a for a in self._codec.accuracy])
        return replace(problem, link=problem.link.without((known < least_accuracy)[None, None, :]))

    def predict(self, devices: Sequence[str], cuts: Sequence[int], *, depth: int = 1) -> Prediction:
        """Predict a cell.

        Args:
            devices: The chain, as in a cell; a device with an empty partition has no stage.
            cuts: One cut fewer than devices.

        Raises:
            PlanError: The device profile lacks a device or a cut.
        """
        chain, at = self._without_empty(devices, cuts)
        positions = self._all.only(at)
        pairs = [*itertools.pairwise(chain), (chain[-1], chain[0])] if len(chain) > 1 else []
        problem = self._problem(positions, pairs, 0.0, dict.fromkeys(self.devices, 0.0))
        for _ in range(_ROUNDS):
            latency_s = evaluate(problem, chain, at).latency_s
            busy_s = {part.name: part.latency_s for part in parts_of(problem, chain, at)}
            problem = self._problem(
                positions,
                pairs,
                latency_s,
                {name: latency_s - busy_s.get(name, 0.0) for name in self.devices},
            )
        plan = evaluate(problem, chain, at)
        return Prediction(plan, depth, self.profile.batch, tuple(parts_of(problem, chain, at)))

    def _without_empty(self, devices: Sequence[str], cuts: Sequence[int]) -> tuple[list[str], list[int]]:
        for name in devices:
            if name not in self.devices:
                raise PlanError(f"no device {name!r} in the device profile{did_you_mean(name, self.devices)}")
        for cut in cuts:
            if cut not in self.profile.cuts:
                raise PlanError(f"cut {cut} is not in the device profile; profile with --cuts all")
        bounds = [0, *cuts, self.bundle.node_count]
        computing = [
            (name, start)
            for i, (name, start, stop) in enumerate(zip(devices, bounds[:-1], bounds[1:], strict=True))
            if start < stop or i == 0
        ]
        return [name for name, _ in computing], [start for _, start in computing[1:]]

    # --- costs -------------------------------------------------------------------------------

    def _problem(
        self,
        positions: _Positions,
        pairs: Iterable[tuple[str, str]],
        latency_s: float,
        idle_s: Mapping[str, float],
    ) -> Problem:
        """Costs at these positions, with links between these pairs alone."""
        profile, stage = self.profile, positions.stage_s
        idle_bytes = np.array([device.idle_bytes for device in profile.devices.values()])
        idle_penalty = np.array(
            [_idle_penalty(device.idle_penalty, idle_s[name]) for name, device in profile.devices.items()]
        )
        slower = stage * idle_penalty[:, None, None]
        as_source = [device.as_source for device in profile.devices.values()]
        as_follower = [device.as_follower for device in profile.devices.values()]
        sent = positions.sent
        around = sent[:, None] + sent[None, :]
        refused = np.tril(np.ones(stage.shape[1:], dtype=bool))
        first = Costs(
            slower[:, 0, :],
            # Its own output, and the result that returns to it.
            _loaded(stage[:, 0, :], as_source, sent + sent[-1]),
        )
        last = np.zeros(stage.shape[::2], dtype=bool)
        last[:, -1] = True
        link, back = self._links(positions, pairs, latency_s)
        return Problem(
            devices=self.devices,
            cuts=positions.cuts,
            alone=Costs(stage[:, 0, -1], _loaded(stage[:, 0, -1], as_source, np.zeros(()))),
            first=first.without(last),
            stage=Costs(slower, _loaded(stage, as_follower, around)).without(refused[None]),
            link=link,
            back=back,
            memory_bytes=positions.memory[None] + idle_bytes[:, None, None],
        )

    def _links(
        self, positions: _Positions, pairs: Iterable[tuple[str, str]], latency_s: float
    ) -> tuple[Costs, Costs]:
        count = len(self.devices)
        out = Costs(*(np.zeros((count, count, len(positions.cuts))) for _ in range(2)))
        back = Costs(*(np.zeros((count, count)) for _ in range(2)))
        for sender, receiver in pairs:
            i, j = self.devices.index(sender), self.devices.index(receiver)
            # The lab's order defines which way is forward, regardless of the chain.
            carried_s, delay_s = self._carried(positions.frame, sender, receiver, forward=i < j)
            beyond_s = self._beyond(positions.sent, sender, receiver, latency_s)
            encode_s, decode_s = self._coding_s(positions.payload, sender, receiver)
            # A codec runs in the sending and receiving threads, in parallel with the link.
            out.period_s[i, j] = np.maximum(carried_s, np.maximum(encode_s, decode_s))
            out.latency_s[i, j] = encode_s + carried_s + delay_s + beyond_s + decode_s
            back.period_s[i, j] = out.period_s[i, j, -1]
            back.latency_s[i, j] = out.latency_s[i, j, -1]
        return out, back

    def _coding_s(self, payload: Floats, sender: str, receiver: str) -> tuple[Floats, Floats]:
        """Seconds to encode each cut's payload at one end and to decode it at the other."""
        if self._codec is None:
            return np.zeros_like(payload), np.zeros_like(payload)
        one, other = self._codec.costs[sender], self._codec.costs[receiver]
        return (
            one.encode_fixed_s + one.encode_byte_s * payload,
            other.decode_fixed_s + other.decode_byte_s * payload,
        )

    def _carried(self, frame: Floats, sender: str, receiver: str, *, forward: bool) -> tuple[Floats, float]:
        """Seconds that the link needs for each cut's frame, and its delay.

        Conditions apply to the Ethernet frames that carry edgecut's. A link that is not emulated has a delay
        and a rate of its own, too; that rate was measured in bytes within TCP.
        """
        conditions = self.conditions.between(sender, receiver, forward=forward)
        delay_s = conditions.delay_ms / 1e3
        carried_s = ethernet_bytes(frame) * 8 / ((conditions.rate_mbit or math.inf) * 1e6)
        if self.profile.shaping != "emulated":
            link = self._links_as_they_are[sender, receiver]
            delay_s += link.round_trip_s / 2
            carried_s = np.maximum(carried_s, frame * 8 / (link.rate_mbit * 1e6))
        return carried_s, delay_s

    def _beyond(self, payload: Floats, sender: str, receiver: str, latency_s: float) -> Floats:
        """A message's cost beyond delay and rate, by cut, the same in both directions of a pair."""
        pair = self._pairs.get((sender, receiver)) or self._pairs.get((receiver, sender))
        pairs = [pair] if pair else self._pairs_of(sender) + self._pairs_of(receiver)
        fixed_s = np.mean([_between(latency_s, pair.idle_s, pair.fixed_s) for pair in pairs])
        byte_s = np.mean([pair.byte_s for pair in pairs])
        return np.asarray(fixed_s + byte_s * payload)

    def _pairs_of(self, name: str) -> list[PairProfile]:
        """A device's pairs with the lab's first device, for two devices not measured together."""
        return [pair for names, pair in self._pairs.items() if name in names]


def _codec_of(profile: Profile, name: str) -> CodecProfile | None:
    if name == NO_CODEC.name:
        return None
    if name not in profile.codecs:
        has = f" (it has {', '.join(profile.codecs)})" if profile.codecs else ""
        raise ProfileError(
            f"the device profile has no codec {name!r}{has}; measure it with `edgecut profile BUNDLE "
            f"--codecs {name}`"
        )
    return profile.codecs[name]


def _loaded(stage: Floats, loads: Sequence[Load], sent: Floats) -> Floats:
    """Seconds between two results of a stage that always has work; the first axis of `stage` is devices."""
    shape = (-1,) + (1,) * (stage.ndim - 1)
    factor, fixed_s, byte_s = (
        np.array([getattr(load, name) for load in loads]).reshape(shape)
        for name in ("factor", "fixed_s", "byte_s")
    )
    return np.asarray(stage * factor + fixed_s + byte_s * sent)


def _idle_penalty(points: Sequence[IdlePenalty], idle_s: float) -> float:
    if not points:
        return 1.0
    return _between(idle_s, [_AT_ONCE_S, *(p.idle_s for p in points)], [1.0, *(p.factor for p in points)])


def _between(idle_s: float, at: Sequence[float], values: Sequence[float]) -> float:
    """Interpolate over the logarithm of the wait, with constant values beyond the ends."""
    order = np.argsort(at)
    known = np.log(np.maximum(np.array(at)[order], 1e-6))
    return float(np.interp(np.log(max(idle_s, 1e-6)), known, np.array(values)[order]))
