"""Bundles and models of anybody: they run ONNX Runtime's own operators alone, and reach no other file."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from exporter.bundle import Bundle, RangeError
from exporter.bundle.guard import DOMAINS, check_graph
from exporter.bundle.manifest import digest_of
from exporter.errors import BundleError, ModelError
from exporter.graph.capture import from_file


def pointing_to(location: str) -> onnx.TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return tensor


def model_of(*nodes: onnx.NodeProto, weights: onnx.TensorProto | None = None) -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in "xy"]
    initializers = [weights or numpy_helper.from_array(np.ones(4, np.float32), "w")]
    graph = helper.make_graph(list(nodes), "g", values[:1], values[1:], initializers)
    domains = {node.domain for node in nodes} | {""}
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(domain, 18) for domain in domains])


ADD = helper.make_node("Add", ["x", "w"], ["y"])
FOREIGN = helper.make_node("Steal", ["x", "w"], ["y"], domain="evil.example")


def within_if(node: onnx.NodeProto, weights: onnx.TensorProto | None = None) -> onnx.NodeProto:
    """The node, in a branch of an If."""
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])
    branch = helper.make_graph([node], "branch", [], [out], [weights] if weights else [])
    return helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)


@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "a/../../secret", "link", "", "out/secret"])
@pytest.mark.parametrize("where", ["initializer", "branch", "attribute"])
def test_weights_lie_beside_their_graph(tmp_path: Path, location: str, where: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "link").symlink_to("../secret")
    (folder / "out").symlink_to("..")
    weights = pointing_to(location)
    model = {
        "initializer": lambda: model_of(ADD, weights=weights),
        "branch": lambda: model_of(within_if(ADD, weights)),
        "attribute": lambda: model_of(helper.make_node("Constant", [], ["y"], value=weights)),
    }[where]()
    with pytest.raises(BundleError, match="beside the graph|leads out of") as caught:
        check_graph(model, "m.onnx", folder)
    assert "\n" not in str(caught.value)


def test_weights_in_the_folder_and_own_functions_are_fine(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    check_graph(model_of(ADD, weights=pointing_to("w.bin")), "m.onnx", tmp_path)
    for domain in DOMAINS:
        check_graph(model_of(helper.make_node("Gelu", ["x"], ["y"], domain=domain)), "m.onnx", tmp_path)
    model = model_of(helper.make_node("Twice", ["x"], ["y"], domain="mine"))
    body = helper.make_node("Add", ["a", "a"], ["b"])
    model.functions.append(
        helper.make_function("mine", "Twice", ["a"], ["b"], [body], [helper.make_opsetid("", 18)])
    )
    check_graph(model, "m.onnx", tmp_path)
    model.functions[0].node[0].domain = "evil.example"
    with pytest.raises(BundleError, match="does not ship"):
        check_graph(model, "m.onnx", tmp_path)


@pytest.mark.parametrize("node", [FOREIGN, within_if(FOREIGN), within_if(within_if(FOREIGN))])
def test_no_operator_needs_code_of_others(tmp_path: Path, node: onnx.NodeProto) -> None:
    with pytest.raises(BundleError, match="operator 'Steal' is of domain 'evil.example', which ONNX Runtime"):
        check_graph(model_of(node), "m.onnx", tmp_path)


def test_a_model_file_is_held_to_the_same(tmp_path: Path) -> None:
    path = tmp_path / "model" / "m.onnx"
    path.parent.mkdir()
    (tmp_path / "secret").write_bytes(bytes(16))
    for model, told in (
        (model_of(FOREIGN), "evil.example"),
        (model_of(ADD, weights=pointing_to("../secret")), "out of"),
    ):
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ModelError, match=told):
            from_file(path)


@pytest.fixture
def copy(residual: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(residual.path, tmp_path / "copy"))


def sealed(folder: Path, change: "Callable[[dict[str, object]], object]") -> Path:
    """The bundle with its manifest changed by somebody who knows how digests are made."""
    path = folder / "manifest.json"
    document = json.loads(path.read_bytes())
    change(document)
    for name in document["files"]:
        if (folder / name).is_file():
            content = (folder / name).read_bytes()
            document["files"][name] = {
                "digest": hashlib.sha256(content).hexdigest(),
                "size_bytes": len(content),
            }
    path.write_text(json.dumps(document | {"digest": digest_of(document)}))
    return folder


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda told: told["files"].update({"../../etc/passwd": told["files"]["weights.bin"]}),
            "names a file",
        ),
        (lambda told: told["files"].update({"/etc/passwd": told["files"]["weights.bin"]}), "names a file"),
        (lambda told: told["cut_points"].pop(), "cut points are not 1 to"),
        (lambda told: told["nodes"].pop(), "nodes, but its node_count is"),
        (lambda told: told.update(node_count=10**9), "nodes, but its node_count is"),
        (lambda told: told.update(inputs=[]), "no inputs"),
        (lambda told: told.update(batch=0), "its batch is 0"),
        (lambda told: told["inputs"][0].update(dtype="object"), "impossible type or shape"),
        (lambda told: told["inputs"][0].update(shape=["batch", -1]), "impossible type or shape"),
        (lambda told: told["inputs"][0].update(shape=["batch", "channels"]), "impossible type or shape"),
        (lambda told: told["outputs"][0].update(shape=[2] * 17), "impossible type or shape"),
    ],
)
def test_a_manifest_that_does_not_hold_together(
    copy: Path, change: "Callable[[dict[str, object]], object]", told: str
) -> None:
    with pytest.raises(BundleError, match=told) as caught:
        Bundle.open(sealed(copy, change), check="manifest")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["weights.bin", "manifest.json", "shards.zip"])
def test_a_file_that_is_a_link_out_of_the_bundle(copy: Path, name: str) -> None:
    moved = copy.parent / "elsewhere"
    (copy / name).rename(moved)
    (copy / name).symlink_to(moved)
    with pytest.raises(BundleError, match="leads out of"):
        Bundle.open(copy)


def test_a_shard_of_a_sealed_bundle_is_looked_into(copy: Path) -> None:
    graph = model_of(FOREIGN).SerializeToString()
    with zipfile.ZipFile(copy / "shards.zip", "w") as archive:
        archive.writestr("0-3.onnx", graph)
        archive.writestr("0-4.onnx", b"\xff" * 100)

    def change(told: "dict[str, dict[str, str]]") -> None:
        told["shards"]["0-3"] = hashlib.sha256(graph).hexdigest()
        told["shards"]["0-4"] = hashlib.sha256(b"\xff" * 100).hexdigest()

    bundle = Bundle.open(sealed(copy, change))  # type: ignore[arg-type]
    with pytest.raises(BundleError, match="shards.zip: 0-3.onnx: operator 'Steal'"):
        bundle.shard(0, 3)
    with pytest.raises(BundleError, match="shards.zip: 0-4.onnx: cannot be read"):
        bundle.shard(0, 4)


def test_a_graph_that_is_not_its_manifests(copy: Path) -> None:
    (copy / "model.onnx").write_bytes(model_of(ADD).SerializeToString())
    bundle = Bundle.open(sealed(copy, lambda told: None))
    with pytest.raises(BundleError, match="not the graph that the manifest describes"):
        bundle.shard(1, 3)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04" + bytes(60), b"\x93NUMPY\x01\0" + bytes(300)])
def test_samples_that_cannot_be_read(copy: Path, damage: bytes) -> None:
    (copy / "samples.npz").write_bytes(damage)
    with pytest.raises(BundleError, match=r"samples.npz: cannot be read"):
        Bundle.open(copy, check="manifest").samples()


def test_cuts_that_are_no_numbers(residual: Bundle) -> None:
    from exporter.split_argument import parse_cuts

    for text in ("--1", "1" * 5000, "-", "", "²"):
        with pytest.raises(RangeError):
            parse_cuts(residual, text)
