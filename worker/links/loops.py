"""Threads of one part of a pipeline: an exception in any of them ends the pipeline, and they end with it."""

import threading
from collections.abc import Callable

from worker.links.lifeline import Lifeline

__all__ = ["Loops"]


class Loops:
    """Begun once each, and joined when the lifeline has ended."""

    def __init__(self, lifeline: Lifeline) -> None:
        self._lifeline = lifeline
        self._threads: list[threading.Thread] = []

    def begin(self, name: str, loop: Callable[[], None]) -> None:
        """Run `loop` in a thread of its own."""
        thread = threading.Thread(target=self._guard, args=(loop,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        """Wait for the threads; the lifeline has ended."""
        for thread in self._threads:
            thread.join()

    def _guard(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except Exception as error:
            self._lifeline.fail(error)
