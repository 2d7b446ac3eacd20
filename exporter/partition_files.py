"""`split`: write a split's partitions as ordinary .onnx files, for any runtime."""

import json
from collections.abc import Sequence
from pathlib import Path

import onnx

from exporter.bundle import Bundle, Shard
from exporter.bundle.chain import partitions
from exporter.bundle.write import folder_in_one_piece
from exporter.errors import OutputError

__all__ = ["LISTING", "split"]

LISTING = "partitions.json"

# Protobuf's own limit of 2 GiB, less room for the graph.
_INSIDE_BELOW_BYTES = (1 << 31) - (1 << 24)


def split(bundle: Bundle, cuts: Sequence[int], out: Path, *, self_contained: bool, force: bool) -> list[Path]:
    """Write one ``.onnx`` file per partition, and ``partitions.json`` with their order and tensors.

    Args:
        bundle: the model.
        cuts: cut points in order.
        out: the folder to write.
        self_contained: put the weights into each file; else write a ``.weights.bin`` beside each.
        force: replace a folder that `split` wrote before.

    Returns:
        The ``.onnx`` files in order.

    Raises:
        OutputError: the folder is taken, or a partition is too large to be self-contained.
    """
    ranges = partitions(bundle, cuts)
    names = [f"{bundle.manifest.model}.{start}-{stop}.onnx" for start, stop in ranges]
    with folder_in_one_piece(out, force=force, marker=LISTING) as folder:
        listing = []
        for name, (start, stop) in zip(names, ranges, strict=True):
            shard = bundle.shard(start, stop)
            _write(bundle, shard, folder / name, self_contained=self_contained)
            listing.append(
                {
                    "file": name,
                    "inputs": {tensor.name: list(tensor.shape) for tensor in shard.inputs},
                    "outputs": {tensor.name: list(tensor.shape) for tensor in shard.outputs},
                    "after": bundle.label(start),
                    "up_to": bundle.label(stop),
                }
            )
        content = {"model": bundle.manifest.model, "bundle": bundle.digest, "partitions": listing}
        (folder / LISTING).write_text(json.dumps(content, indent=1) + "\n")
    return [out / name for name in names]


def _write(bundle: Bundle, shard: Shard, path: Path, *, self_contained: bool) -> None:
    model = onnx.load_from_string(shard.graph)
    onnx.load_external_data_for_model(model, str(bundle.path))
    if not self_contained:
        onnx.save(
            model, path, save_as_external_data=True, location=f"{path.stem}.weights.bin", size_threshold=256
        )
        # onnx makes this file readable by its owner alone, but the user will copy it elsewhere.
        weights = path.with_suffix(".weights.bin")
        if weights.exists():  # a partition of small constants has none
            weights.chmod(path.stat().st_mode)
        return
    total = sum(len(initializer.raw_data) for initializer in model.graph.initializer)
    if total > _INSIDE_BELOW_BYTES:
        raise OutputError(
            f"{path.name}: {total:,} bytes of weights do not fit into one file; leave --self-contained out"
        )
    onnx.save(model, path)
