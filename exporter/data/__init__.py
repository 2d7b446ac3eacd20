"""Data sets: real samples for training, for accuracy and for batch norm statistics."""

from pathlib import Path

from exporter.data.arrays import digits, from_npz
from exporter.data.binary import cifar, mnist
from exporter.data.folder import image_folder
from exporter.data.source import Dataset, Source
from exporter.data.synthetic import from_pairs, random_inputs
from exporter.errors import DatasetError, nearest

__all__ = ["DATASETS", "Dataset", "Source", "from_npz", "from_pairs", "open_images", "random_inputs"]

# `random` needs an example input to imitate, so its callers use `random_inputs`.
DATASETS = ("digits", "cifar10", "cifar100", "mnist", "fashionmnist", "imagefolder", "random")


def open_images(name: str, size: int, data_dir: Path | None) -> Dataset:
    """Open a data set of images by name, preprocessed to `size` x `size`.

    Raises:
        DatasetError: the data set is unknown (suggests the nearest), or its files are missing or damaged.
    """
    if name not in DATASETS:
        raise DatasetError(
            f'unknown data set "{name}"{nearest(name, DATASETS)}; choose {", ".join(DATASETS)}'
        )
    if name == "digits":
        return digits(size)
    if data_dir is None:
        raise DatasetError(f"{name}: give --data-dir the folder of its files; edgecut downloads nothing")
    if name in ("cifar10", "cifar100"):
        return cifar(name, size, data_dir)
    if name in ("mnist", "fashionmnist"):
        return mnist(name, size, data_dir)
    return image_folder(size, data_dir)
