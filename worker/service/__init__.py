"""The worker's process: its server, its controller's session, start and stop, and the heartbeat."""
