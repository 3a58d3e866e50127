# SPDX-License-Identifier: Apache-2.0
"""C simulation of the HLS kernels: g++ instead of Vitis, once for each content.

The arbitrary-precision types are AMD's own headers (Apache-2.0), which the package hls4ml carries; nothing
else of that package is used, and it is not imported.
"""

import hashlib
import importlib.util
import json
from importlib.metadata import version
from pathlib import Path

from peritus.arch.config import HwConfig
from peritus.codegen.configured import configured
from peritus.eda.cache import ContentCache
from peritus.eda.errors import BuildError, ToolNotFound
from peritus.eda.process import ProcessTimeout, run_logged
from peritus.eda.verilator.install import CXX, compiler_identity
from peritus.resources import cache_dir as default_cache_dir
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
        ToolNotFound: g++ or the headers are missing.
    """
    types = ap_types()
    root = resource("hls")
    headers = [root / "include", root / "generated", configured(hw)]
    sources = sorted([*(root / "src").glob("*.cpp"), *(root / "csim").glob("*.cpp")])
    files = [*sources, *(path for folder in headers for path in sorted(folder.glob("*.hpp")))]
    contents = [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    identity = [compiler_identity(), version("hls4ml"), FLAGS, WAIVERS, contents]
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
    cache = (cache_dir or default_cache_dir()) / "csim"

    def build(draft: Path) -> None:
        log = cache / f"{hw.name}-{key[:12]}.log"
        log.write_text("")
        command = [CXX, *FLAGS, *WAIVERS, "-isystem", str(types)]
        command += [*(f"-I{folder}" for folder in headers), *map(str, sources), "-o", LIBRARY]
        try:
            status = run_logged(command, cwd=draft, log=log, timeout_s=timeout_s)
        except ProcessTimeout as error:
            raise BuildError(f"C simulation for {hw.name}: {error}", log) from error
        if status != 0:
            raise BuildError(f"C simulation for {hw.name}: {CXX} failed with status {status}", log)
        log.unlink()

    return ContentCache(cache).get(key, build, lock_timeout_s=timeout_s) / LIBRARY
