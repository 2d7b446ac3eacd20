"""What else differs between two sides: devices, versions, settings. It may be why the figures do."""

from analysis.comparison.pairs import Side
from analysis.report.words import flat

__all__ = ["environment_differences"]

# Of the moment, not of the device.
_PASSING = ("qdisc", "frequency_mhz", "temperature_c")


def environment_differences(a: Side, b: Side) -> list[tuple[str, str, str]]:
    """What is said differently of the two: name, on `a`, on `b`; `-` where one does not say it."""
    one, other = _said(a), _said(b)
    return [
        (key, one.get(key, "-"), other.get(key, "-"))
        for key in dict.fromkeys([*one, *other])
        if one.get(key) != other.get(key)
    ]


def _said(side: Side) -> dict[str, str]:
    said = {"experiment": side.sweep.experiment["name"], "trials": str(side.sweep.trials_wanted)}
    if side.network is not None:
        network = next(p for p in side.sweep.networks if p.name == side.network)
        said |= {f"network.{k}": v for k, v in flat({"shaping": network.shaping, **network.requested})}
    if side.sweep.environments:
        said |= dict(flat(side.sweep.environments[-1][2], "controller."))
    for device in side.sweep.devices:
        said |= {f"{device.name}.kind": device.kind, f"{device.name}.slowdown": f"{device.slowdown:g}"}
        said |= dict(flat(device.stamp, f"{device.name}."))
    return {key: v for key, v in said.items() if key.rpartition(".")[2] not in _PASSING}
