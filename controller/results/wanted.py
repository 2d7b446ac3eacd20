"""How many trials cells are to have: a number, or as many as it takes until answers are sure."""

from dataclasses import dataclass, field

from controller.results.rows import Cell, Look
from controller.statistics.repeated_looks import level_of_one_look

__all__ = ["TrialsWanted"]


@dataclass(frozen=True)
class TrialsWanted:
    """What an experiment's `trials` say, and what has been decided since.

    Attributes:
        least, most: Trials of a cell; the same where the experiment gives a number.
        until: How sure answers have to be; None where it gives a number.
        earlier: What was requested before more was, and answers may have been looked at.
        looks: Under each network, the last look at its answers.
    """

    least: int
    most: int
    until: float | None = None
    earlier: tuple["TrialsWanted", ...] = ()
    looks: dict[str, Look] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The number in words, as in `5` or `3 to 15`."""
        return str(self.most) if self.until is None else f"{self.least} to {self.most}"

    @property
    def text_with_until(self) -> str:
        """The same with how sure answers have to be, as in `3 to 15 until 0.95`."""
        return self.text if self.until is None else f"{self.text} until {self.until:g}"

    @property
    def level_of_pair(self) -> float:
        """The level of a pair's interval: 95 % over all looks that may decide when its trials end."""
        return level_of_one_look(
            tuple(sorted({trials for wanted in (*self.earlier, self) for trials in wanted.looked_after}))
        )

    @property
    def looked_after(self) -> tuple[int, ...]:
        """Numbers of trials after which a look at answers may decide whether more are run."""
        return tuple(range(self.least, self.most + 1)) if self.until is not None else (self.most,)

    def raises(self, before: "TrialsWanted") -> bool:
        """Whether these are more trials, or surer answers, than before, and in no respect less."""
        if (self.until is None) is not (before.until is None):
            return False
        now, then = ((w.least, w.most, w.until or 0.0) for w in (self, before))
        return now != then and all(mine >= theirs for mine, theirs in zip(now, then, strict=True))

    def note(self, look: Look) -> None:
        """Take in a look, which replaces an earlier one at the same network."""
        before = self.looks.get(look.network)
        if before is None or before.block <= look.block:
            self.looks[look.network] = look

    def total(self, cell: Cell, done: int) -> int:
        """How many trials a cell with so many is to have, as far as that is known."""
        if self.until is None:
            return self.most
        return max(self.least, min(self.most, done + self._is_open(cell, done)))

    def missing(self, cell: Cell, done: int) -> int:
        """How many more a cell with so many trials lacks; one where answers depend on how it comes out."""
        return max(0, self.total(cell, done) - done)

    def at_most(self, cell: Cell, done: int) -> int:
        """How many more a cell with so many trials may get."""
        return max(0, (self.most if self._is_open(cell, done) else self.least) - done)

    def is_settled(self, network: str) -> bool:
        """Whether no look at a network is to come, once no cell lacks a trial."""
        look = self.looks.get(network)
        return self.until is None or (look is not None and look.ended is not None)

    def _is_open(self, cell: Cell, done: int) -> bool:
        look = self.looks.get(cell.network)
        return look is None or cell.id in look.open or done < self.least
