"""The command line: each command is a few lines here and a module of its own."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
import typer.exceptions

from exporter import terminal
from exporter.errors import ExporterError
from exporter.terminal import one_line, say, show

__all__ = ["app", "main"]

app = typer.Typer(
    help="Export a model to a bundle: one ONNX graph, its cut points and its weights.",
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)

_INTERRUPTED = 130

_Model = Annotated[
    str,
    typer.Argument(
        help="A model that `models` lists, package.module:function, file.py:function, or file.onnx."
    ),
]
_Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A folder that `export` wrote.")]
_DATASETS = "digits, cifar10, cifar100, mnist, fashionmnist, imagefolder or random."
_Dataset = Annotated[str | None, typer.Option(help=_DATASETS)]
_DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the data set's files; edgecut downloads nothing.")
]
_Data = Annotated[Path | None, typer.Option(metavar="F.npz", help="Your own inputs and labels.")]
_NumClasses = Annotated[int | None, typer.Option(min=2, help="Classes of the model's head.")]
_InputSize = Annotated[int | None, typer.Option(min=8, help="Side of the square input, in pixels.")]
_Seed = Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")]
_Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="A model that `models` lists.")],
    out: Annotated[Path, typer.Option(metavar="F.pth", help="Weights file to write.")],
    dataset: Annotated[str, typer.Option(help=_DATASETS)] = "digits",
    data_dir: _DataDir = None,
    data: _Data = None,
    weights: Annotated[Path | None, typer.Option(metavar="F.pth", help="Weights to start from.")] = None,
    num_classes: _NumClasses = None,
    input_size: _InputSize = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training samples.")] = 5,
    batch: Annotated[int, typer.Option(min=2, help="Samples in a training step.")] = 32,
    learning_rate: Annotated[float, typer.Option(min=1e-6, help="Peak of the one-cycle schedule.")] = 3e-3,
    seed: _Seed = 0,
) -> None:
    """Train a model on a data set and write its weights."""
    from exporter.models.train import TrainSettings
    from exporter.models.train import train as run

    settings = TrainSettings(
        model,
        out,
        dataset,
        data_dir,
        data,
        weights,
        num_classes,
        input_size,
        epochs,
        batch,
        learning_rate,
        seed,
    )
    trained = run(
        settings,
        lambda epoch: show(
            f"epoch {epoch.number}/{epochs}  loss {epoch.loss:.3f}  "
            f"held-out accuracy {epoch.held_out_accuracy:.4f}  {epoch.elapsed_s:.0f} s"
        ),
    )
    show(f"{out}: {trained.model}, held-out accuracy {trained.held_out_accuracy:.4f} on {trained.dataset}")


@app.command()
def export(
    model: _Model,
    out: Annotated[Path, typer.Option(metavar="BUNDLE", help="Folder to write.")],
    weights: Annotated[
        str | None, typer.Option(metavar="F.pth|imagenet", help="Weights. Default: random.")
    ] = None,
    num_classes: _NumClasses = None,
    input_size: _InputSize = None,
    dataset: _Dataset = None,
    data_dir: _DataDir = None,
    data: _Data = None,
    samples: Annotated[int, typer.Option(min=8, help="Held-out samples to keep in the bundle.")] = 128,
    seed: _Seed = 0,
    force: _Force = False,
) -> None:
    """Export a model to a bundle."""
    from exporter.export import ExportSettings
    from exporter.export import export as run
    from exporter.screen import print_bundle

    settings = ExportSettings(
        model, out, weights, num_classes, input_size, dataset, data_dir, data, samples, seed, force
    )
    print_bundle(run(settings, show))


@app.command()
def cuts(
    bundle: _Bundle,
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list, one object per cut point.")
    ] = False,
) -> None:
    """List every cut point of a bundle, in order."""
    from exporter.bundle import Bundle
    from exporter.screen import print_cuts

    print_cuts(Bundle.open(bundle, check="manifest"), as_json=json)


@app.command()
def verify(
    bundle: _Bundle,
    splits: Annotated[
        str, typer.Option(help="clean, blocks, all, or one split, as in 23,41 or features.7.")
    ] = "clean",
) -> None:
    """Compare PyTorch, the whole graph and chains of shards, and print the worst error."""
    from exporter.bundle import Bundle
    from exporter.screen import print_verification, progress
    from exporter.split_argument import parse_splits
    from exporter.verify import verify as run

    opened = Bundle.open(bundle)
    with progress() as report:
        verification = run(
            opened,
            parse_splits(opened, splits),
            lambda done, of: report(opened.manifest.model, done, of),
        )
    print_verification(opened, verification)


@app.command()
def split(
    bundle: _Bundle,
    at: Annotated[str, typer.Option(metavar="23[,41]", help="Cut points, as indices or module paths.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write.")],
    self_contained: Annotated[
        bool, typer.Option("--self-contained", help="Put the weights inside the .onnx files.")
    ] = False,
    force: _Force = False,
) -> None:
    """Write a split's partitions as ordinary .onnx files."""
    from exporter.bundle import Bundle
    from exporter.partition_files import split as run
    from exporter.split_argument import parse_cuts

    opened = Bundle.open(bundle)
    for path in run(opened, parse_cuts(opened, at), out, self_contained=self_contained, force=force):
        show(str(path))


