"""What tests read from a figure's specification."""

from typing import Any

__all__ = ["rows_with"]


def rows_with(spec: dict[str, Any], has: str) -> list[dict[str, Any]]:
    """All rows of a specification that have this field."""
    found: list[dict[str, Any]] = [
        row for rows in spec.get("datasets", {}).values() for row in rows if has in row
    ]
    for part in (*spec.get("layer", []), *spec.get("vconcat", [])):
        found += rows_with(part, has)
    return found + [row for row in spec.get("data", {}).get("values", []) if has in row]
