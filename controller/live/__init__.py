"""Watching a sweep: what runs now, how busy its stages are, the front so far; in this terminal or another."""

from controller.live.live_file import note_sweep
from controller.live.publisher import Publisher

__all__ = ["Publisher", "note_sweep"]
