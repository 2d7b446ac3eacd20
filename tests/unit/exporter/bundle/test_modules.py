"""Blocks of a model, by the paths of its modules alone, and the names of cuts."""

import pytest

from exporter.bundle.modules import ModuleTree
from exporter.errors import RangeError


@pytest.mark.parametrize(
    ("paths", "blocks"),
    [
        # torchvision's names, one line a kind of nesting
        (["features.7.conv.0.0", "features.7.conv.1"], ["features.7", "features.7"]),
        (["features.0.0", "features.0.1"], ["features.0", "features.0"]),
        (["conv1", "layer1.0.conv1", "layer1.0.downsample.0"], ["conv1", "layer1.0", "layer1.0"]),
        (["Mixed_5b.branch1x1.conv", "Mixed_5c.branch3x3dbl_1.conv"], ["Mixed_5b", "Mixed_5c"]),
        (["stage2.1.branch2.3", "stage2.1.branch2.0"], ["stage2.1", "stage2.1"]),
        (["encoder.layers.encoder_layer_3.mlp.0"], ["encoder.layers.encoder_layer_3"]),
        (["features.1.0.attn.qkv", "features.2.reduction"], ["features.1.0", "features.2"]),
        (["trunk_output.block1.block1-0.f.a.0"], ["trunk_output.block1.block1-0"]),
        (["features.denseblock1.denselayer2.conv1"], ["features.denseblock1.denselayer2"]),
        # others'
        (["encoder.layer.3.attention.self.query"], ["encoder.layer.3"]),
        (["stage1.block0.conv", "stage1.block0"], ["stage1.block0", "stage1.block0"]),
        (["h.0.attn.c_attn", "h.0", "h.1.ln_1"], ["h.0", "h.0", "h.1"]),
        # without lists
        (["stem.conv", "body.conv", "body.norm", "head"], ["stem", "body", "body", "head"]),
        (["net.first.a", "net.second.a", "net.second.b"], ["net.first", "net.second", "net.second"]),
        (["relu", "add_25"], ["relu", "add_25"]),
    ],
)
def test_the_block_of_each_node(paths: list[str], blocks: list[str]) -> None:
    assert list(ModuleTree(paths).blocks) == blocks


def test_a_cut_is_called_by_the_block_that_it_ends_or_the_module_that_it_falls_in() -> None:
    tree = ModuleTree(["features.1.conv.0", "features.1.conv.1", "features.2.conv.0"])
    assert [tree.label(index) for index in range(4)] == ["input", "features.1.conv.0", "features.1", "output"]


def test_a_cut_after_the_last_layer_of_a_named_block_is_called_by_the_block() -> None:
    paths = [f"features.denseblock{i}.denselayer{j}.conv1" for i in (1, 2) for j in (1, 2)]
    tree = ModuleTree([paths[0], paths[1], "features.transition1.pool", paths[2], paths[3]])
    assert tree.label(1) == "features.denseblock1.denselayer1"
    assert tree.label(2) == "features.denseblock1"
    assert tree.label(3) == "features.transition1"


@pytest.mark.parametrize(
    ("pattern", "cuts"),
    [
        ("h.*", (3, 5)),
        ("h.?.mlp", (3, 5)),
        ("**.mlp", (3, 5)),
        ("h.0.**", (2, 3)),
        ("Block", (3, 5)),
        ("*Linear", (2, 3, 5)),
        ("h", (5,)),
    ],
)
def test_cuts_after_each_module_of_a_kind(pattern: str, cuts: tuple[int, ...]) -> None:
    tree = ModuleTree(["embed", "h.0.attn", "h.0.mlp", "h.1.attn", "h.1.mlp", "head"])
    types = {"h.0": "Block", "h.1": "Block", "h.0.attn": "MyLinear", "h.0.mlp": "Linear", "h.1.mlp": "Linear"}
    assert tree.cuts_after_each(pattern, types) == cuts


def test_a_pattern_that_matches_no_module_names_the_nearest() -> None:
    tree = ModuleTree(["embed", "h.0", "head"])
    with pytest.raises(RangeError, match=r'path or class matches "Blok".*"Block"'):
        tree.cuts_after_each("Blok", {"h.0": "Block"})
    # The model ends with it, and its end is measured anyway.
    with pytest.raises(RangeError, match="no cut after"):
        tree.cuts_after_each("head", {})


def test_a_module_path_is_the_cut_after_its_last_node() -> None:
    tree = ModuleTree([f"features.{i}.conv.{j}" for i in (1, 10) for j in (0, 1)])
    assert tree.cut_after("features.1") == 2
    assert tree.cut_after("features.1.conv.0") == 1
    assert tree.cut_after("features.10") == 4
    with pytest.raises(RangeError, match=r'no module "featurs.10" .*did you mean "features.10"'):
        tree.cut_after("featurs.10")
    with pytest.raises(RangeError, match="no module"):
        tree.cut_after("")
