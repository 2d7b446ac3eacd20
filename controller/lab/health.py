"""The health check: a real inference on a device, with a known answer."""

import hashlib
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from controller.console import plain_table, show_table
from controller.errors import DeviceError, one_line
from controller.lab.inventory import Lab
from controller.lab.upload import supply_graph
from controller.lab.worker_client import ClaimedWorker, query
from controller.lab.worker_pool import holder_name
from worker.wire.messages import Infer, ShardRef, TensorSpec

__all__ = ["infer_once", "show_status"]

_SIZE = 16


def infer_once(worker: ClaimedWorker) -> None:
    """Run a small graph with its weights inside on the worker, and check its answer.

    Raises:
        DeviceError: The worker cannot run it, or the answer is wrong.
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
    answer = worker.ask(request, timeout_s=60.0).data[0]
    right = np.maximum(given @ weight, 0).ravel()
    if len(answer) != right.nbytes or not np.allclose(
        np.frombuffer(answer, np.float32), right, rtol=1e-4, atol=1e-5
    ):
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


def show_status(lab: Lab, names: Sequence[str], *, infer: bool) -> bool:
    """Print a table of these devices; `infer` also runs a real inference on each.

    Returns:
        Whether every device answers (and computes correctly).

    Raises:
        LabError: A device is unknown, or the lab's key cannot be read.
    """
    table = plain_table(
        f"lab {lab.name}", "kind", "control", "data", "slowdown", "provider", "links", "state"
    )
    well = True
    security = lab.load_security()
    for device in [lab.device(name) for name in names]:
        slowdown, provider, state = "", "", ""
        try:
            info = query(device, security)
            slowdown, provider = f"{info.slowdown:g}", info.provider
            state = f"held by {one_line(info.holder)} for {info.held_s:.0f} s" if info.holder else "idle"
            if infer:
                with ClaimedWorker.claim(device, security, holder_name()) as worker:
                    infer_once(worker)
                state = "inference correct"
            if info.denied:
                state += f"; {info.denied} connections denied"
        except DeviceError as error:
            well = False
            state = str(error).removeprefix(f"{device.name}: ")
        table.add_row(
            device.name,
            device.kind,
            f"{device.host}:{device.control_port}",
            f"{device.data_port}",
            slowdown,
            provider,
            device.shaping,
            state,
        )
    show_table(table)
    return well
