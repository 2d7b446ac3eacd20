"""The commands that run playbooks."""

import shlex
from pathlib import Path
from typing import Annotated, Final

import typer

from controller.cli.running import CommandEnded
from controller.errors import ExperimentError, StoreError, did_you_mean
from controller.results import Results
from controller.sweep.outcome import INTERRUPTED
from edgecut.cli.loading import run as load_and_run
from edgecut.cli.table import COMMANDS
from edgecut.demo import Demo
from edgecut.playbook import ROOT, Ended, Playbook, of_user, run
from worker.terminal import show

__all__ = ["app"]

app = typer.Typer()

VIRTUAL: Final = Path("inventory/virtual")

_Inventory = Annotated[
    Path | None,
    typer.Option("--inventory", "-i", help="The lab's inventory. Default: inventory/local, this machine."),
]
_VirtualInventory = Annotated[
    Path, typer.Option("--inventory", "-i", help="inventory/virtual or inventory/namespaces.")
]
_Extra = Annotated[
    list[str] | None,
    typer.Option("-e", metavar="KEY=VALUE", help="A setting of the inventory or the playbook; repeatable."),
]
_AskBecome = Annotated[
    bool, typer.Option("--ask-become-pass", "-K", help="Ask for the password that becomes root.")
]
_AskVault = Annotated[bool, typer.Option("--ask-vault-pass", help="Ask for the password of Ansible Vault.")]
_Limit = Annotated[str | None, typer.Option(help="Only these devices, as in pi2 or pi1,pi2.")]
_Bundles = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder of bundles, in place of the experiment's.")
]
_Networks = Annotated[Path | None, typer.Option(metavar="FILE", help="Networks file.")]


@app.command()
def deploy(
    inventory: _Inventory = None,
    limit: _Limit = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Devices of the lab on this machine, more than the inventory's.")
    ] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Replace the lab's key, or its certificates.")
    ] = False,
    extra: _Extra = None,
    ask_become_pass: _AskBecome = False,
    ask_vault_pass: _AskVault = False,
) -> None:
    """Put a worker on every device of the lab, and check each by a real inference."""
    settings = {"workers": workers, "new_key": new_key or None}
    arguments = _arguments(ask_become_pass, ask_vault_pass, limit)
    _finish(run(Playbook("deploy", "deploy", settings, inventory, extra or (), arguments)))


@app.command()
def teardown(
    inventory: _Inventory = None,
    limit: _Limit = None,
    extra: _Extra = None,
    ask_become_pass: _AskBecome = False,
    ask_vault_pass: _AskVault = False,
) -> None:
    """Undo `deploy`: stop the workers, remove what was installed; results stay."""
    arguments = _arguments(ask_become_pass, ask_vault_pass, limit)
    _finish(run(Playbook("teardown", "teardown", {}, inventory, extra or (), arguments)))


@app.command()
def sweep(
    experiment: Annotated[Path, typer.Argument(help="Experiment file; `edgecut schema` documents it.")],
    results: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the results. Default: results/NAME.")
    ] = None,
    bundles: _Bundles = None,
    networks: _Networks = None,
    time_budget: Annotated[
        str | None,
        typer.Option(help="Measure for this long, most promising cells first, as in 1h30m, 20m or 90s."),
    ] = None,
    inventory: _Inventory = None,
    extra: _Extra = None,
    ask_become_pass: _AskBecome = False,
    ask_vault_pass: _AskVault = False,
) -> None:
    """Run an experiment, show each network's answer, and write the report; the same command resumes it.

    Exit code: 1 trials are missing, 2 error, 3 the time budget left cells out, 4 links do not match a
    network, 130 Ctrl-C.
    """
    settings = {
        "experiment": str(_shipped(experiment)),
        "results": of_user(results),
        "bundles": of_user(bundles),
        "networks": of_user(networks),
        "time_budget": time_budget,
    }
    # The report is written here, not by the user's next command.
    arguments = [*_arguments(ask_become_pass, ask_vault_pass), "--skip-tags", "next"]
    ended = run(Playbook("sweep", "sweep", settings, inventory, extra or (), arguments))
    code = _code_of_sweep(ended)
    folder = ended.facts.get("sweep_results")
    if folder is not None and code != INTERRUPTED and _has_trials(Path(folder) / "results.sqlite"):
        of_report = load_and_run(COMMANDS["report"], [f"{folder}/results.sqlite", "--out", folder])
        code = code or of_report
    if code:
        raise CommandEnded(code)


