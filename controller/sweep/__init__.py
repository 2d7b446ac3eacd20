"""Sweeps: the cells of an experiment, run until each requested trial is in the results file."""
