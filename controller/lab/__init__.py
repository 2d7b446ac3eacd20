"""The lab: its inventory, a client for each worker, and the pool of a run's workers."""
