"""Known answers: sweeps with planted times, whose figures follow from what is planted (docs/measuring.md)."""
