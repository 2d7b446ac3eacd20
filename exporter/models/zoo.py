"""The ten models of the field: what they take, and where their graphs can be cut. Imports no torch."""

from dataclasses import dataclass

__all__ = ["ZOO", "CutCounts", "ZooModel"]


@dataclass(frozen=True)
class CutCounts:
    """Nodes of a graph, its clean cut points, and its wide ones that two tensors cross."""

    nodes: int
    clean: int
    wide_of_two: int


@dataclass(frozen=True)
class ZooModel:
    """A model of the zoo.

    Attributes:
        input_size: side of its usual input, in pixels.
        least_size: side of the smallest input that it takes.
        cuts: what torch 2.13 exports; other numbers mean another graph than the one that was studied.
        imagenet: torchvision's name of its ImageNet weights.
        about: what it is made of.
    """

    input_size: int
    least_size: int
    cuts: CutCounts
    imagenet: str
    about: str


_V1, _V2 = "IMAGENET1K_V1", "IMAGENET1K_V2"

ZOO: dict[str, ZooModel] = {
    "mobilenet_v2": ZooModel(224, 32, CutCounts(100, 49, 50), _V1, "inverted residuals"),
    "mobilenet_v3_small": ZooModel(224, 32, CutCounts(122, 41, 55), _V1, "inverted residuals, excitation"),
    "squeezenet1_1": ZooModel(224, 32, CutCounts(65, 32, 32), _V1, "fire modules"),
    "shufflenet_v2_x0_5": ZooModel(224, 32, CutCounts(173, 70, 102), _V1, "channel shuffle"),
    "efficientnet_b0": ZooModel(224, 32, CutCounts(239, 55, 104), _V1, "inverted residuals, excitation"),
    "alexnet": ZooModel(224, 64, CutCounts(20, 19, 0), _V1, "a plain chain"),
    "resnet18": ZooModel(224, 32, CutCounts(49, 21, 27), _V1, "residual blocks"),
    "resnet50": ZooModel(224, 32, CutCounts(122, 37, 84), _V2, "bottleneck residual blocks"),
    "vgg16": ZooModel(224, 32, CutCounts(38, 37, 0), _V1, "a plain chain, large"),
    "inception_v3": ZooModel(299, 75, CutCounts(219, 25, 24), _V1, "parallel branches"),
}
