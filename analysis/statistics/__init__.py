"""Estimates with their uncertainty: medians, fits to blocks, bootstrap, attainment surfaces, objectives."""
