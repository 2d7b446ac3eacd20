"""A profile: what stages cost on each device of a lab, and what messages cost between two of them.

One JSON file per lab, bundle, batch and threads. It belongs to one digest and to the settings it was
taken with; `check` says when it does not fit.
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
    "profile_path",
    "save_profile",
]

FORMAT = "edgecut-profile/1"

Settings = dict[str, str | int | float | bool | None]
"""What a device's figures depend on, from its stamp: slowdown, threads, provider, versions, cores."""


class IdlePenalty(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What idling costs: a stage that has waited runs slower than one that has not.

    Attributes:
        idle_s: For how long it had waited.
        factor: Its compute time after that, over its compute time without.
    """

    idle_s: float
    factor: float


class Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a stage that always has work differs from one that is timed by itself.

    Seconds between two results = `factor` x compute time + `fixed_s` + `byte_s` x bytes received and sent.
    """

    factor: float = 1.0
    fixed_s: float = 0.0
    byte_s: float = 0.0


class DeviceProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A device.

    Attributes:
        prefix_s: Compute seconds of the stage `[0, cuts[i])`, by i; 0 at the first.
        suffix_s: Of the stage `[cuts[i], end)`; 0 at the last.
        requests: Timed runs behind each of them.
        spread: Typical half width of the middle half of those runs, as a share of their median.
        idle_bytes: Resident memory of its worker with nothing loaded.
        idle_penalty: By rising `idle_s`; empty where nothing was measured.
        as_source: With the endpoint on it too.
        as_follower: After the source.
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
    """One direction of a link as it was, whatever emulation may add: measured by probes.

    Attributes:
        round_trip_s: Median of small echoes.
        rate_mbit: Payload that one TCP connection got through.
    """

    sender: str
    receiver: str
    round_trip_s: float
    rate_mbit: float


class PairProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Messages between two devices, out and back: what they cost beyond delay and rate of the link.

    A message costs `fixed_s` + `byte_s` x its bytes. `fixed_s` rises with how long both had been idle.
    """

    source: str
    follower: str
    idle_s: tuple[float, ...]
    fixed_s: tuple[float, ...]
    byte_s: float


class CodecCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a device takes for a codec: fixed seconds + seconds a byte x bytes before it."""

    encode_fixed_s: float
    encode_byte_s: float
    decode_fixed_s: float
    decode_byte_s: float


class CodecProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A codec on every link.

    Attributes:
        encoded_bytes: What is sent of one sample at each of the profile's cuts.
        accuracy: Of the chain of two that is cut there; None where samples have no labels.
        costs: By device.
    """

    encoded_bytes: tuple[float, ...]
    accuracy: tuple[float | None, ...]
    costs: dict[str, CodecCost]


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A lab's devices and links, for one bundle, batch and number of threads.

    Attributes:
        threads: 0 where devices differ: then each device's is among its settings.
        cuts: Positions at which stages were timed, from 0 to the node count.
        shaping: How the links get their network.
        codecs: Those that were measured, by name.
        quick: With fewer repetitions than usual: it does not stand in for a full one.
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
        """Refuse to be used for something else.

        Args:
            path: Where it lies, for the message.
            settings: Of the devices that could be asked.

        Raises:
            ProfileError: Of another bundle, batch, number of threads, or of a device as it is no more.
        """
        difference = self.difference(bundle=bundle, batch=batch, threads=threads, settings=settings)
        if difference:
            raise ProfileError(
                f"profile {path} is of {difference}; take it again: python -m controller profile"
            )

    def difference(
        self, *, bundle: str, batch: int, threads: int, settings: Mapping[str, Settings]
    ) -> str | None:
        """What it was taken of, where that is something else; None where it fits."""
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


def profile_path(folder: Path, *, lab: str, model: str, batch: int, threads: int) -> Path:
    """Where the profile of these lies in a folder of profiles."""
    return folder / f"{lab}-{model}-batch{batch}-threads{threads or '-by-device'}.json"


def load_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        ProfileError: There is none, or it is not one.
    """
    try:
        profile = msgspec.json.decode(path.read_bytes(), type=Profile)
    except FileNotFoundError as error:
        raise ProfileError(f"no profile {path}; python -m controller profile BUNDLE takes it") from error
    except OSError as error:
        raise ProfileError(f"profile {path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProfileError(f"profile {path} is not one ({error}); take it again") from error
    if profile.format != FORMAT:
        raise ProfileError(f"profile {path} has format {profile.format!r}, this edgecut reads {FORMAT!r}")
    cuts = len(profile.cuts)
    for name, device in profile.devices.items():
        if not len(device.prefix_s) == len(device.suffix_s) == cuts:
            raise ProfileError(
                f"profile {path}: {name} has not one time for each of {cuts} cuts; take it again"
            )
    return profile


def save_profile(profile: Profile, path: Path) -> None:
    """Write a profile, whole or not at all.

    Raises:
        ProfileError: It cannot be written.
    """
    try:
        write_json(path, profile)
    except OSError as error:
        raise ProfileError(f"profile {path} cannot be written: {error.strerror}") from error
