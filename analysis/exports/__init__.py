"""The tables of published pipeline testbeds: by batch, device and pipeline. Columns: docs/exports.md."""

from analysis.exports.rows import EXPORTS
from analysis.exports.writing import check_export_formats, export_rows, write_exports

__all__ = ["EXPORTS", "check_export_formats", "export_rows", "write_exports"]
