"""The ten built-in models: their inputs and their graphs' cut points. Imports no torch."""

from dataclasses import dataclass

from exporter.errors import ModelError, nearest

__all__ = ["ZOO", "CutCounts", "ZooModel", "find_model"]


@dataclass(frozen=True)
class CutCounts:
    """A graph's nodes, its clean cut points, and its wide cut points of two tensors."""

    nodes: int
    clean: int
    wide_of_two: int


@dataclass(frozen=True)
class ZooModel:
    """A built-in model.

    Attributes:
        input_size: side of its usual input, in pixels.
        least_size: side of its smallest input.
        cuts: the counts under torch 2.13; other counts mean another graph than the one that was studied.
        imagenet: torchvision's name of its ImageNet weights.
        about: its building blocks, in words.
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


def find_model(name: str, input_size: int | None = None) -> ZooModel:
    """Return a built-in model, and check that it takes inputs of this size.

    Raises:
        ModelError: the model is unknown (suggests the nearest), or the size is too small for it.
    """
    if name not in ZOO:
        raise ModelError(
            f'unknown model "{name}"{nearest(name, ZOO)}; the built-in models are {", ".join(ZOO)}'
        )
    model = ZOO[name]
    if input_size is not None and input_size < model.least_size:
        raise ModelError(f"{name}: --input-size {input_size} is too small; give {model.least_size} or more")
    return model
