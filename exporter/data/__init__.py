"""Data sets: real samples to fit on, to measure with, and to take batch norm statistics from."""

from pathlib import Path

from exporter.data.arrays import from_npz
from exporter.data.binary import cifar, mnist
from exporter.data.digits import digits
from exporter.data.folder import image_folder
from exporter.data.source import Dataset, Source
from exporter.data.synthetic import from_pairs, random_inputs
from exporter.errors import DatasetError, nearest

__all__ = ["DATASETS", "Dataset", "Source", "from_npz", "from_pairs", "open_images", "random_inputs"]

# `random` needs an example to imitate and is made by whoever has one.
DATASETS = ("digits", "cifar10", "cifar100", "mnist", "fashionmnist", "imagefolder", "random")


def open_images(name: str, size: int, data_dir: Path | None) -> Dataset:
    """Open a data set of images by name, preprocessed to `size` x `size`.

    Raises:
        DatasetError: no such data set (suggests the nearest), or its files are not where they should be.
    """
    if name not in DATASETS:
        raise DatasetError(f'no data set "{name}"{nearest(name, DATASETS)}; there are {", ".join(DATASETS)}')
    if name == "digits":
        return digits(size)
    if data_dir is None:
        raise DatasetError(f"{name}: give --data-dir the folder with its files; nothing is downloaded")
    if name in ("cifar10", "cifar100"):
        return cifar(name, size, data_dir)
    if name in ("mnist", "fashionmnist"):
        return mnist(name, size, data_dir)
    return image_folder(size, data_dir)
