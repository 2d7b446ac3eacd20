"""What a report of many cells costs: its making, its size, and the wait before it can be read."""
