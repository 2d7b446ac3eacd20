"""The benchmark: how near the runtime comes to what processors and links allow (docs/benchmarks.md)."""

from benchmarks.command import run_bench, show_bench

__all__ = ["run_bench", "show_bench"]
