"""Find impossible records of trials: too few, of other requests, with times that run backwards."""

import json
import sqlite3
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.results import UNREADABLE, Cell, Hop, Link, read_cells, unpack
from controller.results.laws import endpoint_findings, hop_findings

__all__ = ["record_findings"]


_ENDPOINT_FIELDS = frozenset(("request", "scheduled_at_s", "finished_at_s", "latency_s", "counted"))
_HOP_FIELDS = frozenset(("request", "received_at_s", "compute_at_s", "compute_s"))

_CLOCK_S = 1e-6
"""The largest difference between sums of times, which are stored rounded."""

_TICK_S = 0.02
"""How much longer a kernel that counts ticks may call a link busy than it was watched."""


def record_findings(db: sqlite3.Connection) -> Iterator[str]:
    """Problems in the records and telemetry of finished trials."""
    cells = dict(read_cells(db))
    devices: dict[int, set[str]] = {}
    for environment, name in db.execute("SELECT environment, name FROM device"):
        devices.setdefault(environment, set()).add(name)
    rows = db.execute(
        "SELECT id, cell, number, environment, elapsed_s, requests, checked, worst_error, hops, links, "
        "records FROM trial WHERE status = 'done' ORDER BY id"
    )
    for trial, cell_id, number, environment, *measured in rows:
        cell = cells.get(cell_id)
        if cell is None:
            # `row_findings` reports it as a trial of a missing cell.
            continue
        for what in _of_trial(cell, devices.get(environment, set()), *measured):
            yield f"trial {trial} (number {number} of cell {cell_id}): {what}"
    yield from _telemetry(db)


def _of_trial(
    cell: Cell,
    known: set[str],
    elapsed_s: float | None,
    requests: int | None,
    checked: int | None,
    worst_error: float | None,
    hops_text: str,
    links_text: str,
    blob: bytes,
) -> Iterator[str]:
    if elapsed_s is None or requests is None or checked is None or not elapsed_s > 0 or requests < 1:
        yield "is finished without a duration or without requests"
        return
    try:
        hops = [Hop(**hop) for hop in json.loads(hops_text)]
        links = msgspec.json.decode(links_text, type=tuple[Link, ...])
        arrays = unpack(blob)
    except UNREADABLE as error:
        yield f"its records cannot be read ({type(error).__name__}: {error})"
        return
    if set(arrays) != {"endpoint", *(f"hop{position}" for position in range(len(hops)))}:
        yield f"has {len(hops)} hops, but records {sorted(arrays)}"
        return
    if checked < 0 or (worst_error is not None and not worst_error >= 0):
        yield f"{checked} results checked, worst error {worst_error}"
    yield from _of_hops(cell, known, hops)
    yield from _of_links(links)
    endpoint = arrays["endpoint"]
    if not _has_fields(endpoint, _ENDPOINT_FIELDS):
        yield f"rows of requests lack one of {', '.join(sorted(_ENDPOINT_FIELDS))}"
        return
    if (counted := np.count_nonzero(endpoint["counted"] == 1)) != requests:
        yield f"has {counted} rows that count of {requests} requests"
        return
    yield from endpoint_findings(endpoint)
    for position, hop in enumerate(hops):
        name = f"stage {hop.start}-{hop.stop} on {hop.device}"
        yield from (f"{name}: {what}" for what in _of_hop(arrays[f"hop{position}"], endpoint))


def _of_hops(cell: Cell, known: set[str], hops: list[Hop]) -> Iterator[str]:
    devices = [hop.device for hop in hops]
    strangers = [device for device in devices if device not in cell.devices]
    if strangers:
        yield f"ran on {', '.join(strangers)}, but its cell has {', '.join(cell.devices)}"
    absent = sorted({device for device in devices if device not in known})
    if absent:
        yield f"ran on {', '.join(absent)}, which its environment lacks"
    bounds = [(hop.start, hop.stop) for hop in hops]
    inner = {stop for _, stop in bounds[:-1]}
    joined = all(one[1] == other[0] for one, other in zip(bounds, bounds[1:], strict=False))
    if not joined or bounds[0][0] != 0 or not inner <= set(cell.cuts):
        yield f"its stages {bounds} are not those of cuts {list(cell.cuts)}"


def _of_links(links: Iterable[Link]) -> Iterator[str]:
    for link in links:
        use = link.use
        if use is None:
            continue
        parts_s = (use.rwnd_limited_s, use.sndbuf_limited_s, use.queued_s)
        is_possible = use.elapsed_s > 0 and 0 <= use.busy_s <= use.elapsed_s + _TICK_S
        is_possible &= min(parts_s) >= 0 and max(parts_s) <= use.busy_s + _CLOCK_S
        if not is_possible or min(use.frames - 1, use.carried_bytes, use.round_trip_s) < 0:
            yield f"its link from {link.sender} to {link.receiver} was in use for an impossible time ({use})"


def _of_hop(rows: NDArray[np.void], endpoint: NDArray[np.void]) -> Iterator[str]:
    if not _has_fields(rows, _HOP_FIELDS):
        yield f"rows lack one of {', '.join(sorted(_HOP_FIELDS))}"
        return
    yield from hop_findings(rows, endpoint)


def _has_fields(rows: NDArray[np.void], fields: frozenset[str]) -> bool:
    return fields <= set(rows.dtype.names or ())


def _telemetry(db: sqlite3.Connection) -> Iterator[str]:
    backwards = db.execute(
        "SELECT DISTINCT trial, device FROM (SELECT trial, device, at_s - lag(at_s) OVER "
        "(PARTITION BY trial, device ORDER BY rowid) AS step FROM telemetry) WHERE step < 0"
    )
    for trial, device in backwards:
        yield f"trial {trial}: telemetry of {device} runs backwards"
