"""The tables of published pipeline testbeds: by batch, device and pipeline. Columns: docs/exports.md."""

from analysis.exports.batches import BATCH_COLUMNS, batch_rows
from analysis.exports.devices import DEVICE_COLUMNS, device_rows
from analysis.exports.files import EXPORTS, write_exports
from analysis.exports.formats import check_export_formats
from analysis.exports.pipelines import PIPELINE_COLUMNS, pipeline_rows

__all__ = [
    "BATCH_COLUMNS",
    "DEVICE_COLUMNS",
    "EXPORTS",
    "PIPELINE_COLUMNS",
    "batch_rows",
    "check_export_formats",
    "device_rows",
    "pipeline_rows",
    "write_exports",
]
