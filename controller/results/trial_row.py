"""A trial as the row that keeps it, and back: what no sweep writes is refused by its column."""

from collections.abc import Iterator

from controller.results.encoding import RowError
from controller.results.records import digest_of, pack, unpack
from controller.results.trial import TelemetryRow, Trial, TrialRow

__all__ = ["check_sample", "check_void", "row_of", "samples_of", "trial_of"]

_TABLE = "trial"
_MEASURED = (
    *("elapsed_s", "rows", "requests", "checked", "worst_error"),
    *("hops", "links", "course", "records", "digest"),
)
"""The columns that a finished trial has, and a void one has not."""


def row_of(trial: Trial, number: int) -> TrialRow:
    """The row of a finished trial, which gets this id."""
    return TrialRow(
        id=number,
        cell=trial.cell,
        number=trial.number,
        status="done",
        environment=trial.environment,
        started_at=trial.started_at,
        elapsed_s=trial.elapsed_s,
        rows=len(trial.endpoint_rows),
        requests=len(trial.endpoint),
        checked=trial.checked,
        worst_error=trial.worst_error,
        hops=trial.hops,
        links=trial.links,
        course=trial.course,
        records=pack(trial.endpoint_rows, trial.hop_rows),
        digest=digest_of(trial),
    )


def samples_of(trial: Trial, number: int) -> Iterator[TelemetryRow]:
    """The rows of a trial's telemetry."""
    for device, samples in trial.telemetry.items():
        for sample in samples:
            yield TelemetryRow(number, device, sample["at_s"], sample)


def trial_of(row: TrialRow) -> Trial:
    """The finished trial of a row, without its telemetry.

    Raises:
        RowError: A column is missing or contradicts another.
    """
    for column in _MEASURED:
        if getattr(row, column) is None:
            raise RowError(_TABLE, row.id, column, "a finished trial has one")
    if row.reason is not None:
        raise RowError(_TABLE, row.id, "reason", "a finished trial has none")
    assert row.elapsed_s is not None and row.rows is not None and row.checked is not None
    assert row.worst_error is not None and row.hops is not None and row.links is not None
    assert row.course is not None and row.records is not None
    try:
        endpoint, hops = unpack(row.records, row.rows, len(row.hops))
    except ValueError as error:
        raise RowError(_TABLE, row.id, "records", str(error)) from error
    trial = Trial(
        id=row.id,
        cell=row.cell,
        number=row.number,
        environment=row.environment,
        started_at=row.started_at,
        elapsed_s=row.elapsed_s,
        checked=row.checked,
        worst_error=row.worst_error,
        hops=row.hops,
        links=row.links,
        course=row.course,
        endpoint_rows=endpoint,
        hop_rows=hops,
    )
    if len(trial.endpoint) != row.requests:
        raise RowError(
            _TABLE, row.id, "requests", f"{row.requests}, but {len(trial.endpoint)} rows of its records count"
        )
    return trial


def check_void(row: TrialRow) -> str:
    """The reason of a void trial.

    Raises:
        RowError: It has none, or has measured something.
    """
    if row.reason is None:
        raise RowError(_TABLE, row.id, "reason", "a void trial has one")
    for column in _MEASURED:
        if getattr(row, column) is not None:
            raise RowError(_TABLE, row.id, column, "a void trial has none")
    return row.reason


def check_sample(number: int, row: TelemetryRow | RowError) -> TelemetryRow:
    """A sample of telemetry, in the row with this number.

    Raises:
        RowError: It cannot be read, or has another time than its row.
    """
    if isinstance(row, RowError):
        raise row
    if row.sample.get("at_s") != row.at_s:
        raise RowError("telemetry", number, "sample", f"is not of {row.at_s} s")
    return row
