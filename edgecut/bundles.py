"""Bundles for programs: export a model, or open what was exported."""

from collections.abc import Callable
from pathlib import Path

from exporter.bundle import Bundle

__all__ = ["export_model", "open_bundle"]


def open_bundle(folder: Path | str) -> Bundle:
    """Open a bundle, and check the digest of each of its files.

    Args:
        folder: What `export_model` or `edgecut export` wrote.

    Raises:
        ExporterError: A file is missing, altered or outside the folder.
    """
    return Bundle.open(folder)


def export_model(
    model: str,
    out: Path | str,
    *,
    weights: Path | str | None = None,
    input_size: int | None = None,
    num_classes: int | None = None,
    dataset: str | None = None,
    data_dir: Path | str | None = None,
    data: Path | str | None = None,
    samples: int = 128,
    seed: int = 0,
    force: bool = False,
    on_message: Callable[[str], None] | None = None,
) -> Bundle:
    """Export a model to a bundle, as `edgecut export` does. Needs torch.

    Args:
        model: A built-in model, `package.module:function`, `file.py:function`, or `file.onnx`.
        out: The bundle's folder.
        weights: A weights file, or `imagenet`; by default random weights.
        input_size: Side of the square input, in pixels.
        num_classes: Classes of a built-in model's head.
        dataset: A data set's name, as `edgecut export --help` lists them.
        data_dir: The folder with the data set's files.
        data: An .npz file of inputs and labels, in place of a data set.
        samples: Held-out samples to keep in the bundle, at least 8.
        seed: Of all random numbers.
        force: Replace `out` if it exists.
        on_message: Gets a line for each step.

    Raises:
        ExporterError: An argument is wrong or the export fails; nothing is left behind.
    """
    # torch takes seconds to import, and who only opens bundles may not have it.
    from exporter.export import ExportSettings, export

    settings = ExportSettings(
        model=model,
        out=Path(out),
        weights=None if weights is None else str(weights),
        num_classes=num_classes,
        input_size=input_size,
        dataset=dataset,
        data_dir=None if data_dir is None else Path(data_dir),
        data=None if data is None else Path(data),
        samples=samples,
        seed=seed,
        force=force,
    )
    return export(settings, on_message or (lambda _: None))
