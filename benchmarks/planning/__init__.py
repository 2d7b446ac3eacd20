"""The errors of predictions and plans, measured on a lab: `python -m benchmarks bench-plan`."""
