"""The machine under the worker: its stamp, telemetry, memory, GPU and queueing disciplines."""
