"""The errors of predictions and plans, measured on a lab: `python -m benchmarks bench-plan`."""

from benchmarks.planning.command import BenchPlanOptions, bench_plan

__all__ = ["BenchPlanOptions", "bench_plan"]
