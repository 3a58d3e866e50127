# SPDX-License-Identifier: Apache-2.0
"""One launcher for all benches, and the choice of one block (`make test-rtl BLOCK=activation`).

test_NAME runs tests/rtl/benches/bench_NAME.py on module peritus_NAME; peritus.eda.sources finds what else
that needs.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from peritus.arch.config import HwConfig
from peritus.codegen.configured import configured
from peritus.eda.sources import design_files, waivers
from peritus.eda.verilator.build import CHECK_FLAGS
from peritus.resources import resource


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--block", metavar="NAME", help="only the tests of RTL block NAME")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    block = config.getoption("--block")
    if not block:
        return
    here = Path(__file__).parent
    blocks = sorted({name(item) for item in items if here in item.path.parents})
    if block not in blocks:
        raise pytest.UsageError(f"no RTL block {block!r}; there are: {', '.join(blocks)}")
    items[:] = [item for item in items if here in item.path.parents and name(item) == block]


def name(item: pytest.Item) -> str:
    """The block that a test is about."""
    return getattr(item, "originalname", item.name).removeprefix("test_")


@pytest.fixture
def bench(run_bench: Callable[..., Any]) -> Callable[..., None]:
    """bench("activation"): build peritus_activation and run its bench.

    hw: configuration; the bench finds it at plusarg `hw` (a file) and, as numbers, at those that benches ask
    for. parameters: of the module, also plusargs. top: another module, of `folders` (more sources). The rest:
    plusargs.
    """

    def launch(
        block: str,
        hw: HwConfig | None = None,
        parameters: dict[str, int] | None = None,
        *,
        top: str | None = None,
        folders: Sequence[Path] = (),
        public_depth: int = 1,
        flags: Sequence[str] = CHECK_FLAGS,
        **plusargs: int | str,
    ) -> None:
        shape: dict[str, int | str] = {}
        if hw is not None:
            shape = {
                "hw": str(configured(hw) / f"{hw.name}.toml"),
                "pn": hw.pn,
                "axi_bytes": hw.axi_data_bytes,
                "axi_ports": hw.axi_ports,
            }
        module = top or f"peritus_{block}"
        run_bench(
            module,
            [*design_files(module, hw, [resource("sim/models"), *folders]), waivers()],
            f"tests.rtl.benches.bench_{block}",
            parameters=parameters or {},
            public_depth=public_depth,
            flags=flags,
            plusargs={**shape, **(parameters or {}), **plusargs},
        )

    return launch
