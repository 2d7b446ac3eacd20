"""A YAML file decoded into a typed struct, with errors that name file, key and what is allowed."""

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from controller.errors import ExperimentError, did_you_mean
from controller.experiment.plain_yaml import Misleading, PlainLoader

__all__ = ["convert", "load_yaml", "parse_yaml", "read_yaml"]

T = TypeVar("T")


def load_yaml(path: Path, kind: type[T], what: str) -> T:
    """Read `path` as a `kind`; `what` says in errors what the file is.

    Raises:
        ExperimentError: As `read_yaml` and `convert`.
    """
    return convert(read_yaml(path, what), kind, f"{what} {path}")


def read_yaml(path: Path, what: str) -> Any:
    """Read `path` as plain lists, mappings and scalars.

    Raises:
        ExperimentError: No such file, not YAML, or YAML that does not mean what it shows.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ExperimentError(f"no {what} {path}") from error
    except OSError as error:
        raise ExperimentError(f"{what} {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ExperimentError(f"{what} {path} is not text in UTF-8") from error
    except ValueError as error:
        # A path that no system takes.
        raise ExperimentError(f"{what} {path} cannot be read: {error}") from error
    return parse_yaml(text, f"{what} {path}")


def parse_yaml(text: str, place: str) -> Any:
    """Read YAML as plain lists, mappings and scalars; `place` names it in errors.

    Raises:
        ExperimentError: It is not YAML, or does not mean what it shows.
    """
    try:
        return yaml.load(text, Loader=PlainLoader)
    except Misleading as error:
        raise ExperimentError(f"{place}, {_one_line(error)}") from error
    except yaml.YAMLError as error:
        raise ExperimentError(f"{place} is not YAML: {_one_line(error)}") from error
    except RecursionError as error:
        raise ExperimentError(f"{place} nests lists or mappings too deeply") from error
    except (ValueError, LookupError, TypeError, ArithmeticError, AttributeError) as error:
        # What PyYAML raises where a tag, a date or a number is not what it looks like.
        raise ExperimentError(f"{place} is not YAML: {error}") from error


def convert(raw: Any, kind: type[T], place: str = "", *, within: str = "") -> T:
    """Check `raw` against `kind`; `place` names the file, if there is one, `within` the key of `raw` in it.

    Raises:
        ExperimentError: A wrong key, a wrong type, a number out of range.
    """
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        explained = _explain(str(error), kind, within)
        raise ExperimentError(f"{place}: {explained}" if place else explained) from error
    except RecursionError as error:
        # By anchors, a list of YAML may hold itself.
        raise ExperimentError(f"{place}: a list or mapping contains itself") from error


def _one_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


_WORDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "text",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
    "bool": "true or false",
}


def _plain(types: re.Match[str]) -> str:
    """Types such as `int | object` in words, as they were where one is unknown."""
    names = types[1].split(" | ")
    return " or ".join(_WORDS[name] for name in names) if _WORDS.keys() >= set(names) else types[0]


def _explain(problem: str, kind: Any, within: str) -> str:
    """Put msgspec's words into ours: the key first, then what is allowed there."""
    text, _, where = problem.partition(" - at `")
    inner = where.rstrip("`").removeprefix("$").removeprefix(".").replace("[...]", "")
    place = ".".join(part for part in (within, inner) if part)
    field = re.fullmatch(r"Object (contains unknown|missing required) field `(.*)`", text)
    if field:
        key = f"{place}.{field[2]}" if place else field[2]
        if field[1] == "missing required":
            return f"key {key!r} is missing"
        if ":" in field[2]:
            return f"unknown key {key!r}; write a space after the colon"
        return f"unknown key {key!r}{did_you_mean(field[2], _field_names(kind))}"
    text = re.sub(r"`([a-z| ]+)`", _plain, text)
    text = text[0].lower() + text[1:]
    allowed = _allowed(kind, inner) if text.startswith("invalid enum value") else []
    if allowed:
        text += f"; allowed: {', '.join(allowed)}"
    if "a number" in text and text.endswith("got text"):
        text += " (the unit is in the key's name: write the number alone)"
    return f"key {place!r}: {text}" if place else text


def _allowed(kind: Any, inner: str) -> list[str]:
    """The values that the place `inner` (as in `rpc.transport`, `backends[1]`) may have; none if any."""
    schemas = [msgspec.inspect.type_info(kind)]
    for name in re.sub(r"\[\d+\]", ".*", inner).split("."):
        inside = [part for schema in schemas for part in _alternatives(schema)]
        if name == "*":
            schemas = [part.item_type for part in inside if hasattr(part, "item_type")]
        else:
            schemas = [
                field.type
                for part in inside
                if isinstance(part, msgspec.inspect.StructType)
                for field in part.fields
                if field.encode_name == name
            ]
    return [
        str(value)
        for schema in schemas
        for part in _alternatives(schema)
        if isinstance(part, msgspec.inspect.LiteralType)
        for value in part.values
    ]


def _alternatives(schema: Any) -> list[Any]:
    """The types that a place may have, without what is only said about them; of a mapping, its values'."""
    while isinstance(schema, msgspec.inspect.Metadata | msgspec.inspect.DictType):
        schema = schema.type if isinstance(schema, msgspec.inspect.Metadata) else schema.value_type
    if not isinstance(schema, msgspec.inspect.UnionType):
        return [schema]
    return [part for one in schema.types for part in _alternatives(one)]


def _field_names(kind: Any) -> list[str]:
    """Keys of a struct and of every struct inside it: near misses are looked for in all of them."""
    names: dict[str, None] = {}

    def walk(schema: Any) -> None:
        if isinstance(schema, msgspec.inspect.StructType):
            for field in schema.fields:
                names[field.encode_name] = None
                walk(field.type)
        for part in ("types", "item_types"):
            for inner in getattr(schema, part, ()):
                walk(inner)
        for part in ("type", "item_type", "value_type"):
            if hasattr(schema, part):
                walk(getattr(schema, part))

    walk(msgspec.inspect.type_info(kind))
    return list(names)
