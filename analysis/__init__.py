"""Turn a sweep's results into fronts, tables, figures and a report."""
