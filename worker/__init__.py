"""The process on every device: loads shards, takes part in one pipeline, records what happens.

Run it as `python -m worker`. Other packages import only `worker.wire` (the protocol), `worker.endpoint` (a
source and sink) and `worker.records` (the recorded rows).
"""

import os

__all__: list[str] = []

# ONNX Runtime reports what it loads to its maker unless this is set before its import: graphs are their
# owner's business, and a measured link must carry nothing else.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