@app.command()
def null(
    sizes: Annotated[
        list[int],
        typer.Argument(
            metavar="SIZE...",
            help="Values of a sample at the input, at each cut point and at the output: 1024 64 10.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="BUNDLE", help="Folder to write.")],
    samples: Annotated[int, typer.Option(min=1, help="Samples in the bundle.")] = 8,
    force: _Force = False,
) -> None:
    """Write a bundle of the null model, which computes nothing; needs no PyTorch."""
    from exporter.bundle import export_null

    bundle = export_null(out, sizes, samples=samples, force=force)
    show(f"{out}: {bundle.node_count} nodes, digest {bundle.digest[:12]}")


@app.command()
def models(
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object per model.")] = False,
) -> None:
    """List the built-in models."""
    from exporter.screen import print_models

    print_models(as_json=json)


@app.command(name="verify-models")
def verify_models(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Models. Default: all ten.")
    ] = None,
    splits: Annotated[str, typer.Option(help="clean, blocks or all.")] = "all",
    input_size: _InputSize = None,
) -> None:
    """Export and verify all ten built-in models, untrained, including their wide cuts."""
    from exporter.screen import print_row, print_row_head, progress
    from exporter.verify_models import verify_models as run

    print_row_head()
    with progress() as report:
        for row in run(names or [], splits, input_size, report):
            print_row(row)


def main(
    arguments: Sequence[str] | None = None,
    commands: Callable[..., object] = app,
    program: str = "python -m exporter",
) -> int:
    """Run a command and return the exit code: 0, 2 for a bad input, 130 for Ctrl-C.

    Args:
        commands: All commands, or one of them alone.
        program: Its name in help texts.
    """
    # Waiting PyTorch threads spin, which makes training 10 x slower beside any other load. OpenMP reads this
    # variable once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    given = list(sys.argv[1:] if arguments is None else arguments)
    return terminal.run(lambda: _run(given, commands, program))


def _run(given: Sequence[str], commands: Callable[..., object], program: str) -> int:
    if commands is app and not given:
        given = ["--help"]
    try:
        # typer returns the code of an early end; it handles Ctrl-C itself and returns 130.
        code = commands(given, standalone_mode=False, prog_name=program)
    except typer.exceptions.TyperException as error:
        # Its private sub-classes name the option in format_message().
        text = getattr(error, "format_message", error.__str__)()
        return _refuse(text)
    except ExporterError as error:
        return _refuse(str(error))
    except OSError as error:  # an unreadable file, a full disk
        return _refuse(f"{error.filename or 'file'}: {error.strerror or error}")
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    if code == _INTERRUPTED:
        say("error: interrupted")
    return code if isinstance(code, int) else 0


def _refuse(text: str) -> int:
    say(f"error: {one_line(text)}")
    return 2
