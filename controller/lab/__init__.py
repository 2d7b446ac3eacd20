"""The lab: its inventory, the client of each worker, and the pool of those that a run holds."""
