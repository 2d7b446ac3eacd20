"""From a model to a bundle: one ONNX graph, its cut points and its weights, once.

Importing this package needs no torch; running ``python -m exporter`` does.
"""

import os

# ONNX Runtime reports what it loads to its maker unless this is set before its import. Graphs are their
# owner's business, and a measured link must carry nothing else.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
