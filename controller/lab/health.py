"""The health check: a real inference on a device, with an answer known beforehand."""

import hashlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from controller.errors import DeviceError
from controller.lab.upload import supply_graph
from controller.lab.worker_client import ClaimedWorker
from worker.wire.messages import Infer, ShardRef, TensorSpec

__all__ = ["infer_once"]

_SIZE = 16


def infer_once(worker: ClaimedWorker) -> None:
    """Run a small graph with its weights inside on the worker, and check what comes back.

    Raises:
        DeviceError: It cannot be run there, or the answer is wrong.
    """
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((_SIZE, _SIZE)).astype(np.float32)
    given = rng.standard_normal((1, _SIZE)).astype(np.float32)
    graph = _graph(weight)
    digest = hashlib.sha256(graph).hexdigest()
    supply_graph(worker, digest, graph)
    request = Infer(
        shard=ShardRef(digest=digest, bundle="", start=0, stop=2),
        inputs=(TensorSpec(name="x", dtype="float32", shape=given.shape),),
        data=(given.tobytes(),),
    )
    with worker.blame() as connection:
        found = np.frombuffer(connection.ask(request, timeout_s=60.0).data[0], np.float32)
    right = np.maximum(given @ weight, 0).ravel()
    if found.shape != right.shape or not np.allclose(found, right, rtol=1e-4, atol=1e-5):
        raise DeviceError(worker.name, "computes wrong answers; check its ONNX Runtime and its memory")


def _graph(weight: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> bytes:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Relu", ["y"], ["z"])]
    graph = helper.make_graph(
        nodes,
        "health",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, _SIZE])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, _SIZE])],
        [numpy_helper.from_array(weight, "w")],
    )
    opset = helper.make_opsetid("", 18)
    model: onnx.ModelProto = helper.make_model(graph, ir_version=10, opset_imports=[opset])
    return bytes(model.SerializeToString(deterministic=True))
