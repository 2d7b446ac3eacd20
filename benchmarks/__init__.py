"""The benchmark: how close the runtime comes to the limits of processors and links (docs/benchmarks.md)."""
