"""Watching a sweep: what runs now, how busy its stages are, the front so far; in this terminal or another."""

from controller.live.at_work import AtWork
from controller.live.live_file import note_sweep

__all__ = ["AtWork", "note_sweep"]
