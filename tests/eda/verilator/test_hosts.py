# SPDX-License-Identifier: Apache-2.0
"""Simulators on hosts as they are: any path, damaged files, no compiler, builds cut short."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from peritus.arch.config import load_config
from peritus.cache import is_whole
from peritus.eda.sources import TOP, design_files, tool_names
from peritus.eda.verilator import verilate

TOY = Path(__file__).parent / "toy"
# Everything that a shell, make, Tcl, a linker or a list of paths could take for something else.
ODD = "two  spaces, 'quotes\" $HOME #1 %d;:&|* \\ (ü✓)\n-x"


def build(folder: Path, cache: Path, unique: int = 0) -> Path:
    """The toy from copies of its sources in `folder`."""
    for name in ("axi_registers.sv", "axi_registers.cpp"):
        (folder / name).write_text((TOY / name).read_text())
    (folder / "included").mkdir(exist_ok=True)
    (folder / "included" / "unique.vh").write_text(f"`define UNIQUE {unique}\n")
    (folder / "included" / "unique.hpp").write_text("constexpr int UNIQUE = 1;\n")
    design, harness = folder / "axi_registers.sv", folder / "axi_registers.cpp"
    design.write_text(f'`include "unique.vh"\n{design.read_text()}')
    harness.write_text(f'#include "unique.hpp"\n{harness.read_text()}')
    included = [folder / "included"]
    return verilate(
        "axi_registers",
        [design],
        cpp_sources=[harness],
        include_dirs=included,
        cpp_include_dirs=included,
        link_dirs=included,
        optimization="-O0",
        cache_dir=cache,
    )


def works(library: Path) -> bool:
    call = ctypes.CDLL(str(library)).write_read
    call.restype = ctypes.c_uint32
    return int(call(ctypes.c_uint32(1234), b"")) == 1234


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the tests that leave it whole."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.sim
def test_sources_and_cache_in_any_path(tmp_path: Path) -> None:
    odd = tmp_path / ODD
    odd.mkdir()
    assert works(build(odd, odd / "cache"))


def test_names_for_tools_are_plain_and_differ(tmp_path: Path) -> None:
    files = [tmp_path / ODD / "x.sv", tmp_path / ODD.replace("ü", "$") / "x.sv", tmp_path / "x.sv"]
    names = tool_names(files)
    assert len(set(names)) == 3
    assert all(str(name).isascii() and not set(str(name)) & set(" '\"$#%;:&|*\\()\n") for name in names)
    assert tool_names([*files, files[0]])[3] == names[0]
    own = tool_names(design_files(TOP, load_config("nano")))
    assert len(set(own)) == len(own) and all(not name.is_absolute() for name in own)


@pytest.mark.sim
def test_a_truncated_library_is_built_again(tmp_path: Path, cache: Path) -> None:
    library = build(tmp_path, cache)
    size = library.stat().st_size
    os.truncate(library, 8192)
    assert build(tmp_path, cache) == library
    assert library.stat().st_size == size and works(library)


@pytest.mark.sim
def test_truncated_objects_and_headers_are_made_again(tmp_path: Path, cache: Path) -> None:
    build(tmp_path, cache, 1)
    kept = [path for path in (cache / "objects").glob("*/*") if path.suffix in (".o", ".gch")]
    assert len(kept) >= 2
    for path in kept:
        os.truncate(path, 100)
    assert works(build(tmp_path, cache, 2))
    assert all(is_whole(path.parent) for path in kept)


BUILD = """
import sys
from pathlib import Path
from tests.eda.verilator.test_hosts import build, works
library = build(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
print(works(library))
"""


def child(folder: Path, cache: Path, unique: int, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILD, str(folder), str(cache), str(unique)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.sim
def test_without_a_compiler_the_product_is_used(tmp_path: Path, cache: Path) -> None:
    build(tmp_path, cache)
    said, wrong = child(tmp_path, cache, 0, PATH="").communicate(timeout=60)
    assert said == "True\n", wrong
    said, wrong = child(tmp_path, cache, 3, PATH="").communicate(timeout=60)
    assert "ToolNotFound: 'g++' is not on PATH: install g++" in wrong


def compilers(cache: Path) -> list[bytes]:
    """Command lines of the processes that work below `cache`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(cache):
                found.append((process / "cmdline").read_bytes())
        except OSError:  # it has ended
            pass
    return found


@pytest.mark.sim
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_build_cut_short(tmp_path: Path, number: signal.Signals) -> None:
    """Compilers end, and the next build has nothing to trip over."""
    cache = tmp_path / "cache"
    with child(tmp_path, cache, 0) as process:
        end = time.monotonic() + 60
        while not any(b"cc1plus" in command for command in compilers(cache)):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(20) == -number
    end = time.monotonic() + 20
    while compilers(cache):
        assert time.monotonic() < end, "compilers run on"
        time.sleep(0.02)
    drafts = list((cache / "verilated").glob(".draft-*"))
    assert len(drafts) == (number == signal.SIGKILL)
    if drafts:
        assert works(build(tmp_path, cache))
        assert not drafts[0].exists()
