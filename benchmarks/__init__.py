"""The benchmark: how near the runtime comes to what processors and links allow (docs/benchmarks.md)."""
