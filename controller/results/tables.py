"""A results file's tables: which rows each keeps, its keys and its references."""

from typing import Any, Final

from controller.results.encoding import Table
from controller.results.rows import (
    Accuracy,
    BaselineTrial,
    Block,
    BundleRow,
    Cell,
    CodecAccuracy,
    DeviceRow,
    EnvironmentRow,
    ExperimentRow,
    FullSpeed,
    Look,
    MeasuredLink,
    MetaRow,
    NetworkRow,
    Predicted,
    Profiling,
    ReferenceBox,
    Saturation,
    Scope,
    Sentinel,
    TimeAlone,
)
from controller.results.trial import TelemetryRow, TrialRow

__all__ = ["CELL", "SCHEMA", "TABLES"]

_ENVIRONMENT: Final = {"environment": "INTEGER NOT NULL REFERENCES environment"}
_OF_BUNDLE: Final = "FOREIGN KEY (bundle) REFERENCES bundle"
_OF_NETWORK: Final = "FOREIGN KEY (network) REFERENCES network"
_OF_BLOCK: Final = "FOREIGN KEY (network, block) REFERENCES block (network, number)"
_OF_CELL: Final = "FOREIGN KEY (cell) REFERENCES cell"
_OF_ENVIRONMENT: Final = "FOREIGN KEY (environment) REFERENCES environment"

CELL: Final = Table(
    "cell", Cell, f"{_OF_BUNDLE}, {_OF_NETWORK}", own={"id": "TEXT PRIMARY KEY"}, otherwise="IGNORE"
)

_ALL: Final[tuple[Table[Any], ...]] = (
    Table("meta", MetaRow, "PRIMARY KEY (key)"),
    Table("experiment", ExperimentRow, "PRIMARY KEY (digest)"),
    Table("environment", EnvironmentRow, "PRIMARY KEY (id)"),
    Table("device", DeviceRow, "PRIMARY KEY (environment, name)", own=_ENVIRONMENT),
    Table("bundle", BundleRow, "PRIMARY KEY (digest)", otherwise="IGNORE"),
    Table("network", NetworkRow, "PRIMARY KEY (name)", otherwise="IGNORE"),
    CELL,
    Table("saturation", Saturation, f"PRIMARY KEY (cell), {_OF_CELL}", otherwise="REPLACE"),
    Table("block", Block, f"PRIMARY KEY (network, number), {_OF_NETWORK}", otherwise="REPLACE"),
    Table("trial", TrialRow, f"PRIMARY KEY (id), {_OF_CELL}, {_OF_ENVIRONMENT}"),
    Table(
        "baseline",
        BaselineTrial,
        f"UNIQUE (network, bundle, device, batch, number, threads), {_OF_BUNDLE}, {_OF_NETWORK}",
        own=_ENVIRONMENT,
    ),
    Table(
        "full_speed",
        FullSpeed,
        f"PRIMARY KEY (bundle, device, start, stop, batch, threads), {_OF_BUNDLE}",
        own=_ENVIRONMENT,
        otherwise="IGNORE",
    ),
    Table(
        "time_alone",
        TimeAlone,
        "PRIMARY KEY (network, block, environment, bundle, device, start, stop, batch, threads), "
        f"{_OF_BUNDLE}, {_OF_BLOCK}",
        own=_ENVIRONMENT,
        otherwise="REPLACE",
    ),
    Table("accuracy", Accuracy, f"PRIMARY KEY (bundle, cuts), {_OF_BUNDLE}", otherwise="REPLACE"),
    Table(
        "sentinel",
        Sentinel,
        f"PRIMARY KEY (network, block, environment, device, receiver), {_OF_BLOCK}",
        own=_ENVIRONMENT,
        otherwise="REPLACE",
    ),
    Table("telemetry", TelemetryRow, "FOREIGN KEY (trial) REFERENCES trial"),
    Table("link", MeasuredLink, _OF_ENVIRONMENT),
    Table(
        "codec_accuracy",
        CodecAccuracy,
        f"PRIMARY KEY (bundle, cuts, devices, source, codec, batch), {_OF_BUNDLE}",
        otherwise="REPLACE",
    ),
    Table(
        "reference_box",
        ReferenceBox,
        f"PRIMARY KEY (bundle, network), {_OF_BUNDLE}, {_OF_NETWORK}",
        otherwise="REPLACE",
    ),
    Table("look", Look, f"PRIMARY KEY (network, block), {_OF_NETWORK}", otherwise="REPLACE"),
    Table("scope", Scope, "PRIMARY KEY (network)", otherwise="REPLACE"),
    Table("profiling", Profiling, "PRIMARY KEY (bundle, batch, threads)", otherwise="REPLACE"),
    Table("predicted", Predicted, f"PRIMARY KEY (cell), {_OF_CELL}", otherwise="IGNORE"),
)

TABLES: Final = {table.kind: table for table in _ALL}
"""The table of each kind of row."""

SCHEMA: Final = (
    *(table.definition for table in _ALL),
    "CREATE UNIQUE INDEX trial_done ON trial (cell, number) WHERE status = 'done'",
    "CREATE INDEX telemetry_trial ON telemetry (trial, device)",
)
"""The statements that create them. A finished trial is stored once."""
