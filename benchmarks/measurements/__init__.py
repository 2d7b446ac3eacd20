"""What the benchmark measures, one module a group of figures."""
