"""The benchmark: how close the runtime comes to the limits of processors and links (docs/benchmarks.md)."""

from benchmarks.command import run_bench, show_bench

__all__ = ["run_bench", "show_bench"]
