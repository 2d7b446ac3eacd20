"""The cases: experiments with planted times on a lab of two devices, and one that is slowed down.

Times are long beside the runtime's own (0.1 to 0.6 ms a request), which is no part of a truth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["CASES", "DEVICES", "NULL_SIZES", "Case"]

DEVICES: Final[Mapping[str, float]] = {"pi": 1.0, "server": 1.0, "slow": 2.0}
"""Names and slowdowns of a lab for all cases."""

NULL_SIZES: Final = (1_000, 25_000, 2_500, 100, 90_000, 1_000, 10)
"""Values of a sample that cross the null model's input, its cut points and its output."""

_COMMON: Final[Mapping[str, Any]] = {
    "models": ["null"],
    "networks_file": "networks.yml",
    "trials": 2,
    "warmup": 2,
    "samples": 2,
}


@dataclass(frozen=True)
class Case:
    """An experiment whose truth is known.

    Attributes:
        keys: Of the experiment, beside its name and those that all cases share.
        networks: The networks file's.
        labs: The labs that run it: namespaces may lack netem, and with it delays.
        shows: What it checks, in a few words.
    """

    name: str
    shows: str
    keys: Mapping[str, Any]
    networks: Mapping[str, Mapping[str, float]]
    labs: Sequence[str] = ("local", "namespaces")

    def experiment(self, names: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The experiment as its file holds it; `names` are the lab's, by the device's name here."""
        experiment = {"name": self.name, **_COMMON, "networks": list(self.networks), **self.keys}
        if names:
            experiment["devices"] = [names[device] for device in self.keys["devices"]]
            experiment["planted"] = {names[device]: times for device, times in self.keys["planted"].items()}
        return experiment


_CHAIN: Final[Mapping[str, Any]] = {
    "devices": ["pi", "server"],
    # At cut 1 a stage limits, at cut 4 the slow link.
    "splits": [1, 4],
    "depths": [1, 4],
    "requests": {1: 12, 4: 24},
    "planted": {"pi": {"node_ms": 15}, "server": {"node_ms": 10}},
}

CASES: Final = (
    Case(
        "chain",
        "sleeping stages on two devices, with free and with slow links",
        _CHAIN,
        {"free": {}, "slow-link": {"delay_ms": 5, "rate_mbit": 40}},
        labs=("local",),
    ),
    Case(
        "kernel",
        "sleeping stages on two devices, with links shaped by the kernel",
        _CHAIN,
        {"free": {}, "slow-link": {"rate_mbit": 40}},
        labs=("namespaces",),
    ),
    Case(
        "spin",
        "a stage that keeps its core busy",
        {
            "devices": ["pi"],
            "depths": [1, 4],
            "requests": 24,
            "planted": {"pi": {"node_ms": [2, 4, 8, 0, 6, 10], "how": "spin"}},
        },
        {"free": {}},
    ),
    Case(
        "slowdown",
        "a device that is twice as slow",
        {
            "devices": ["slow"],
            "depths": [1, 4],
            "requests": 24,
            "planted": {"slow": {"node_ms": 2.5}},
        },
        {"free": {}},
    ),
    Case(
        "irregular",
        "modes, stalls and a slow phase",
        {
            "devices": ["pi"],
            "depths": [1],
            "requests": 120,
            "planted": {
                "pi": {
                    "node_ms": 3,
                    "modes": [[0.95, 1], [1.05, 1]],
                    "stalls": {"every": 20, "ms": 30},
                    "phases": [{"factor": 2, "requests": [50, 75]}],
                }
            },
        },
        {"free": {}},
    ),
)
