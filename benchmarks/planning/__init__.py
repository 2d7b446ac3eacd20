"""How right predictions and plans are, measured on a lab: `make bench-plan`."""

from benchmarks.planning.command import BenchPlanOptions, bench_plan

__all__ = ["BenchPlanOptions", "bench_plan"]
