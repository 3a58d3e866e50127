# SPDX-License-Identifier: Apache-2.0
"""Run a cocotb bench on a Verilated design, rebuilt only when its content changed.

    run_cocotb("fifo", [resource("rtl/common/peritus_fifo.sv")], "sim.benches.fifo", parameters={"Depth": 4})

The bench module is imported inside the simulator. Write it so that it stays fast:
- clock: `Clock(dut.clk_i, 10, unit="ns").start()` runs in C++ (about 4x faster than a Python loop);
- wait with `Timer`/`ClockCycles` in long stretches; a `RisingEdge` each cycle costs about 10 us;
- only ports of the top module are visible unless `public_depth` says otherwise; ports that are unpacked
  arrays or packed structs are reachable as in any cocotb bench;
- registers start random by `seed`, so a missing reset shows;
- random numbers: use `random`, which cocotb seeds with `seed`.
"""

import os
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from peritus.eda.errors import ToolNotFound, log_tail
from peritus.eda.process import ProcessTimeout, run_logged
from peritus.eda.verilator.build import CHECK_FLAGS, BuildKind, Parameter, verilate
from peritus.resources import cache_dir as default_cache_dir
from peritus.resources import how_to_install


class BenchFailure(AssertionError):
    """A cocotb bench failed, ran no test, crashed or timed out; the message ends with its log."""


@dataclass(frozen=True)
class BenchResult:
    """One passed cocotb test."""

    name: str
    simulated_ns: float
    seconds: float


def run_cocotb(
    top: str,
    sources: Sequence[Path],
    test_module: str,
    *,
    parameters: Mapping[str, Parameter] | None = None,
    defines: Mapping[str, Parameter] | None = None,
    include_dirs: Sequence[Path] = (),
    flags: Sequence[str] = CHECK_FLAGS,
    testcase: str | None = None,
    plusargs: Mapping[str, Parameter] | None = None,
    seed: int = 1,
    timeout_s: float = 300.0,
    public_depth: int | None = 1,
    waves: bool = False,
    cache_dir: Path | None = None,
) -> list[BenchResult]:
    """Build `top` (see `verilate`) and run the cocotb tests of `test_module` on it.

    Args:
        test_module: dotted name, importable with this process's `sys.path`.
        testcase: run only this test of the module.
        plusargs: handed to the bench, which reads `cocotb.plusargs[name]`.
        seed: of the bench's `random` and of the uninitialized registers.
        timeout_s: limit for the simulation in seconds of wall-clock time (the build has its own).
        public_depth: levels of hierarchy that the bench sees; 1 = ports and signals of the top module,
            None = everything (slower).
        waves: write `dump.fst` into the run folder, `<cache>/cocotb/<top>-<hash>/`.

    Returns:
        The tests that ran, all passed.

    Raises:
        BenchFailure: a test failed, none ran, or the simulator crashed or exceeded `timeout_s`.
        BuildError: the design does not build.
        ToolNotFound: cocotb or a shared Python library is missing.
    """
    try:
        import cocotb_tools.config as cocotb_config
        import find_libpython
    except ImportError:
        raise ToolNotFound(f"cocotb is not installed: {how_to_install('sim')}") from None
    libpython = find_libpython.find_libpython()
    if libpython is None:
        raise ToolNotFound(
            f"{sys.executable} has no shared libpython, which cocotb loads: install libpython3"
        )

    libraries = Path(cocotb_config.libs_dir)
    visibility = ["--public-flat-rw"] if public_depth is None else ["--public-depth", str(public_depth)]
    simulator = verilate(
        top,
        sources,
        include_dirs=include_dirs,
        parameters=parameters,
        defines=defines,
        flags=[*flags, "--vpi", *visibility],
        trace=waves,
        cpp_sources=[Path(cocotb_config.share_dir) / "lib" / "verilator" / "verilator.cpp"],
        link_dirs=[libraries],
        link_flags=["-lcocotbvpi_verilator"],
        optimization="-O1",
        kind=BuildKind.EXECUTABLE,
        cache_dir=cache_dir,
    )
    arguments = [f"+{name}={value}" for name, value in (plusargs or {}).items()]
    run_id = sha256(repr((simulator, test_module, testcase, arguments, seed, waves)).encode()).hexdigest()[
        :12
    ]
    folder = (cache_dir or default_cache_dir()) / "cocotb" / f"{top}-{run_id}"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "sim.log"
    results = folder / "results.xml"
    for stale in (log, results):
        stale.unlink(missing_ok=True)

    inherited = [path] if (path := os.environ.get("LD_LIBRARY_PATH")) else []
    env = {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join([str(libraries), *inherited]),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{libpython};{cocotb_config.pygpi_entry_point()}",
        "COCOTB_TOPLEVEL": top,
        "COCOTB_TEST_MODULES": test_module,
        "COCOTB_RANDOM_SEED": str(seed),
        "COCOTB_RESULTS_FILE": str(results),
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        # By default all imports are parsed for assertions, NumPy too: most of the time of a short bench.
        "COCOTB_REWRITE_ASSERTION_FILES": f"{test_module.rpartition('.')[2]}.py",
        "COCOTB_ANSI_OUTPUT": "0",
        "TOPLEVEL_LANG": "verilog",
    }
    if testcase:
        env["COCOTB_TEST_FILTER"] = rf"\.{testcase}$"
    reset_values = [f"+verilator+seed+{seed % (2**31 - 1) + 1}", "+verilator+rand+reset+2"]
    command = [str(simulator), *(["--trace"] if waves else []), *reset_values, *arguments]
    title = (
        f"{top}: {test_module}"
        + (f".{testcase}" if testcase else "")
        + (f" {dict(parameters)}" if parameters else "")
    )
    try:
        status = run_logged(command, cwd=folder, log=log, timeout_s=timeout_s, env=env)
    except ProcessTimeout as error:
        raise BenchFailure(f"{title}: {error}, which ends:\n{log_tail(log)}") from None
    if not results.is_file():
        raise BenchFailure(f"{title}: simulator ended with status {status}; log {log} ends:\n{log_tail(log)}")
    passed, failed = _read(results)
    if failed or status != 0 or not passed:
        what = (
            f"failed: {', '.join(failed)}" if failed else "ran no test" if not passed else f"status {status}"
        )
        raise BenchFailure(f"{title}: {what}; log {log} ends:\n{log_tail(log)}")
    return passed


def _read(results: Path) -> tuple[list[BenchResult], list[str]]:
    """Passed tests and names of failed ones in a JUnit file of cocotb; skipped tests are in neither."""
    passed: list[BenchResult] = []
    failed: list[str] = []
    for case in ElementTree.parse(results).getroot().iter("testcase"):
        name = case.get("name", "?")
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif case.find("skipped") is None:
            duration = next(node for node in case.iter("property") if node.get("name") == "sim_time_duration")
            passed.append(
                BenchResult(name, float(duration.get("value", "nan")), float(case.get("time", "nan")))
            )
    return passed, failed
