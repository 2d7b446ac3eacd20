"""Sweeps: the cells of an experiment, run until each wanted trial is in the results file."""
