"""What holds for all tests: in which order their files begin."""

from typing import Final

import pytest

LONGEST: Final = (
    "transforms/test_spark.py",
    "app/test_pages.py",
    "end_to_end/acceptance/test_facts.py",
    "transforms/test_incremental.py",
    "end_to_end/test_twenty_slices.py",
    "end_to_end/acceptance/test_operating.py",
    "app/test_figures.py",
    "app/test_browser.py",
    "transforms/test_build.py",
    "end_to_end/test_two_transports.py",
    "end_to_end/acceptance/test_configuration.py",
    "faults/test_sqs_faults.py",
)
"""Files that take a minute and more. Each is one process's: begun last they would leave the other processes idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; within a file, and among the others, the order stays."""

    def place(item: pytest.Item) -> int:
        return next((n for n, ending in enumerate(LONGEST) if item.path.as_posix().endswith(f"tests/{ending}")), len(LONGEST))

    items.sort(key=place)
