# SPDX-License-Identifier: Apache-2.0
"""The HLS twin (hls/) compiled for this machine: g++ instead of Vitis, once for each content.

The arbitrary-precision types of the exact binding are AMD's own headers (Apache-2.0), which the package
hls4ml carries; nothing else of that package is used, and it is not imported.
"""

import hashlib
import importlib.util
from collections.abc import Sequence
from enum import Enum
from importlib.metadata import version
from pathlib import Path

from peritus.arch.config import HwConfig
from peritus.cache import digest, open_cache
from peritus.codegen.configured import configured
from peritus.eda.errors import ToolNotFound
from peritus.eda.process import run_step
from peritus.eda.verilator.install import CXX, compiler_identity, processor
from peritus.resources import resource

LIBRARY = "libtwin.so"
TIMEOUT_S = 600.0
FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-fPIC",
    "-shared",
    "-fno-gnu-unique",
    "-Wall",
    "-Wextra",
    "-Werror",
)
# Pragmas are for Vitis; default constructors of the arbitrary-precision types read what they then overwrite.
WAIVERS = ("-Wno-unknown-pragmas", "-Wno-uninitialized", "-Wno-maybe-uninitialized")


class Binding(Enum):
    """What the integers of hls/include/integers.hpp are; the value is the macro that says so."""

    FAST = "PERITUS_FAST"  # machine integers
    CHECKED = "PERITUS_CHECKED"  # stops at a value that leaves its width
    EXACT = "PERITUS_EXACT"  # ap_int, as for Vitis


def ap_types() -> Path:
    """Folder of ap_int.h.

    Raises:
        ToolNotFound: hls4ml is not installed.
    """
    spec = importlib.util.find_spec("hls4ml")
    if spec is None or spec.origin is None:
        raise ToolNotFound("headers of ap_int are not installed: pip install --no-deps 'hls4ml==1.3.0'")
    return Path(spec.origin).parent / "templates" / "vivado" / "ap_types"


def include_folders(hw: HwConfig) -> list[Path]:
    """Where the headers of hls/ for a configuration are."""
    return [resource("hls/include"), resource("hls/generated"), configured(hw)]


def twin_sources() -> list[Path]:
    """What Vitis gets: the C++ files of the accelerator."""
    return sorted(resource("hls/src").glob("*.cpp"))


def twin_library(
    hw: HwConfig,
    binding: Binding = Binding.FAST,
    *,
    flags: Sequence[str] = (),
    cache_dir: Path | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Path:
    """Shared library of the twin of configuration `hw` behind the C interface of hls/csim/device.cpp.

    flags: further ones of the compiler.

    Raises:
        BuildError: the compiler failed or took longer than `timeout_s`; carries the end of its log.
        ToolNotFound: g++, or the headers of the exact binding, are missing, and so is the library.
        CacheError: it is not there and cannot be made.
    """
    folders = [*include_folders(hw), resource("sim")]
    sources = [*twin_sources(), resource("hls/csim/device.cpp")]
    files = [*sources, *(path for folder in folders for path in sorted(folder.glob("*.hpp")))]
    contents = [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    content = digest([FLAGS, WAIVERS, binding.value, list(flags), contents, processor()])
    cache = open_cache("csim", cache_dir)
    exact = binding is Binding.EXACT

    def tools() -> list[str]:
        if exact:
            ap_types()
        return [compiler_identity(), version("hls4ml") if exact else ""]

    def build(draft: Path) -> None:
        log = cache.root / f"{hw.name}-{content[:12]}.log"
        log.write_text("")
        command = [CXX, *FLAGS, *WAIVERS, *flags, f"-D{binding.value}", "-DPERITUS_WRITE_LOG"]
        command += ["-isystem", str(ap_types())] if exact else []
        command += [*(f"-I{folder}" for folder in folders), *map(str, sources), "-o", LIBRARY]
        run_step(f"HLS twin of {hw.name}: {CXX}", command, cwd=draft, log=log, timeout_s=timeout_s)
        log.unlink()

    return cache.get(content, build, lock_timeout_s=timeout_s, tools=tools) / LIBRARY