@app.command(name="best-split")
def best_split(
    model: Annotated[str, typer.Argument(help="A model whose bundle is in --bundles.")],
    objective: Annotated[
        str, typer.Option(help="latency, throughput, or knee: most throughput per latency.")
    ] = "latency",
    network: Annotated[str, typer.Option(help="Network; as_is leaves the links as they are.")] = "as_is",
    networks: _Networks = None,
    bundles: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the bundle. Default: bundles/.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder for everything. Default: results/best-split-MODEL-OBJECTIVE-NETWORK."
        ),
    ] = None,
    inventory: _Inventory = None,
    extra: _Extra = None,
    ask_become_pass: _AskBecome = False,
    ask_vault_pass: _AskVault = False,
) -> None:
    """Deploy, profile, plan, measure the best three plans, and write the partitions of the best."""
    settings = {
        "model": model,
        "objective": objective,
        "network": network,
        "networks": of_user(networks),
        "bundles": of_user(bundles),
        "out": of_user(out),
    }
    arguments = _arguments(ask_become_pass, ask_vault_pass)
    ended = run(Playbook("best_split", "best-split", settings, inventory, extra or (), arguments))
    if code := _code_of_sweep(ended):
        raise CommandEnded(code)


@app.command(name="check-lab")
def check_lab(
    inventory: _Inventory = None,
    limit: _Limit = None,
    extra: _Extra = None,
    ask_become_pass: _AskBecome = False,
    ask_vault_pass: _AskVault = False,
) -> None:
    """Check the inventory and every device as `deploy` does first; this changes nothing."""
    arguments = [*_arguments(ask_become_pass, ask_vault_pass, limit), "--tags", "preflight"]
    _finish(run(Playbook("deploy", "lab check", {}, inventory, extra or (), arguments)))
    asked = [*_arguments(ask_become_pass, ask_vault_pass, limit)]
    where = [] if inventory is None else ["-i", str(inventory)]
    show(f"The devices are fit. Next: {shlex.join(['edgecut', 'deploy', *where, *asked])}")


@app.command(name="lab-up")
def lab_up(
    inventory: _VirtualInventory = VIRTUAL,
    devices: Annotated[
        int | None, typer.Option(min=1, max=99, help="Number of devices. Default: as many as exist, or 3.")
    ] = None,
    extra: _Extra = None,
) -> None:
    """Make a lab of virtual Pis, or with `-i inventory/namespaces` of network namespaces, on this machine."""
    _finish(run(Playbook("virtual_lab", "lab up", {"pis": devices}, inventory, extra or ())))
    show(f"The lab is up. Next: {shlex.join(['edgecut', 'deploy', '-i', str(inventory)])}")


@app.command(name="lab-down")
def lab_down(
    inventory: _VirtualInventory = VIRTUAL,
    purge: Annotated[
        bool, typer.Option("--purge", help="Also remove what is cached for the next `lab up`.")
    ] = False,
    extra: _Extra = None,
) -> None:
    """Remove such a lab with its devices."""
    settings = {"state": "absent", "purge": purge or None}
    _finish(run(Playbook("virtual_lab", "lab down", settings, inventory, extra or ())))


@app.command()
def demo(
    full: Annotated[
        bool, typer.Option("--full", help="Measure every split, not only those that could be best.")
    ] = False,
    results: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for everything. Default: results/demo.")
    ] = None,
) -> None:
    """Make a report from nothing, on this machine alone; the same command resumes it."""
    if code := Demo(full, results and results.absolute()).run():
        raise CommandEnded(code)


def _has_trials(results: Path) -> bool:
    """Whether there is anything to report; why not, the sweep has said."""
    try:
        with Results.open(results) as opened:
            return bool(opened.finished())
    except StoreError:
        return False


def _shipped(experiment: Path) -> Path:
    """An experiment where the user stands, or one that edgecut ships, such as `experiments/demo.yml`.

    Raises:
        ExperimentError: There is none.
    """
    places = (experiment, ROOT / "ansible" / experiment, ROOT / experiment)
    if found := next((path for path in places if path.is_file()), None):
        return found.absolute()
    shipped = (f"experiments/{path.name}" for path in (ROOT / "ansible" / "experiments").glob("*.yml"))
    known = sorted({*map(str, experiment.parent.glob("*.yml")), *shipped})
    raise ExperimentError(f"no experiment {experiment}{did_you_mean(str(experiment), known)}")


def _code_of_sweep(ended: Ended) -> int:
    """The exit code that the playbook noted (docs/reliability.md); Ansible's own is 2 whatever failed."""
    outcome = ended.facts.get("sweep_outcome")
    return ended.code if outcome is None else int(outcome["exit_code"]) or ended.code


def _arguments(ask_become_pass: bool, ask_vault_pass: bool, limit: str | None = None) -> list[str]:
    """What `ansible-playbook` takes itself."""
    words = ["--ask-become-pass"] * ask_become_pass + ["--ask-vault-pass"] * ask_vault_pass
    return [*words, "--limit", limit] if limit else words


def _finish(ended: Ended) -> None:
    if ended.code:
        raise CommandEnded(ended.code)
