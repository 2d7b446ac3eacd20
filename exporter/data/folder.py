"""A folder of images, one sub-folder per class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from exporter.bundle.tensors import Array
from exporter.data.source import IMAGENET_MEAN, IMAGENET_STD, Dataset, Recipe, Source, split_in_two
from exporter.errors import DatasetError

__all__ = ["image_folder"]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff"}
# Resize of the shorter side before the centre crop: the usual ImageNet evaluation, 256 for 224.
_RESIZE_SHARE = 256 / 224


def image_folder(size: int, data_dir: Path) -> Dataset:
    """Return the images of ``DIR/CLASS/*``, or of ``DIR/train/CLASS/*`` and ``DIR/val/CLASS/*``.

    Without a train and a val (or test) folder, a fifth of the images is held out.

    Raises:
        DatasetError: the folder, its classes or its images are missing, or the classes differ.
    """
    recipe = Recipe(size, IMAGENET_MEAN, IMAGENET_STD)
    words = recipe.describe(
        f"shorter side to {round(size * _RESIZE_SHARE)}, centre {size}x{size}, "
        "RGB pixels of 0 to 255, divided by 255"
    )

    def source(paths: Sequence[Path], labels: Array) -> Source:
        def take(indices: Array) -> tuple[torch.Tensor, ...]:
            images = np.stack([_centre(paths[index], size) for index in indices.tolist()])
            return (recipe.apply(torch.from_numpy(images).permute(0, 3, 1, 2) / 255.0),)

        return Source(len(paths), take, labels)

    held_out_dir = next((data_dir / name for name in ("val", "test") if (data_dir / name).is_dir()), None)
    if (data_dir / "train").is_dir() and held_out_dir is not None:
        names, paths, labels = _listing(data_dir / "train")
        held_names, held_paths, held_labels = _listing(held_out_dir)
        if held_names != names:
            raise DatasetError(f"{held_out_dir}: its class folders differ from those of {data_dir / 'train'}")
        train, held_out = source(paths, labels), source(held_paths, held_labels)
    else:
        names, paths, labels = _listing(data_dir)
        train, held_out = (
            source([paths[i] for i in part], labels[part]) for part in split_in_two(len(paths))
        )
    return Dataset("imagefolder", words, len(names), train, held_out)


def _listing(folder: Path) -> tuple[list[str], list[Path], Array]:
    if not folder.is_dir():
        raise DatasetError(
            f"{folder}: no such folder; give --data-dir a folder with one sub-folder per class"
        )
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        images = sorted(path for path in (folder / name).rglob("*") if path.suffix.lower() in _SUFFIXES)
        paths += images
        labels += [label] * len(images)
    if not paths:
        raise DatasetError(f"{folder}: no images in its sub-folders; make one sub-folder per class")
    return names, paths, np.asarray(labels, dtype=np.int64)


def _centre(path: Path, size: int) -> Array:
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise DatasetError(f"{path}: not a readable image ({error})") from None
    scale = round(size * _RESIZE_SHARE) / min(image.size)
    image = image.resize((max(size, round(image.width * scale)), max(size, round(image.height * scale))))
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return np.asarray(image.crop((left, top, left + size, top + size)), dtype=np.float32)
