# SPDX-License-Identifier: Apache-2.0
"""FINN, started once for all tests of this folder; where it is not installed they are skipped."""

import importlib.util
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("finn") is not None:
        return
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not item.get_closest_marker("without_finn"):
            item.add_marker(pytest.mark.skip(reason="not installed: finn-plus; `make test-finn` has it"))


@pytest.fixture(scope="session")
def finn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FINN started as a library; the folder in which it generates code."""
    from peritus.finn.environment import start

    folder = tmp_path_factory.mktemp("finn")
    start(folder)
    return folder
