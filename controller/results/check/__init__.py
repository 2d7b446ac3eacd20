"""Check results files for damage and inconsistencies, and salvage data from damaged ones."""

from controller.results.check.command import run_check

__all__ = ["run_check"]
