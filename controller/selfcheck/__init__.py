"""The selfcheck: planted times and full links on a lab's own devices, and the verdict that results carry."""

from controller.selfcheck.running import run_selfcheck, show_verdict
from controller.selfcheck.verdict import Finding, Verdict, fingerprint, verdict_file, verdict_for

__all__ = [
    "Finding",
    "Verdict",
    "fingerprint",
    "run_selfcheck",
    "show_verdict",
    "verdict_file",
    "verdict_for",
]
