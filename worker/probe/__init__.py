"""Probes: measure a link between two workers over the ports and paths that data takes."""

from worker.probe.receiver import ProbeReceiver
from worker.probe.round_trips import time_round_trips
from worker.probe.throughput import send_throughput
from worker.probe.train import send_train

__all__ = ["ProbeReceiver", "send_throughput", "send_train", "time_round_trips"]
