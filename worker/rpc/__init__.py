"""Pipelines over PyTorch RPC, for comparison with our own sockets.

A separate process, `python -m worker.rpc`, imports PyTorch, one for each pipeline: RPC starts only once in a
process's life, and a worker without RPC stays light.
"""

from worker.rpc.process import RpcPipeline
from worker.rpc.readiness import check_rpc

__all__ = ["RpcPipeline", "check_rpc"]
