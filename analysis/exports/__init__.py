"""The tables of published pipeline testbeds: by batch, device and pipeline. Columns: docs/exports.md."""

from analysis.exports.files import EXPORTS, write_exports
from analysis.exports.formats import check_export_formats

__all__ = ["EXPORTS", "check_export_formats", "write_exports"]
