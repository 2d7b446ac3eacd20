"""The profiles that `search: planned` predicts from: taken once, and kept in the results file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from controller.console import Progress
from controller.errors import ProfileError
from controller.experiment.resolve import ResolvedExperiment
from controller.lab.worker_client import query_all
from controller.profiling.profile import Profile, Settings, load_profile
from controller.profiling.profiler import ProfileRequest, alike_or_each, complete_profile
from controller.results import Profiling, Results, Store
from controller.sweep.search.predicted import ProfileKey, profile_key
from worker.wire.codecs import NO_CODEC
from worker.wire.messages import DeviceInfo

__all__ = ["stored_profiles", "missing_profiles", "prepare"]

_STAGES_S: Final = 40.0
_STAGES_QUICK_S: Final = 4.0


@dataclass(frozen=True)
class Missing:
    """A profile that is not in the results file yet.

    Attributes:
        cuts: Where cells cut the graph, both ends included.
        devices: Of those cells, in the lab's order.
        codecs: On links of those cells.
        quick: Whether a quick one will do.
    """

    key: ProfileKey
    cuts: tuple[int, ...]
    devices: tuple[str, ...]
    codecs: tuple[str, ...]
    quick: bool

    def fits(self, profile: Profile) -> bool:
        """Whether a profile says something of all that is cut, on all devices."""
        return set(self.cuts) <= set(profile.cuts) and set(self.devices) <= set(profile.devices)

    @property
    def stages_s(self) -> float:
        """What timing the stages of one device may take, about."""
        return _STAGES_QUICK_S if self.quick else _STAGES_S


def stored_profiles(results: Results) -> dict[ProfileKey, Profile]:
    """What a results file has.

    Raises:
        ProfileError: Another version of edgecut wrote one.
    """
    try:
        return {
            (row.bundle, row.batch, row.threads or None): msgspec.json.decode(row.text, type=Profile)
            for row in results.rows(Profiling)
        }
    except msgspec.DecodeError as error:
        raise ProfileError(
            f"{results.path} has a device profile that this version of edgecut cannot read ({error}); "
            f"name another results file"
        ) from error


def missing_profiles(resolved: ResolvedExperiment, stored: Mapping[ProfileKey, Profile]) -> list[Missing]:
    """What must be profiled yet before anything of a planned search can be predicted."""
    if resolved.experiment.search != "planned":
        return []
    by_key: dict[ProfileKey, tuple[set[int], set[str], set[str]]] = {}
    for cells in resolved.cells.values():
        for cell in cells:
            cuts, devices, codecs = by_key.setdefault(profile_key(cell), (set(), set(), set()))
            cuts.update(cell.cuts)
            devices.update(cell.devices)
            codecs.add(cell.codec)
    order = [device.name for device in resolved.lab.devices]
    required = [
        Missing(
            key,
            tuple(sorted({0, *cuts, resolved.bundles[key[0]].node_count})),
            tuple(name for name in order if name in devices),
            tuple(sorted(codecs - {NO_CODEC.name})),
            resolved.experiment.device_profile == "quick",
        )
        for key, (cuts, devices, codecs) in by_key.items()
    ]
    return [
        one
        for one in required
        if (known := stored.get(one.key)) is None or not one.fits(known) or (known.quick and not one.quick)
    ]


def prepare(
    resolved: ResolvedExperiment, store: Store, folder: Path, screen: Progress, *, shaped: bool
) -> None:
    """Take what profiles are missing, or find them in a folder of them, and keep them in the results file.

    Args:
        shaped: That links may be shaped by tc now, in which case nothing can be profiled.

    Raises:
        DeviceError: A device is not there.
        ProfileError: It would have to be taken, and cannot now.
    """
    for missing in missing_profiles(resolved, stored_profiles(store)):
        infos = query_all(resolved.lab, missing.devices)
        bundle, batch, compared = missing.key
        threads = {
            name: resolved.experiment.threads_on(name, info.threads, compared) for name, info in infos.items()
        }
        request = ProfileRequest(
            missing.cuts, batch, alike_or_each(threads), missing.stages_s, quick=missing.quick
        )
        model = resolved.bundles[bundle].manifest.model
        path = request.path(folder, resolved.lab.name, model)
        profile = _existing(missing, request, path, infos)
        if profile is not None and request.is_too_quick(profile):
            screen.say(f"profile {path} is a quick one: measuring it in full")
            profile = None
        if profile is None or not profile.codecs.keys() >= set(missing.codecs):
            if shaped and resolved.lab.shaping(missing.devices) == "tc":
                raise ProfileError(
                    f"no device profile of {model}, and none can be taken "
                    f"while links are shaped: clear them and run the same command with --prepare, as "
                    f"`edgecut sweep` does"
                )
            profile = _completed(resolved, missing, request, path, screen, profile)
        text = msgspec.json.encode(profile).decode()
        store.add(Profiling(bundle, batch, compared or 0, profile.took_s, text))


def _existing(
    missing: Missing, request: ProfileRequest, path: Path, infos: Mapping[str, DeviceInfo]
) -> Profile | None:
    if not path.is_file():
        return None
    profile = load_profile(path)
    settings: dict[str, Settings] = {name: request.settings(info) for name, info in infos.items()}
    bundle, batch, _ = missing.key
    other = profile.difference(bundle=bundle, batch=batch, threads=request.common_threads, settings=settings)
    return profile if other is None and missing.fits(profile) else None


def _completed(
    resolved: ResolvedExperiment,
    missing: Missing,
    request: ProfileRequest,
    path: Path,
    screen: Progress,
    profile: Profile | None,
) -> Profile:
    """The missing device profile, or the existing one with its missing codecs."""
    lab, bundle = resolved.lab, resolved.bundles[missing.key[0]]
    if profile is None:
        screen.say(f"profiling {bundle.manifest.model} on {', '.join(missing.devices)}")
    # A profile of a part of the lab does not replace one of the whole lab.
    is_whole = missing.devices == tuple(device.name for device in lab.devices)
    is_saved = profile is not None or is_whole or not path.exists()
    return complete_profile(
        profile, bundle, lab, missing.devices, request, missing.codecs, screen, path, is_saved=is_saved
    )
