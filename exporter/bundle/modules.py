"""The model's modules as its nodes show them: which block each node is in, and where a module ends."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

from exporter.errors import RangeError, nearest

__all__ = ["ModuleTree"]

_NUMBERED: Final = re.compile(r"(?:\D*\d+[-_])*\D*\d+")
"""A name with an index at its end, as in `layer1`, `encoder_layer_3` or `block1-0`; not `branch3x3`."""
_WHOLE_SHARE: Final = 0.8


class ModuleTree:
    """Module paths of a graph's nodes, in their order.

    A block is what a person would call one: a member of a list of modules, as in ``features.7``,
    ``layer1.0``, ``encoder.layer.3`` or ``denseblock1.denselayer2``, the outermost where lists are nested in
    other modules. A model without lists has its named modules, below the one that holds nearly all of it.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        """Take the module path of each node."""
        self.paths = tuple(paths)

    @cached_property
    def _inner(self) -> frozenset[str]:
        """Modules that hold other modules with nodes."""
        return frozenset(
            path[:end] for path in {*self.paths} for end, character in enumerate(path) if character == "."
        )

    @property
    def modules(self) -> frozenset[str]:
        """All modules with nodes, those within others included."""
        return self._inner | frozenset(self.paths)

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """The block of each node, as a path."""
        known = {path: self._block_of(path) for path in dict.fromkeys(self.paths)}
        return tuple(known[path] for path in self.paths)

    def _block_of(self, path: str) -> str:
        parts = path.split(".")
        first, last = self._numbered(parts)
        if first is None:
            return ".".join(parts[: self._depth_of_named + 1])
        return ".".join(parts[: last + 1])

    def _numbered(self, parts: Sequence[str]) -> tuple[int | None, int]:
        """The first run of numbered parts: of names with an index, then of indices alone."""
        first, last = None, -1
        for position, part in enumerate(parts):
            is_inner = ".".join(parts[: position + 1]) in self._inner
            if first is None:
                if part.isdecimal() or (is_inner and _NUMBERED.fullmatch(part)):
                    first = last = position
            elif is_inner and (part.isdecimal() or not parts[last].isdecimal() and _NUMBERED.fullmatch(part)):
                last = position
            else:
                break
        return first, last

    @cached_property
    def _depth_of_named(self) -> int:
        """How deep the module lies that holds nearly all nodes and not in one of its own."""
        depth, inside = 0, [path.split(".") for path in self.paths]
        while True:
            largest, count = Counter(parts[depth] for parts in inside if len(parts) > depth).most_common(1)[0]
            below = [parts for parts in inside if len(parts) > depth + 1 and parts[depth] == largest]
            if count < _WHOLE_SHARE * len(self.paths) or len({parts[depth + 1] for parts in below}) < 2:
                return depth
            depth, inside = depth + 1, below

    def label(self, index: int) -> str:
        """Return a readable name for a cut: the block that it ends, or the module that it falls in."""
        if index == 0:
            return "input"
        if index == len(self.paths):
            return "output"
        path, block = self.paths[index - 1], self.blocks[index - 1]
        if block == self.blocks[index]:
            return path
        parts = block.split(".")
        first, last = self._numbered(path.split("."))
        if first is not None and not parts[last].isdecimal():
            # Where the last member of a list ends, so does the list.
            for end in range(first + 1, last + 1):
                if self._ends(outer := ".".join(parts[:end]), index):
                    return outer
        return block

    def _ends(self, module: str, index: int) -> bool:
        return not any(_is_in(path, module) for path in self.paths[index:])

    def cut_after(self, module: str) -> int:
        """Return the cut right after the last node of a module.

        Raises:
            RangeError: no node comes from that module; the message suggests the nearest.
        """
        inside = [position for position, path in enumerate(self.paths) if _is_in(path, module)]
        if inside and module:
            return inside[-1] + 1
        known = sorted(self.modules)
        raise RangeError(
            f'no module "{module}" in this model{nearest(module, known)}; `exporter cuts` lists them'
        )

    def cuts_after_each(self, pattern: str, types: Mapping[str, str]) -> tuple[int, ...]:
        """Return the cuts after each module whose path or class matches a pattern, in order.

        Args:
            pattern: of a path, whose ``*`` stands for a part of a name and ``**`` for any number of names;
                or of a class's name.
            types: the class of each module, by its path.

        Raises:
            RangeError: no module matches, or the model ends with the only one.
        """
        expression = re.compile(_expression_of(pattern))
        matching = {path for path in self.modules if expression.fullmatch(path)}
        matching |= {path for path, name in types.items() if expression.fullmatch(name)}
        ends = {self.cut_after(path) for path in matching & self.modules} - {len(self.paths)}
        if not ends:
            near = nearest(pattern, [*dict.fromkeys(types.values()), *sorted(self.modules)])
            raise RangeError(f'no cut after a module whose path or class matches "{pattern}"{near}')
        return tuple(sorted(ends))


def _expression_of(pattern: str) -> str:
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    meanings = {"**": ".*", "*": r"[^.]*", "?": r"[^.]"}
    return "".join(meanings.get(part) or re.escape(part) for part in parts)


def _is_in(path: str, module: str) -> bool:
    return path == module or path.startswith(module + ".")
