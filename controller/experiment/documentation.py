"""The schema of the experiment file, for programs and for people."""

import json
from typing import Any

import msgspec

from controller.experiment.schema import Experiment

__all__ = ["json_schema", "markdown_table"]


def json_schema() -> str:
    """JSON Schema of the experiment file, for editors and other programs."""
    return json.dumps(msgspec.json.schema(Experiment), indent=2)


def markdown_table() -> str:
    """A Markdown table of the keys, as it stands in docs/experiments.md."""
    schema = msgspec.json.schema(Experiment)
    definition = schema["$defs"]["Experiment"]
    lines = ["| key | holds | default | |", "| --- | --- | --- | --- |"]
    for key, entry in definition["properties"].items():
        default = "required" if key in definition["required"] else f"`{json.dumps(entry['default'])}`"
        lines.append(f"| `{key}` | {_holds(entry)} | {default} | {entry.get('description', '')} |")
    return "\n".join(lines)


def _holds(entry: dict[str, Any]) -> str:
    """What a value may be, in a few words."""
    if "enum" in entry:
        return " or ".join(f"`{value}`" for value in entry["enum"] if value is not None)
    if "anyOf" in entry:
        parts = dict.fromkeys(_holds(part) for part in entry["anyOf"] if part.get("type") != "null")
        return " or ".join(parts)
    if "$ref" in entry:
        return "mapping"
    if entry.get("type") == "array":
        # What mixed lists hold is said in words: one generated from the schema would be a riddle.
        return "list" if "anyOf" in entry["items"] else f"list of {_holds(entry['items'])}"
    if entry.get("type") in ("integer", "number"):
        kind = {"integer": "whole number", "number": "number"}[entry["type"]]
        if entry.get("minimum", -1) >= 0:
            return f"{kind} >= {entry['minimum']:g}"
        return f"{kind} > {entry['exclusiveMinimum']:g}" if "exclusiveMinimum" in entry else kind
    return {"string": "text", "object": "mapping", "boolean": "`true` or `false`"}[entry["type"]]
