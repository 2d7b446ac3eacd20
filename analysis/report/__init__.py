"""A sweep -> a folder with the report, its tables and its figures."""

from analysis.report.writing import Report, write_report

__all__ = ["Report", "write_report"]
