"""The process on every device: loads shards, takes part in one pipeline, records what happens.

It is run as `python -m worker`. Others import `worker.wire` (the protocol), `worker.endpoint` (a source and
sink of their own) and `worker.records` (the rows that come back), and nothing else of it.
"""

import os

__all__: list[str] = []

# ONNX Runtime reports what it loads to its maker unless told otherwise before its import: graphs are their
# owner's business, and a measured link carries nothing else.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
