"""Measuring the most promising cells of an experiment first, and not all: by plan, or by the clock."""
