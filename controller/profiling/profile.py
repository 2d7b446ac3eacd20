"""Device profiles: stages' costs on each device of a lab, and messages' costs between two of them.

One JSON file per lab, bundle, batch and threads. It is valid for one bundle digest and for the devices'
settings when it was taken; `check` refuses anything else.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from controller.atomic_file import write_json
from controller.errors import ProfileError

__all__ = [
    "FORMAT",
    "CodecCost",
    "CodecProfile",
    "DeviceProfile",
    "LinkProfile",
    "Load",
    "PairProfile",
    "Profile",
    "Settings",
    "IdlePenalty",
    "load_profile",
    "save_profile",
]

FORMAT = "edgecut-profile/1"

Settings = dict[str, str | int | float | bool | None]
"""A device's settings that its figures depend on, such as slowdown, threads, provider, versions, cores."""


class IdlePenalty(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stage's slowdown after waiting.

    Attributes:
        idle_s: The wait.
        factor: The compute time after the wait over the compute time without one.
    """

    idle_s: float
    factor: float


class Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stage's speed when it always has work, relative to its time alone.

    Seconds between two results = `factor` x compute time + `fixed_s` + `byte_s` x bytes received and sent.
    """

    factor: float = 1.0
    fixed_s: float = 0.0
    byte_s: float = 0.0


class DeviceProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A device's measured costs.

    Attributes:
        prefix_s: Compute seconds of the stage `[0, cuts[i])`, by i; 0 at the first.
        suffix_s: Compute seconds of the stage `[cuts[i], end)`; 0 at the last.
        requests: Timed runs of each stage.
        spread: Typical half width of the middle half of those runs, as a share of their median.
        idle_bytes: Its worker's resident memory with nothing loaded.
        idle_penalty: By rising `idle_s`; empty without measurements.
        as_source: Its load as the source, with the endpoint.
        as_follower: Its load after the source.
    """

    settings: Settings
    taken_at: str
    prefix_s: tuple[float, ...]
    suffix_s: tuple[float, ...]
    requests: int
    spread: float
    idle_bytes: int
    idle_penalty: tuple[IdlePenalty, ...] = ()
    as_source: Load = Load()
    as_follower: Load = Load()


class LinkProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One direction of a link, measured by probes without any emulation.

    Attributes:
        round_trip_s: Median round trip of small echoes.
        rate_mbit: Payload throughput of one TCP connection.
    """

    sender: str
    receiver: str
    round_trip_s: float
    rate_mbit: float


class PairProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The cost of messages between two devices, out and back, beyond the link's delay and rate.

    A message costs `fixed_s` + `byte_s` x its bytes. `fixed_s` rises with both devices' idle time.
    """

    source: str
    follower: str
    idle_s: tuple[float, ...]
    fixed_s: tuple[float, ...]
    byte_s: float


class CodecCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A device's time for a codec: fixed seconds + seconds per byte x bytes before the codec."""

    encode_fixed_s: float
    encode_byte_s: float
    decode_fixed_s: float
    decode_byte_s: float


class CodecProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A codec on every link.

    Attributes:
        encoded_bytes: Encoded bytes of one sample at each of the profile's cuts.
        accuracy: Accuracy of a chain of two at each cut; None where the samples have no labels.
        costs: Each device's time.
    """

    encoded_bytes: tuple[float, ...]
    accuracy: tuple[float | None, ...]
    costs: dict[str, CodecCost]


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A lab's devices and links, for one bundle, batch and number of threads.

    Attributes:
        threads: 0 where devices differ; then each device's settings hold its number.
        cuts: Positions of the timed stages, from 0 to the node count.
        shaping: How the links get their network.
        codecs: Measured codecs, by name.
        quick: Taken with fewer repetitions, so it does not replace a full one.
    """

    format: str
    lab: str
    model: str
    bundle: str
    batch: int
    threads: int
    shaping: str
    cuts: tuple[int, ...]
    taken_at: str
    took_s: float
    devices: dict[str, DeviceProfile]
    links: tuple[LinkProfile, ...]
    pairs: tuple[PairProfile, ...]
    codecs: dict[str, CodecProfile] = {}
    quick: bool = False

    def check(
        self, path: Path, *, bundle: str, batch: int, threads: int, settings: Mapping[str, Settings]
    ) -> None:
        """Refuse a device profile that does not match.

        Args:
            path: Its file, for the message.
            settings: The settings of the devices that answer.

        Raises:
            ProfileError: Its bundle, batch, number of threads or a device's settings differ.
        """
        difference = self.difference(bundle=bundle, batch=batch, threads=threads, settings=settings)
        if difference:
            raise ProfileError(f"device profile {path} is of {difference}; run `edgecut profile` again")

    def difference(
        self, *, bundle: str, batch: int, threads: int, settings: Mapping[str, Settings]
    ) -> str | None:
        """The first difference, in words; None where the device profile matches."""
        if self.bundle != bundle:
            return f"another bundle ({self.bundle[:12]}, not {bundle[:12]})"
        if self.batch != batch:
            return f"batch {self.batch}, not {batch}"
        if self.threads != threads:
            return f"{self.threads} threads a stage, not {threads}"
        for name, now in settings.items():
            if name not in self.devices:
                return f"a lab without {name}"
            then = self.devices[name].settings
            for key in sorted({*now, *then}):
                if now.get(key) != then.get(key):
                    return f"another setting ({key} of {name} was {then.get(key)}, is {now.get(key)})"
        return None


def load_profile(path: Path) -> Profile:
    """Read a device profile.

    Raises:
        ProfileError: The file is missing, or is not a device profile.
    """
    try:
        profile = msgspec.json.decode(path.read_bytes(), type=Profile)
    except FileNotFoundError as error:
        raise ProfileError(f"no device profile {path}; run `edgecut profile BUNDLE`") from error
    except OSError as error:
        raise ProfileError(f"device profile {path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProfileError(f"{path} is not a device profile ({error}); profile again") from error
    if profile.format != FORMAT:
        raise ProfileError(
            f"device profile {path} has format {profile.format!r}, but this edgecut reads {FORMAT!r}; "
            f"profile again"
        )
    cuts = len(profile.cuts)
    for name, device in profile.devices.items():
        if not len(device.prefix_s) == len(device.suffix_s) == cuts:
            raise ProfileError(
                f"device profile {path}: {name} lacks a time for some of {cuts} cuts; profile again"
            )
    return profile


def save_profile(profile: Profile, path: Path) -> None:
    """Write a device profile, whole or not at all.

    Raises:
        ProfileError: The file is not writable.
    """
    try:
        write_json(path, profile)
    except OSError as error:
        raise ProfileError(f"device profile {path} cannot be written: {error.strerror}") from error
