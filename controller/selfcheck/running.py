"""Run the checks on a lab, and show what they found."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.console import Progress, plain_table, show, show_table
from controller.experiment.networks import Direction, Network
from controller.lab.inventory import Lab
from controller.lab.worker_pool import WorkerPool
from controller.pipeline.deployment import plan_pipeline
from controller.pipeline.runner import PipelineRunner
from controller.results import Trial
from controller.results.provenance import now
from controller.selfcheck.checks import DeviceCheck, LatencyCheck, RateCheck
from controller.selfcheck.verdict import Finding, Verdict, fingerprint, save_verdict
from exporter.bundle import Bundle
from worker.wire.messages import Run

__all__ = ["run_selfcheck", "show_verdict"]

_WAIT_S: Final = 5.0
_WARMUP: Final = 3
_TIMEOUT_S: Final = 120.0

# A briefly busy device looks like a slow one; a wrong device is wrong each time.
_ATTEMPTS: Final = 3

Check = DeviceCheck | RateCheck | LatencyCheck


def run_selfcheck(
    lab: Lab, lab_file: Path, network: str | None, conditions: Network, screen: Progress
) -> Verdict:
    """Check every device and, under a network, every device's link to the next one; keep the verdict.

    Args:
        network: Name of the network that the links have now; None leaves them out.
        conditions: Its conditions.

    Raises:
        ControllerError: A device is not there, is lost or cannot run a check; the verdict before stays.
    """
    names = [device.name for device in lab.devices]
    with WorkerPool(lab, names, _WAIT_S) as pool, tempfile.TemporaryDirectory(prefix="edgecut-") as folder:
        checks: list[Check] = [
            DeviceCheck(worker.name, worker.info.slowdown, how)
            for worker in pool.workers.values()
            for how in ("spin", "sleep")
        ]
        if network is not None:
            checks += _link_checks(lab, conditions)
        findings = []
        for number, check in enumerate(checks):
            screen.step("selfcheck", number, len(checks), check.where)
            bench = _Bench(lab, pool, Path(folder) / str(number), network or "", conditions)
            findings.append(bench.settled(check))
        screen.step("selfcheck", len(checks), len(checks), "done")
        devices = fingerprint(worker.info for worker in pool.workers.values())
    verdict = Verdict(taken_at=now(), network=network or "", devices=devices, findings=tuple(findings))
    save_verdict(verdict, lab_file)
    return verdict


def show_verdict(verdict: Verdict) -> None:
    """Print a row for each figure, and then what is wrong."""
    table = plain_table("where", "what", "measured", "true", "off", "allowed")
    for one in verdict.findings:
        table.add_row(
            one.where,
            one.what,
            f"{one.measured:.4g} {one.unit}",
            f"{one.true:.4g} {one.unit}",
            f"{one.error:+.1%}",
            f"{one.allowed:.1%}",
        )
    show_table(table)
    for one in verdict.wrong:
        show(f"wrong: {one.text}")
    right = len(verdict.findings) - len(verdict.wrong)
    show(f"selfcheck: {right} of {len(verdict.findings)} figures hold")


def _link_checks(lab: Lab, conditions: Network) -> Iterator[Check]:
    """From each device to the next, and from the last to the first: each sends once and receives once.

    Without rate and delay a link promises nothing, and a loss slows TCP down by more than it says.
    """
    names = [device.name for device in lab.devices]
    if len(names) < 2:
        return
    for sender, receiver in zip(names, names[1:] + names[:1], strict=True):
        there, back = (_between(lab, conditions, *ends) for ends in ((sender, receiver), (receiver, sender)))
        if there.loss_percent or back.loss_percent:
            continue
        if there.rate_mbit is not None:
            yield RateCheck(sender, receiver, there, back)
        if there.rate_mbit is not None or there.delay_ms or back.delay_ms:
            yield LatencyCheck(sender, receiver, there, back)


def _between(lab: Lab, conditions: Network, sender: str, receiver: str) -> Direction:
    return conditions.between(sender, receiver, forward=lab.is_forward(sender, receiver))


@dataclass(frozen=True)
class _Bench:
    """The lab's workers, with one check at a time on them."""

    lab: Lab
    pool: WorkerPool
    folder: Path
    network: str
    conditions: Network

    def settled(self, check: Check) -> Finding:
        """The nearest to the truth of up to three attempts."""
        bundle = check.bundle(self.folder)
        findings: list[Finding] = []
        while len(findings) < _ATTEMPTS and not any(finding.holds for finding in findings):
            findings.append(check.finding(self._trial(check, bundle)))
        return min(findings, key=lambda finding: abs(finding.error))

    def _trial(self, check: Check, bundle: Bundle) -> Trial:
        cell = check.cell(bundle, self.network, self.lab.shaping(check.devices))
        plan = plan_pipeline(f"selfcheck.{self.folder.name}", cell, bundle, self.lab, self.conditions)
        request = Run(requests=check.requests, timeout_s=_TIMEOUT_S)
        with PipelineRunner(plan, cell, bundle, self.pool.workers) as runner:
            return runner.run(0, request, warmup=max(_WARMUP, check.depth))
