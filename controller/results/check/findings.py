"""What is wrong with a results file, told in one line each."""

from collections.abc import Iterator

from controller.results.check.records import record_findings
from controller.results.check.rows import row_findings
from controller.results import Results

__all__ = ["findings"]


def findings(results: Results) -> Iterator[str]:
    """Everything that is wrong; where the database itself is damaged, that alone."""
    damage = results.damage()
    if damage:
        yield f"the file is damaged: {damage}"
        return
    yield from row_findings(results.connection)
    yield from record_findings(results.connection)
