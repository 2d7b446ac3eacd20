"""How sure a sweep's answers are, from its blocks: what decides when to stop, and what a report states."""
