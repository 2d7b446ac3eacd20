"""Find impossible records of trials: of another digest, of other stages, with times that run backwards."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

from controller.results.check.rows import good_rows
from controller.results.encoding import RowError, scan
from controller.results.reading import Results
from controller.results.record_faults import counted_of, endpoint_faults, hop_faults, use_faults
from controller.results.records import digest_of
from controller.results.rows import Cell, DeviceRow
from controller.results.tables import TABLES
from controller.results.trial import Hop, Link, TelemetryRow, Trial, TrialRow
from controller.results.trial_row import check_sample, trial_of

__all__ = ["record_findings", "telemetry_of"]


def record_findings(results: Results) -> Iterator[str]:
    """Problems in the records and telemetry of finished trials."""
    cells = {name: cell for _, (name,), cell in good_rows(results, Cell)}
    devices: dict[int, set[str]] = {}
    for _, (environment,), device in good_rows(results, DeviceRow):
        devices.setdefault(environment, set()).add(device.name)
    for number, _, row in good_rows(results, TrialRow):
        if row.status != "done":
            continue
        try:
            trial = trial_of(row)
        except RowError as error:
            yield str(error)
            continue
        telemetry = telemetry_of(results.connection, number)
        findings = [*_of_trial(trial, cells.get(trial.cell), devices.get(trial.environment, set()))]
        findings += _of_telemetry(trial, row.digest, telemetry)
        for what in findings:
            yield f"trial {number} (number {trial.number} of cell {trial.cell}): {what}"


def telemetry_of(db: sqlite3.Connection, trial: int) -> dict[str, list[Mapping[str, Any]]]:
    """The readable samples of a trial, by device in the order of writing."""
    telemetry: dict[str, list[Mapping[str, Any]]] = {}
    for number, _, row in scan(db, TABLES[TelemetryRow], "trial = ?", (trial,)):
        with suppress(RowError):
            sample = check_sample(number, row)
            telemetry.setdefault(sample.device, []).append(sample.sample)
    return telemetry


def _of_telemetry(
    trial: Trial, digest: str | None, telemetry: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Iterator[str]:
    for device, samples in telemetry.items():
        if any(later["at_s"] < sample["at_s"] for sample, later in pairwise(samples)):
            yield f"telemetry of {device} runs backwards"
    if digest != digest_of(replace(trial, telemetry=telemetry)):
        yield "what it measured does not match its digest"


def _of_trial(trial: Trial, cell: Cell | None, known: set[str]) -> Iterator[str]:
    # `row_findings` reports a missing cell.
    if cell is not None:
        yield from _of_hops(cell, known, trial.hops)
    endpoint = trial.endpoint_rows
    counted = counted_of(endpoint)
    yield from endpoint_faults(endpoint, counted, trial.elapsed_s)
    for hop, rows in zip(trial.hops, trial.hop_rows, strict=True):
        name = f"stage {hop.start}-{hop.stop} on {hop.device}"
        yield from (f"{name}: {fault}" for fault in hop_faults(rows, endpoint))
    for link in trial.links:
        for fault in _of_link(link, counted, len(endpoint)):
            yield f"its link from {link.sender} to {link.receiver} {fault}"


def _of_hops(cell: Cell, known: set[str], hops: Iterable[Hop]) -> Iterator[str]:
    devices = [hop.device for hop in hops]
    strangers = [device for device in devices if device not in cell.devices]
    if strangers:
        yield f"ran on {', '.join(strangers)}, but its cell has {', '.join(cell.devices)}"
    absent = sorted({device for device in devices if device not in known})
    if absent:
        yield f"ran on {', '.join(absent)}, which its environment lacks"
    bounds = [(hop.start, hop.stop) for hop in hops]
    inner = {stop for _, stop in bounds[:-1]}
    joined = all(one[1] == other[0] for one, other in pairwise(bounds))
    if not joined or bounds[0][0] != 0 or not inner <= set(cell.cuts):
        yield f"its stages {bounds} are not those of cuts {list(cell.cuts)}"


def _of_link(link: Link, counted: tuple[int, int], rows: int) -> Iterator[str]:
    if (link.codec == "none") != (link.encoded_bytes is None):
        yield f"has codec {link.codec}, but {link.encoded_bytes} encoded bytes"
    elif link.encoded_bytes is not None and not 0 < link.encoded_bytes <= link.payload_bytes:
        yield f"made {link.encoded_bytes:g} of {link.payload_bytes} bytes by a codec"
    if link.use is not None:
        yield from (f"{fault} ({link.use})" for fault in use_faults(link.use, counted, rows))
