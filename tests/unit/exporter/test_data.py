"""Data sets, from files as they are published, made small."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from exporter.data import from_npz, from_pairs, open_images, random_inputs
from exporter.errors import DatasetError


def _take(source: object, count: int) -> torch.Tensor:
    taken: torch.Tensor = source.take(np.arange(count))[0]  # type: ignore[attr-defined]
    return taken


def test_digits_are_there_without_a_download_and_never_mix() -> None:
    data = open_images("digits", 32, None)
    assert data.train is not None and data.train.labels is not None and data.held_out.labels is not None
    assert (len(data.train), len(data.held_out), data.class_count) == (1438, 359, 10)
    assert set(data.held_out.labels) == set(range(10))
    images = _take(data.held_out, 300)
    assert images.shape == (300, 3, 32, 32)
    assert abs(float(images.mean())) < 0.05
    assert abs(float(images.std()) - 1) < 0.2
    seen = {image.numpy().tobytes() for image in _take(data.train, 1438)}
    assert not any(image.numpy().tobytes() in seen for image in images)
    for stated in ("8x8", "32x32", "0.305", "0.376"):
        assert stated in data.preprocessing


@pytest.mark.parametrize(("name", "classes", "folder"), [
    ("cifar10", 10, "cifar-10-batches-bin"), ("cifar100", 100, "cifar-100-binary"),
])  # fmt: skip
def test_cifar_from_its_binary_files(tmp_path: Path, name: str, classes: int, folder: str) -> None:
    (tmp_path / folder).mkdir()
    files = ["train.bin", "test.bin"]
    if name == "cifar10":
        files = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    for number, file in enumerate(files):
        rows = np.full((4, 3072), 255, np.uint8)
        rows[:, :1024] = 0  # red first
        marks = np.full((4, 1), number, np.uint8)
        coarse = np.full((4, 1), 19, np.uint8) if name == "cifar100" else np.empty((4, 0), np.uint8)
        np.concatenate([coarse, marks, rows], axis=1).tofile(tmp_path / folder / file)
    data = open_images(name, 32, tmp_path)
    assert data.train is not None
    assert (len(data.train), len(data.held_out)) == (4 * (len(files) - 1), 4)
    assert data.class_count == classes
    assert data.held_out.labels is not None
    assert set(data.held_out.labels) == {len(files) - 1}  # the fine label of CIFAR-100
    image = _take(data.held_out, 1)[0]
    assert (image[0] < 0).all()
    assert (image[1:] > 0).all()


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_from_its_idx_files(tmp_path: Path, packed: bool) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix, count in (("train", 6), ("t10k", 3)):
        pixels = np.arange(count * 784, dtype=np.uint8)
        images = struct.pack(">IIII", 0x803, count, 28, 28) + pixels.tobytes()
        labels = struct.pack(">II", 0x801, count) + bytes(range(count))
        for kind, content in (("images-idx3", images), ("labels-idx1", labels)):
            path = raw / f"{prefix}-{kind}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content) if packed else content)
    data = open_images("fashionmnist", 28, tmp_path)
    assert data.train is not None and len(data.train) == 6
    assert list(data.held_out.labels if data.held_out.labels is not None else []) == [0, 1, 2]
    image = _take(data.held_out, 1)[0]
    assert image.shape == (3, 28, 28)
    assert torch.allclose(
        image[0] * 0.3530 + 0.2860, torch.arange(784).reshape(28, 28) % 256 / 255, atol=1e-5
    )


def test_an_image_folder_with_and_without_a_part_held_out(tmp_path: Path) -> None:
    for part in ("train", "val"):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(5):
                grey = Image.new("L", (50, 40), 250 * label)
                grey.save(tmp_path / part / name / f"{number}.png")
    data = open_images("imagefolder", 24, tmp_path)
    assert data.train is not None
    assert (len(data.train), len(data.held_out), data.class_count) == (10, 10, 2)
    taken, labels = _take(data.held_out, 10), data.held_out.labels
    assert labels is not None
    assert taken.shape == (10, 3, 24, 24)
    assert (taken[labels == 1].mean() > 0) and (taken[labels == 0].mean() < 0)
    alone = open_images("imagefolder", 24, tmp_path / "val")
    assert alone.train is not None
    assert (len(alone.train), len(alone.held_out)) == (8, 2)


def test_arrays_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, inputs=np.full((10, 5, 5, 1), 255, np.uint8), labels=np.arange(10))
    data = from_npz(path, 8)
    assert data.train is not None
    assert (len(data.train), len(data.held_out)) == (8, 2)
    assert torch.equal(_take(data.held_out, 2), torch.ones(2, 3, 8, 8))
    np.savez(path, inputs=np.ones((10, 7), np.float32))
    floats = from_npz(path, 8)
    assert floats.held_out.labels is None
    assert _take(floats.held_out, 2).shape == (2, 7)


def test_random_inputs_look_like_the_example_and_come_again() -> None:
    example = (torch.zeros(1, 3), torch.tensor([[7, 9]]))
    first, again = (random_inputs(example, 3).held_out.take(np.arange(50)) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0][0], first[0][1])
    assert first[1].dtype == torch.int64
    assert set(first[1].flatten().tolist()) == {7, 9}


def test_pairs_of_a_function_as_tuple_and_dict() -> None:
    pairs = [((torch.ones(2), torch.zeros(3)), 1), ({"b": torch.zeros(3), "a": torch.ones(2)}, 0)]
    data = from_pairs(pairs, ["a", "b"], 8, "own")
    taken = data.held_out.take(np.arange(2))
    assert [tuple(tensor.shape) for tensor in taken] == [(2, 2), (2, 3)]
    assert list(data.held_out.labels if data.held_out.labels is not None else []) == [1, 0]
    for wrong in ([torch.ones(2)], [((torch.ones(2),), 1)], [], [(torch.ones(2), 0), (torch.ones(3), 0)]):
        with pytest.raises(DatasetError, match="own"):
            from_pairs(wrong, ["a", "b"] if len(wrong) != 2 else ["a"], 8, "own")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cifar", 'did you mean "cifar10"'),
        ("cifar10", r"cifar-10-batches-bin/data_batch_1.bin: no such file; .*binary version.*--data-dir"),
        ("cifar100", r"cifar-100-binary/train.bin: no such file"),
        ("mnist", r"MNIST/raw/train-images-idx3-ubyte: no such file"),
        ("imagefolder", "no images in its sub-folders"),
    ],
)
def test_a_data_set_that_is_not_there_says_where_it_should_be(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        open_images(name, 32, tmp_path)


def test_files_are_needed_and_never_fetched() -> None:
    with pytest.raises(DatasetError, match="give --data-dir"):
        open_images("mnist", 32, None)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(b"123")
    with pytest.raises(DatasetError, match="no whole number of CIFAR images"):
        open_images("cifar10", 32, tmp_path)
    images = tmp_path / "train-images-idx3-ubyte"
    images.write_bytes(struct.pack(">IIII", 0x803, 2, 28, 28) + b"short")
    with pytest.raises(DatasetError, match="cut short"):
        open_images("mnist", 32, tmp_path)
    images.write_bytes(b"something else entirely")
    with pytest.raises(DatasetError, match="not an IDX file"):
        open_images("mnist", 32, tmp_path)
    (tmp_path / "f" / "a").mkdir(parents=True)
    (tmp_path / "f" / "a" / "x.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"x\.png: not a readable image"):
        _take(open_images("imagefolder", 8, tmp_path / "f").held_out, 1)


@pytest.mark.parametrize(
    "arrays",
    [
        {"labels": np.arange(3)},
        {"inputs": np.zeros((3, 4), np.float32), "labels": np.arange(2)},
        {"inputs": np.zeros((3, 4), np.float32), "labels": np.array([0.5, 1, 2])},
        {"inputs": np.zeros((3, 4, 4, 7), np.uint8)},
        {"inputs": np.array([{}, {}, {}])},
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict[str, Any]) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, **arrays)
    with pytest.raises(DatasetError, match=r"own\.npz"):
        from_npz(path, 8)
