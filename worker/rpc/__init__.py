"""Pipelines over PyTorch RPC, for comparison with our own sockets.

PyTorch is imported in a process of its own, `python -m worker.rpc`, one for each pipeline: RPC can be begun
once in a process's life, and a worker that nobody asks for it stays as light as it is.
"""

from worker.rpc.process import RpcPipeline, RpcSetting
from worker.rpc.readiness import check_rpc

__all__ = ["RpcPipeline", "RpcSetting", "check_rpc"]
