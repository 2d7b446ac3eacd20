"""What is best: Pareto fronts, the answers drawn from them, and how much of a search they cover."""
