"""Whether a results file is whole and true to itself, and how to save what a damaged one still holds."""

from controller.results.check.command import run_check

__all__ = ["run_check"]
