"""How right predictions and plans are, measured on a lab: `make bench-plan`."""

from benchmarks.planning.command import BenchAsked, bench_plan

__all__ = ["BenchAsked", "bench_plan"]
