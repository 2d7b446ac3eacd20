"""The experiments that come with edgecut: each is planned, with small bundles in place of its models."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from controller.cli.app import main
from controller.experiment.schema import load_experiment

EXPERIMENTS = Path(__file__).parents[4] / "ansible" / "experiments"
READY = sorted(path.stem for path in EXPERIMENTS.glob("*.yml"))
BLOCKS = {"demo": 18}
"""As many as MobileNetV2's features, some of which the demo names; others need cuts for six stages."""


def export_chain(folder: Path, blocks: int) -> Path:
    """Write a bundle of MatMul -> Relu blocks, with a clean cut after each."""
    from exporter.export import ExportSettings, export  # noqa: PLC0415

    folder.mkdir()
    nodes, weights, name = [], [], "x"
    for i in range(blocks):
        out = "y" if i == blocks - 1 else f"r{i}"
        nodes.append(helper.make_node("MatMul", [name, f"w{i}"], [f"m{i}"], name=f"features.{i}/matmul"))
        nodes.append(helper.make_node("Relu", [f"m{i}"], [out], name=f"features.{i}/relu"))
        values = np.random.default_rng(i).standard_normal((8, 8)).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"w{i}"))
        name = out
    ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, ["batch", 8]) for end in ("x", "y")]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], weights)
    onnx.save(
        helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]),
        folder / "chain.onnx",
    )
    export(ExportSettings(model=str(folder / "chain.onnx"), out=folder / "chain", dataset="random"), print)
    return folder / "chain"


def write_lab(path: Path, count: int) -> Path:
    """Write a lab whose devices need not run: a dry run reads only their slowdown."""
    devices = [
        {"name": f"d{i}", "kind": "local", "host": "127.0.0.1", "control_port": 1 + 2 * i}
        | {"data_port": 2 + 2 * i, "shaping": "emulated"}
        for i in range(count)
    ]
    path.write_text(json.dumps({"name": "paper", "devices": devices}))
    return path


def test_what_was_published_is_there() -> None:
    assert {"paretopipe", "pi-cluster", "chain-1-to-6", "rpc-vs-socket", "demo"} <= set(READY)


@pytest.mark.parametrize("name", READY)
def test_a_ready_experiment_can_be_planned(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = EXPERIMENTS / f"{name}.yml"
    experiment = load_experiment(path)
    chain = export_chain(tmp_path / "export", BLOCKS.get(name, 7))
    capsys.readouterr()
    for model in experiment.models:
        shutil.copytree(chain, tmp_path / "bundles" / model)
    lab = write_lab(tmp_path / "lab.json", max(experiment.stages or [2]))

    bundles = str(tmp_path / "bundles")
    options = ["--bundles", bundles, "--results", str(tmp_path / "results.sqlite"), "--dry-run", "--json"]
    code = main(["sweep", str(path), "--lab", str(lab), *options])

    out, err = capsys.readouterr()
    assert code == 0, err
    plan = json.loads(out)
    assert plan["networks"] == list(experiment.network_names())
    assert all(part["cells"] > 0 and part["estimated_s"] > 0 for part in plan["by_network"])
    assert not list(tmp_path.glob("results*"))
