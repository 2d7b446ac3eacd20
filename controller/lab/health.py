"""The health check: a real inference on a device, with a known answer."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from controller.console import plain_table, show_json, show_table
from controller.errors import DeviceError, one_line
from controller.lab.inventory import Device, Lab
from controller.lab.upload import supply_graph
from controller.lab.worker_client import ClaimedWorker, query
from controller.lab.worker_pool import holder_name
from worker.wire.messages import Infer, ShardRef, TensorSpec
from worker.wire.security import Security

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


@dataclass
class _Status:
    """What a device answers; None and 0 where it does not.

    Attributes:
        holder: The controller that holds it, for `held_s` seconds.
        problem: Why it is of no use now.
    """

    device: str
    kind: str
    host: str
    control_port: int
    data_port: int
    shaping: str
    slowdown: float | None = None
    provider: str | None = None
    holder: str | None = None
    held_s: float = 0.0
    denied: int = 0
    infers: bool | None = None
    problem: str | None = None

    def in_words(self) -> str:
        """The last column of the table."""
        if self.problem is not None:
            return self.problem
        held = f"held by {one_line(self.holder)} for {self.held_s:.0f} s" if self.holder else "idle"
        state = "inference correct" if self.infers else held
        return f"{state}; {self.denied} connections denied" if self.denied else state


def show_status(lab: Lab, names: Sequence[str], *, infer: bool, as_json: bool = False) -> bool:
    """Print a table of these devices, or a JSON list; `infer` also runs a real inference on each.

    Returns:
        Whether every device answers (and computes correctly).

    Raises:
        LabError: A device is unknown, or the lab's key cannot be read.
    """
    security = lab.load_security()
    states = [_status_of(lab.device(name), security, infer=infer) for name in names]
    if as_json:
        show_json([asdict(state) for state in states])
        return all(state.problem is None for state in states)
    table = plain_table(
        f"lab {lab.name}", "kind", "control", "data", "slowdown", "provider", "links", "state"
    )
    for state in states:
        table.add_row(
            state.device,
            state.kind,
            f"{state.host}:{state.control_port}",
            f"{state.data_port}",
            "" if state.slowdown is None else f"{state.slowdown:g}",
            state.provider or "",
            state.shaping,
            state.in_words(),
        )
    show_table(table)
    return all(state.problem is None for state in states)


def _status_of(device: Device, security: Security, *, infer: bool) -> _Status:
    state = _Status(
        device.name, device.kind, device.host, device.control_port, device.data_port, device.shaping
    )
    try:
        info = query(device, security)
        state.slowdown, state.provider, state.denied = info.slowdown, info.provider, info.denied
        if info.holder:
            state.holder, state.held_s = info.holder, info.held_s or 0.0
        if infer:
            with ClaimedWorker.claim(device, security, holder_name()) as worker:
                infer_once(worker)
            state.infers = True
    except DeviceError as error:
        state.problem = str(error).removeprefix(f"{device.name}: ")
    return state
