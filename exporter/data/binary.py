"""CIFAR and MNIST from the user's copies of their published binary files.

edgecut downloads nothing and unpickles nothing, so it reads CIFAR's binary version, not its Python version.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np

from exporter.bundle.tensors import Array
from exporter.data.source import Dataset, Recipe, Source, image_source
from exporter.errors import DatasetError

__all__ = ["cifar", "mnist"]

# Means and standard deviations of the training images, as is usual for these data sets.
_CIFAR = {
    "cifar10": (10, "cifar-10-batches-bin", (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": (100, "cifar-100-binary", (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}
_MNIST = {"mnist": ("MNIST", 0.1307, 0.3081), "fashionmnist": ("FashionMNIST", 0.2860, 0.3530)}
_CIFAR_PIXELS = 3 * 32 * 32


def cifar(name: str, size: int, data_dir: Path) -> Dataset:
    """Return CIFAR-10 or CIFAR-100 from its binary version (rows of labels and 3,072 bytes of pixels).

    Raises:
        DatasetError: its files are missing from `data_dir` or have an unexpected size.
    """
    classes, folder, mean, std = _CIFAR[name]
    recipe = Recipe(size, mean, std)
    if name == "cifar10":
        training = [f"data_batch_{number}.bin" for number in range(1, 6)]
        test, label_bytes = "test_batch.bin", 1
    else:
        training, test, label_bytes = ["train.bin"], "test.bin", 2

    def part(files: list[str]) -> Source:
        rows = np.concatenate([_cifar_rows(data_dir, folder, file, label_bytes) for file in files])
        pixels = rows[:, label_bytes:].reshape(-1, 3, 32, 32)
        return image_source(pixels, rows[:, label_bytes - 1].astype(np.int64), 255.0, recipe)

    words = recipe.describe("32x32 RGB pixels of 0 to 255, divided by 255")
    return Dataset(name, words, classes, part(training), part([test]))


def mnist(name: str, size: int, data_dir: Path) -> Dataset:
    """Return MNIST or Fashion-MNIST from its IDX files, compressed or not.

    Raises:
        DatasetError: its files are missing from `data_dir` or damaged.
    """
    folder, mean, std = _MNIST[name]
    recipe = Recipe(size, (mean,) * 3, (std,) * 3)

    def part(prefix: str) -> Source:
        images = _idx(data_dir, folder, f"{prefix}-images-idx3-ubyte", 3)
        labels = _idx(data_dir, folder, f"{prefix}-labels-idx1-ubyte", 1)
        if len(images) != len(labels):
            raise DatasetError(f"{name}: {prefix} has {len(images)} images and {len(labels)} labels")
        return image_source(images, labels.astype(np.int64), 255.0, recipe)

    words = recipe.describe("28x28 grey pixels of 0 to 255, divided by 255")
    return Dataset(name, words, 10, part("train"), part("t10k"))


def _cifar_rows(data_dir: Path, folder: str, file: str, label_bytes: int) -> Array:
    path = _first_of(data_dir / folder / file, data_dir / file)
    if path is None:
        raise DatasetError(
            f"{data_dir / folder / file}: no such file; get CIFAR's binary version (the Python version is "
            f"pickled), unpack it and give --data-dir the folder that holds {folder}"
        )
    content = np.fromfile(path, dtype=np.uint8)
    if not len(content) or len(content) % (_CIFAR_PIXELS + label_bytes):
        raise DatasetError(
            f"{path}: {len(content)} bytes are no whole number of CIFAR images; unpack the archive again"
        )
    return content.reshape(-1, _CIFAR_PIXELS + label_bytes)


def _idx(data_dir: Path, folder: str, file: str, dimensions: int) -> Array:
    places = [data_dir / folder / "raw", data_dir / folder, data_dir]
    path = _first_of(*(place / (file + end) for place in places for end in ("", ".gz")))
    if path is None:
        raise DatasetError(
            f"{data_dir / folder / 'raw' / file}: no such file, with or without .gz; give --data-dir the "
            f"folder that holds {folder}/raw with the four published files"
        )
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: cannot be read ({error})") from None
    header = np.frombuffer(content[: 4 + 4 * dimensions], dtype=">u4")
    if len(header) != 1 + dimensions or header[0] != 0x0800 + dimensions:
        raise DatasetError(f"{path}: not an IDX file of bytes in {dimensions} dimensions")
    shape = tuple(int(each) for each in header[1:])
    pixels = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions)
    if len(pixels) != int(np.prod(shape)):
        raise DatasetError(
            f"{path}: cut short, {len(pixels)} of {int(np.prod(shape))} bytes; download the file again"
        )
    return pixels.reshape(shape)


def _first_of(*paths: Path) -> Path | None:
    return next((path for path in paths if path.is_file()), None)
