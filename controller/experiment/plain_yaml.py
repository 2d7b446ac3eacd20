"""YAML that means what it shows: what YAML 1.1 reads otherwise than people do is refused.

To YAML 1.1 `020` is 16, `1:30` is 90, `on` is true, `1e3` is text, and of two equal keys the last one counts.
A sweep of other cells than those meant is worse than a stop.
"""

import re
from collections.abc import Hashable
from typing import Any, Final

import yaml

__all__ = ["Misleading", "PlainLoader", "dump_plain", "misreading"]


class Misleading(yaml.MarkedYAMLError):
    """A place that does not mean what it shows; `problem` says what it means and what to write."""

    def __init__(self, problem: str, node: yaml.Node) -> None:
        super().__init__(problem=problem, problem_mark=node.start_mark)


_TAG: Final = "tag:yaml.org,2002:"
_PLAIN: Final = {
    "bool": re.compile(r"true|false", re.IGNORECASE),
    "int": re.compile(r"[-+]?(?:0|[1-9][0-9]*)"),
    "float": re.compile(
        r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]*(?:e[-+][0-9]+)?|[-+]?\.[0-9]+(?:e[-+][0-9]+)?|[-+]?\.inf|\.nan",
        re.IGNORECASE,
    ),
}
"""By type, the notations that everyone reads alike."""

_TO_WRITE: Final = {
    "bool": "write true or false",
    "int": "write the number in decimal digits alone",
    "float": "write the number in decimal digits and a point alone",
}

_LIKE_A_NUMBER: Final = f"{_TAG}like_a_number"


def misreading(node: yaml.ScalarNode) -> str | None:
    """What a scalar means in YAML and what to write, where people read something else.

    Returns:
        None where everyone reads the same. Texts that look like numbers are left to `PlainLoader`.
    """
    kind, text = node.tag.removeprefix(_TAG), f"'{node.value}' in quotes for text"
    if kind == "timestamp":
        return f"{node.value} is a date in YAML; write {text}"
    if kind not in _PLAIN or _PLAIN[kind].fullmatch(node.value):
        return None
    value = yaml.SafeLoader("").construct_object(node)
    meant = str(value).lower() if kind == "bool" else value
    return f"{node.value} means {meant} in YAML; {_TO_WRITE[kind]}, or {text}"


class PlainLoader(yaml.SafeLoader):
    """A safe loader that raises `Misleading`."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Construct a mapping whose keys are scalars, each there once, by its text and by its value."""
        texts: dict[str, int] = {}
        values: dict[Hashable, str] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Misleading("a key must not be a list or a mapping", key)
            if key.tag == f"{_TAG}merge":
                raise Misleading("<< takes over the keys of another mapping; write them out here", key)
            if key.value in texts:
                raise Misleading(f"key {key.value!r} twice, first in line {texts[key.value]}", key)
            value = self.construct_object(key)
            if value in values:
                raise Misleading(f"keys {values[value]!r} and {key.value!r} are equal", key)
            texts[key.value], values[value] = key.start_mark.line + 1, key.value
        return super().construct_mapping(node, deep)

    def construct_plain(self, node: yaml.ScalarNode) -> Any:
        """Construct a number or truth value in a notation that everyone reads alike."""
        if problem := misreading(node):
            raise Misleading(problem, node)
        return getattr(self, f"construct_yaml_{node.tag.removeprefix(_TAG)}")(node)

    def refuse_text(self, node: yaml.ScalarNode) -> None:
        """Raise `Misleading` for a text that looks like a number."""
        raise Misleading(
            f"{node.value} is text in YAML, not a number; {_TO_WRITE['int']}, "
            f"or '{node.value}' in quotes for text",
            node,
        )


for _kind in (*_PLAIN, "timestamp"):
    PlainLoader.add_constructor(f"{_TAG}{_kind}", PlainLoader.construct_plain)
PlainLoader.add_constructor(_LIKE_A_NUMBER, PlainLoader.refuse_text)


class _PlainDumper(yaml.SafeDumper):
    """Quotes texts that `PlainLoader` refuses without quotes."""


for _each in (PlainLoader, _PlainDumper):
    # After YAML's own numbers, so that only texts are left: 08, 1e3, .5e3, 0o17.
    _each.add_implicit_resolver(
        _LIKE_A_NUMBER,
        re.compile(
            r"(?:[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|0[oO][0-7]+)\Z"
        ),
        list("-+.0123456789"),
    )


def dump_plain(data: Any) -> str:
    """Write lists, mappings and scalars as YAML that `PlainLoader` reads, in their order."""
    return yaml.dump(data, Dumper=_PlainDumper, sort_keys=False, default_flow_style=None, width=110)
