"""Which figures a sweep has, and their names."""

import re
from functools import partial

from analysis.figures.base import Figure
from analysis.figures.front import front_figure
from analysis.figures.parts import breakdowns, parts_figure
from analysis.figures.payload import payload_figure
from analysis.fronts import FrontName, Point, capability, operating
from analysis.results import Profile, Sweep

__all__ = ["figures_of", "front_name", "parts_name", "payload_name", "stem"]


def stem(*words: str) -> str:
    """A file name, and an anchor, of letters, digits, dots, dashes and underscores."""
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", word).strip("-") for word in words)


def front_name(sweep: Sweep, bundle: str, profile: str, front: str) -> str:
    """`mobilenet_v2-wifi-capability`."""
    return stem(sweep.title(bundle), profile, front)


def parts_name(sweep: Sweep, bundle: str, profile: str) -> str:
    """`mobilenet_v2-wifi-parts`."""
    return stem(sweep.title(bundle), profile, "parts")


def payload_name(sweep: Sweep, bundle: str) -> str:
    """`mobilenet_v2-payload`."""
    return stem(sweep.title(bundle), "payload")


def figures_of(sweep: Sweep) -> dict[str, Figure]:
    """Every figure that the sweep has results for, by name."""
    figures: list[Figure] = []
    for bundle, profile in sweep.groups():
        figures += _of_group(sweep, bundle, profile)
    figures += [_payload(sweep, bundle) for bundle in sweep.manifests]
    return {figure.name: figure for figure in figures}


def _of_group(sweep: Sweep, bundle: str, profile: Profile) -> list[Figure]:
    baselines = [b for b in sweep.baselines if b.bundle == bundle]
    figures = []
    unloaded = capability(sweep, bundle, profile.name)
    fronts: tuple[tuple[FrontName, list[Point]], ...]
    fronts = (("capability", unloaded), ("operating", operating(sweep, bundle, profile.name)))
    for name, points in fronts:
        if any(p.latency.value is not None for p in points):
            figures.append(
                Figure(
                    front_name(sweep, bundle, profile.name, name),
                    partial(front_figure, points, baselines),
                )
            )
    bars = breakdowns(sweep.of(bundle, profile.name))
    if bars:
        best = frozenset(p.latency_cell.id for p in unloaded if p.on_front)
        figures.append(
            Figure(parts_name(sweep, bundle, profile.name), lambda layout: parts_figure(bars, best, layout))
        )
    return figures


def _payload(sweep: Sweep, bundle: str) -> Figure:
    """Cuts on some capability front are named; the raw input's size is the offloading cell's own."""
    cells = [r for r in sweep.cells if r.cell.bundle == bundle]
    named: dict[int, str] = {}
    for profile in sweep.profiles:
        for point in capability(sweep, bundle, profile.name):
            if point.on_front and point.split.kind == "split":
                named |= dict.fromkeys(point.cell.cuts, point.split.place)
    return Figure(
        payload_name(sweep, bundle),
        lambda layout: payload_figure(
            sweep.manifests[bundle],
            sweep.input_bytes(bundle),
            {cut for r in cells if r.trials for cut in r.cell.cuts},
            named,
            layout,
        ),
    )
