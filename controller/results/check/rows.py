"""Find bad and inconsistent rows: of wrong types, with wrong sums, of missing cells, contradictory."""

import hashlib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from controller.results.encoding import RowError, Scanned, scan
from controller.results.reading import Results, wanted_of, wrong_in_cell
from controller.results.rows import PLANTED, Block, BundleRow, Cell, DeviceRow, ExperimentRow
from controller.results.schema import dangling
from controller.results.tables import TABLES
from controller.results.trial import TelemetryRow, TrialRow
from controller.results.trial_row import check_sample, check_void
from exporter.bundle.manifest import digest_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["good_rows", "row_findings"]

_Findings = Iterator[str]
Row = TypeVar("Row", bound="DataclassInstance")


def good_rows(results: Results, kind: type[Row]) -> Iterator[tuple[int, tuple[Any, ...], Row]]:
    """The rows of a kind that `row_findings` finds nothing wrong with by themselves.

    Yields:
        Number, the values of the table's own columns, and the row.
    """
    for scanned in scan(results.connection, TABLES[kind]):
        if not isinstance(scanned.row, RowError) and _error_of(scanned) is None:
            yield scanned.number, scanned.own, scanned.row


def row_findings(results: Results) -> _Findings:
    """Bad rows, and inconsistencies between rows, without the records."""
    for table in TABLES.values():
        for scanned in scan(results.connection, table):
            if error := _error_of(scanned):
                yield str(error)
    yield from map(str, dangling(results.connection))
    yield from _experiment(results)
    yield from _bundles(results)
    yield from _cells(results)
    yield from _trials(results)


def _error_of(scanned: Scanned[Any]) -> RowError | None:
    row = scanned.row
    try:
        if isinstance(row, RowError):
            raise row
        if isinstance(row, TelemetryRow):
            check_sample(scanned.number, row)
        if isinstance(row, TrialRow) and row.status == "void":
            check_void(row)
    except RowError as error:
        return error
    return None


def _experiment(results: Results) -> _Findings:
    rows = [row for _, _, row in scan(results.connection, TABLES[ExperimentRow])]
    good = [row for row in rows if isinstance(row, ExperimentRow)]
    raised = all(
        later.rest == row.rest and wanted_of(later).raises(wanted_of(row)) for row, later in pairwise(good)
    )
    if not rows or not raised:
        names = ", ".join(row.name for row in good) or "none"
        yield f"the file holds {len(rows)} experiments ({names}) instead of one with raised trials"
    for row in rows:
        if isinstance(row, RowError):
            continue
        if row.digest != hashlib.sha256(row.text.encode()).hexdigest():
            yield f"experiment {row.name}: its text does not match its digest {row.digest[:12]}"
        if row.least > row.trials:
            yield f"experiment {row.name}: at least {row.least} trials, but at most {row.trials}"


def _bundles(results: Results) -> _Findings:
    for _, _, bundle in good_rows(results, BundleRow):
        if not bundle.manifest.get("digest") == bundle.digest == digest_of(dict(bundle.manifest)):
            yield f"bundle {bundle.digest[:12]} ({bundle.model}): its manifest does not match that digest"


def _cells(results: Results) -> _Findings:
    bundles = {bundle.digest: bundle.manifest for _, _, bundle in good_rows(results, BundleRow)}
    for _, (name,), cell in good_rows(results, Cell):
        if why := wrong_in_cell(cell, name, bundles.get(cell.bundle, {}).get("node_count")):
            yield f"cell {name}: {why[0]}: {why[1]}"
        if _planted_on(cell) is None:
            yield f"cell {name}: planted: not JSON of devices"


def _planted_on(cell: Cell) -> Mapping[str, Any] | None:
    """What is planted, by device; None where that cannot be read."""
    try:
        return msgspec.json.decode(cell.planted or "{}", type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _trials(results: Results) -> _Findings:
    """Trials of a block that the file lacks, and planted times on a device that is recorded as any other."""
    blocks = {(block.network, block.number) for _, _, block in good_rows(results, Block)}
    cells = {name: cell for _, (name,), cell in good_rows(results, Cell)}
    kinds = {(number, device.name): device.kind for _, (number,), device in good_rows(results, DeviceRow)}
    planted: dict[tuple[str, str], str] = {}
    for _, _, trial in good_rows(results, TrialRow):
        cell = cells.get(trial.cell)
        if cell is None:
            continue
        if (cell.network, trial.number) not in blocks:
            yield f"trial {trial.id}: is of block {trial.number} under {cell.network}, which the file lacks"
        for device in _planted_on(cell) or ():
            if (kind := kinds.get((trial.environment, device), PLANTED)) != PLANTED:
                planted[trial.cell, device] = kind
    for (name, device), kind in planted.items():
        yield f"cell {name}: has planted times on {device}, which is recorded as {kind}"
