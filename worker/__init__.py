"""The process on every device: loads shards, takes part in one pipeline, records what happens.

It is run as `python -m worker`. Others import `worker.wire` (the protocol), `worker.endpoint` (a source and
sink of their own) and `worker.records` (the rows that come back), and nothing else of it.
"""

__all__: list[str] = []
