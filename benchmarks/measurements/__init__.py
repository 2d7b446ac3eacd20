"""The measurements of the benchmark, one module for each group of figures."""
