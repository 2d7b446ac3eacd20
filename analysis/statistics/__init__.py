"""Estimates with their uncertainty: medians, bootstrap, attainment surfaces, objectives."""
