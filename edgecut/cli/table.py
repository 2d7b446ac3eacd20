"""The table of all commands: a command is added here, and nowhere else."""

from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["COMMANDS", "GROUPS", "SUMMARIES", "Command", "Package"]


class Package(NamedTuple):
    """Where commands are implemented.

    Attributes:
        module: Has `app`, a typer application, and `main(arguments, commands, program)`, which runs it.
        extra: What `pip install 'edgecut[EXTRA]'` brings for them.
    """

    module: str
    extra: str


class Command(NamedTuple):
    """A command.

    Attributes:
        name: Its words after `edgecut`.
        line: What it does, for the overview.
        function: Its name in its package; by default that of the last word.
        takes_inventory: It has the option `--lab`, so `edgecut` lets the inventory name the lab.
    """

    name: str
    package: Package
    line: str
    function: str = ""
    takes_inventory: bool = False

    @property
    def implemented_as(self) -> str:
        """Its name in its package's application."""
        return self.function or self.name.rpartition(" ")[2]


_EXPORTER: Final = Package("exporter.cli", "exporter")
_CONTROLLER: Final = Package("controller.cli.app", "controller")
_ANALYSIS: Final = Package("analysis.__main__", "analysis")
_OWN: Final = Package("edgecut.cli.app", "controller,analysis,ansible")

GROUPS: Final[Mapping[str, tuple[Command, ...]]] = {
    "start": (
        Command("demo", _OWN, "train, cut, deploy to this machine, sweep, report"),
        Command("version", _OWN, "print the versions of edgecut and what it uses"),
    ),
    "model": (
        Command("models", _EXPORTER, "list the built-in models"),
        Command("train", _EXPORTER, "train a model on a data set"),
        Command("export", _EXPORTER, "export a model to a bundle"),
        Command("cuts", _EXPORTER, "list a bundle's cut points"),
        Command("verify", _EXPORTER, "compare a bundle's shards with PyTorch"),
        Command("split", _EXPORTER, "write a split's partitions as .onnx files"),
    ),
    "lab": (
        Command("lab new", _OWN, "write the inventory of a lab", "new-lab"),
        Command("lab check", _OWN, "check the inventory and the devices, change nothing", "check-lab"),
        Command("lab up", _OWN, "make a lab of virtual Pis or namespaces on this machine", "lab-up"),
        Command("lab down", _OWN, "remove that lab", "lab-down"),
        Command("lab status", _CONTROLLER, "show the devices and their users", takes_inventory=True),
        Command("lab links", _CONTROLLER, "measure the links", takes_inventory=True),
        Command("lab certificate", _CONTROLLER, "issue a device's certificate"),
        Command("deploy", _OWN, "put a worker on every device, and check each"),
        Command("teardown", _OWN, "undo deploy"),
    ),
    "measure": (
        Command("run", _CONTROLLER, "run one cell, show where its time goes", takes_inventory=True),
        Command("sweep", _OWN, "run an experiment, show the answer, write the report"),
        Command("best-split", _OWN, "find one model's best split in minutes"),
        Command("profile", _CONTROLLER, "measure a model's cost on every device", takes_inventory=True),
        Command("predict", _CONTROLLER, "predict one split", takes_inventory=True),
        Command("plan", _CONTROLLER, "plan devices and cuts", takes_inventory=True),
        Command("watch", _CONTROLLER, "follow a sweep from another terminal", takes_inventory=True),
        Command("selfcheck", _CONTROLLER, "prove a lab's figures with planted times", takes_inventory=True),
        Command("codecs", _CONTROLLER, "compare codecs on one cut"),
        Command("schema", _CONTROLLER, "document the experiment file"),
    ),
    "results": (
        Command("report", _ANALYSIS, "write the report, its figures and tables"),
        Command("compare", _ANALYSIS, "compare two results files or networks"),
        Command("best", _ANALYSIS, "print the best splits"),
        Command("tables", _ANALYSIS, "write the tables of other testbeds", "export"),
        Command("check", _CONTROLLER, "check a results file for damage"),
    ),
}
"""All commands by group, in the order of the overview."""

SUMMARIES: Final[Mapping[str, str]] = {"lab": "a lab"}
"""What commands of two words have in common, by their first word."""

COMMANDS: Final[Mapping[str, Command]] = {
    command.name: command for commands in GROUPS.values() for command in commands
}
"""All commands by name."""
