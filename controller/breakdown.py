"""Where the time of a trial went, as a table for the terminal."""

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from controller.store import Trial

__all__ = ["breakdown_table"]

_INSIDE_COMPUTER = ("wait_compute_s", "decode_s", "compute_s", "encode_s")


def breakdown_table(trial: Trial) -> Table:
    """A row a hop with the median milliseconds of each part, and a row for the network.

    The network's share of a request is its latency less what its hops account for; `receive`, `wait`
    and `send` of the hops lie inside that share and are shown, not added.
    """
    table = Table(title="median milliseconds of a request")
    for column in ("", "wait", "decode", "compute", "encode", "| receive", "wait to send", "send"):
        table.add_column(column, justify="left" if not column else "right")
    accounted: NDArray[np.float64] = np.zeros(len(trial.endpoint))
    for hop, unsorted in zip(trial.hops, trial.records, strict=True):
        rows = np.sort(unsorted, order="request")
        accounted += np.sum([rows[name] for name in _INSIDE_COMPUTER], axis=0)
        names = (*_INSIDE_COMPUTER, "receive_s", "wait_send_s", "send_s")
        table.add_row(f"{hop.device} [{hop.start}, {hop.stop})", *(_ms(rows[name]) for name in names))
    endpoint = np.sort(trial.endpoint, order="request")
    table.add_section()
    table.add_row("network", *[""] * 4, _ms(endpoint["latency_s"] - accounted), "", "")
    table.add_row("whole request", *[""] * 4, _ms(endpoint["latency_s"]), "", "")
    return table


def _ms(seconds: NDArray[np.float64]) -> str:
    return f"{np.median(seconds) * 1e3:.2f}"
