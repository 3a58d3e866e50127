# SPDX-License-Identifier: Apache-2.0
"""C simulation of the HLS kernels: g++ instead of Vitis, once for each content.

The arbitrary-precision types are AMD's own headers (Apache-2.0), which the package hls4ml carries; nothing
else of that package is used, and it is not imported.
"""

import hashlib
import importlib.util
import platform
from importlib.metadata import version
from pathlib import Path

from peritus.arch.config import HwConfig
from peritus.cache import digest, open_cache
from peritus.codegen.configured import configured
from peritus.eda.errors import ToolNotFound
from peritus.eda.process import run_step
from peritus.eda.verilator.install import CXX, compiler_identity
from peritus.resources import resource

LIBRARY = "libcsim.so"
TIMEOUT_S = 600.0
FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror")
# Pragmas are for Vitis; default constructors of the arbitrary-precision types read what they then overwrite.
WAIVERS = ("-Wno-unknown-pragmas", "-Wno-uninitialized", "-Wno-maybe-uninitialized")


def ap_types() -> Path:
    """Folder of ap_int.h and hls_stream.h.

    Raises:
        ToolNotFound: hls4ml is not installed.
    """
    spec = importlib.util.find_spec("hls4ml")
    if spec is None or spec.origin is None:
        raise ToolNotFound("headers of ap_int are not installed: pip install --no-deps 'hls4ml==1.3.0'")
    return Path(spec.origin).parent / "templates" / "vivado" / "ap_types"


def csim_library(hw: HwConfig, *, cache_dir: Path | None = None, timeout_s: float = TIMEOUT_S) -> Path:
    """Shared library with the kernels of configuration `hw` behind the C interface of hls/csim/csim.cpp.

    Raises:
        BuildError: the compiler failed or took longer than `timeout_s`; carries the end of its log.
        ToolNotFound: g++ or the headers are missing, and so is the library.
    """
    root = resource("hls")
    headers = [root / "include", root / "generated", configured(hw)]
    sources = sorted([*(root / "src").glob("*.cpp"), *(root / "csim").glob("*.cpp")])
    files = [*sources, *(path for folder in headers for path in sorted(folder.glob("*.hpp")))]
    contents = [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    content = digest([FLAGS, WAIVERS, contents, platform.machine()])
    cache = open_cache("csim", cache_dir)

    def tools() -> list[str]:
        ap_types()
        return [compiler_identity(), version("hls4ml")]

    def build(draft: Path) -> None:
        log = cache.root / f"{hw.name}-{content[:12]}.log"
        log.write_text("")
        command = [CXX, *FLAGS, *WAIVERS, "-isystem", str(ap_types())]
        command += [*(f"-I{folder}" for folder in headers), *map(str, sources), "-o", LIBRARY]
        run_step(f"C simulation for {hw.name}: {CXX}", command, cwd=draft, log=log, timeout_s=timeout_s)
        log.unlink()

    return cache.get(content, build, lock_timeout_s=timeout_s, tools=tools) / LIBRARY
