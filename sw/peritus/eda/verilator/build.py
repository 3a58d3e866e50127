# SPDX-License-Identifier: Apache-2.0
"""Verilate and compile a design together with its C++ harness, once for each content.

    library = verilate("accelerator", sources, include_dirs=[...], cpp_sources=[harness], kind=SHARED_LIBRARY)

The generated class is always `Vtop` (`#include "Vtop.h"`), whatever the top module's name. Flags for speed:
FAST_FLAGS (long runs of trusted RTL); for benches: CHECK_FLAGS (assertions on, uninitialized state random).
No flag set enables delays (`--no-timing`): RTL has none, and the harness or cocotb makes the clock.
"""

import enum
import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from peritus.eda.cache import ContentCache
from peritus.eda.process import run_step
from peritus.eda.verilator.install import (
    toolchain_identity,
    verilator_command,
    verilator_environment,
)
from peritus.eda.verilator.shared import COMPILATION, precompilation, publish, runtime_objects
from peritus.resources import cache_dir as default_cache_dir

JOBS = 2
BUILD_TIMEOUT_S = 1800.0
FAST_FLAGS = ("--no-assert", "--x-assign", "fast", "--x-initial", "fast")
CHECK_FLAGS = ("--assert", "--x-assign", "unique", "--x-initial", "unique")
_COMMON_FLAGS = ("-O3", "--no-timing", "--prefix", "Vtop", "--quiet")
# STB_GNU_UNIQUE symbols would join the models of two libraries loaded into one process.
_CFLAGS_SHARED = ("-fPIC", "-fno-gnu-unique")
_LDFLAGS_SHARED = ("-shared", "-Wl,-Bsymbolic")
_HDL_SUFFIXES = {".sv", ".svh", ".v", ".vh"}
_CPP_SUFFIXES = {".h", ".hpp", ".inc", ".cpp", ".cc"}

Parameter = int | str | bool


class BuildKind(enum.Enum):
    """What `verilate` returns the path of; the value is the file's name."""

    SHARED_LIBRARY = "libVtop.so"
    EXECUTABLE = "Vtop"


@dataclass(frozen=True)
class BuildProgress:
    """How far a build is: `done` of `total` C++ compilations; total is 0 while Verilator runs."""

    top: str
    done: int
    total: int


@dataclass(frozen=True)
class _Request:
    """Everything that a product is made from."""

    top: str
    sources: tuple[Path, ...]
    include_dirs: tuple[Path, ...]
    verilator_flags: tuple[str, ...]
    cpp_sources: tuple[Path, ...]
    cpp_include_dirs: tuple[Path, ...]
    cpp_flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    optimization: str
    kind: BuildKind

    def key(self) -> str:
        """Hash over all flags, the tools, and the names and contents of all files."""
        files = [*self.sources, *self.cpp_sources]
        for folders, suffixes in ((self.include_dirs, _HDL_SUFFIXES), (self.cpp_include_dirs, _CPP_SUFFIXES)):
            for folder in folders:
                files += sorted(path for path in folder.rglob("*") if path.suffix in suffixes)
        description = {
            "tools": toolchain_identity(),
            "top": self.top,
            "kind": self.kind.value,
            "flags": [
                self.verilator_flags,
                self.cpp_flags,
                self.link_flags,
                self.optimization,
                _COMMON_FLAGS,
            ],
            "files": [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files],
        }
        return hashlib.sha256(json.dumps(description).encode()).hexdigest()[:32]


def verilate(
    top: str,
    sources: Sequence[Path],
    *,
    include_dirs: Sequence[Path] = (),
    parameters: Mapping[str, Parameter] | None = None,
    defines: Mapping[str, Parameter] | None = None,
    flags: Sequence[str] = FAST_FLAGS,
    trace: bool = False,
    cpp_sources: Sequence[Path] = (),
    cpp_include_dirs: Sequence[Path] = (),
    cpp_flags: Sequence[str] = (),
    link_flags: Sequence[str] = (),
    optimization: str = "-O3 -march=native",
    kind: BuildKind = BuildKind.SHARED_LIBRARY,
    cache_dir: Path | None = None,
    timeout_s: float = BUILD_TIMEOUT_S,
    progress: Callable[[BuildProgress], None] | None = None,
) -> Path:
    """Build `top` unless a product of the same content exists.

    Args:
        top: name of the top module; `parameters` are its parameters (a str is passed as SystemVerilog text).
        sources: SystemVerilog files in compilation order, packages first; .vlt control files too.
        flags: FAST_FLAGS or CHECK_FLAGS, possibly with more Verilator options.
        trace: with FST waveforms (slower; the harness writes them by `verilated_fst_c.h`).
        cpp_sources: harness; may include "Vtop.h", and headers of `cpp_include_dirs`.
        optimization: compiler options of all hot code.
        cache_dir: default `peritus.resources.cache_dir()`.
        timeout_s: limit for the build, and for waiting on another process that builds the same.

    Returns:
        Path of the shared library or executable in the cache. Do not modify it.

    Raises:
        BuildError: Verilator or the compiler failed or took too long; carries the end of the log.
        ToolNotFound: Verilator, g++ or make is missing.
        CacheLockTimeout: another process builds the same content for longer than `timeout_s`.
        FileNotFoundError: a source file or folder does not exist.
    """
    for path in (*sources, *include_dirs, *cpp_sources, *cpp_include_dirs):
        if not path.exists():
            raise FileNotFoundError(f"source of {top!r} does not exist: {path}")
    options = [
        *flags,
        *(f"-G{name}={_literal(value)}" for name, value in (parameters or {}).items()),
        *(f"-D{name}={_literal(value)}" for name, value in (defines or {}).items()),
        *(["--trace-fst"] if trace else []),
    ]
    shared = kind is BuildKind.SHARED_LIBRARY
    request = _Request(
        top=top,
        sources=tuple(path.resolve() for path in sources),
        include_dirs=tuple(path.resolve() for path in include_dirs),
        verilator_flags=tuple(options),
        cpp_sources=tuple(path.resolve() for path in cpp_sources),
        cpp_include_dirs=tuple(path.resolve() for path in cpp_include_dirs),
        cpp_flags=(*cpp_flags, *(_CFLAGS_SHARED if shared else ())),
        link_flags=(*link_flags, *(_LDFLAGS_SHARED if shared else ())),
        optimization=optimization,
        kind=kind,
    )
    root = cache_dir or default_cache_dir()
    key = request.key()
    log = root / "logs" / f"{top}-{key[:12]}.log"
    report = progress or (lambda _: None)
    build = functools.partial(_build, request, log, root / "objects", timeout_s, report)
    entry = ContentCache(root / "verilated").get(key, build, lock_timeout_s=timeout_s)
    return entry / kind.value


def _literal(value: Parameter) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _build(
    request: _Request,
    log: Path,
    objects: Path,
    timeout_s: float,
    progress: Callable[[BuildProgress], None],
    draft: Path,
) -> None:
    """Fill `draft` with the product; what the tools say goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    work = draft / "obj"
    work.mkdir()
    env = verilator_environment()

    def run(what: str, command: list[str], on_line: Callable[[str], None] | None = None) -> None:
        step = f"{what} of {request.top!r}"
        run_step(step, command, cwd=work, log=log, timeout_s=timeout_s, env=env, on_line=on_line)

    progress(BuildProgress(request.top, 0, 0))
    run(
        "verilation",
        [
            *verilator_command(),
            *("--cc", "--exe", "-Mdir", ".", "--top-module", request.top, "-o", request.kind.value),
            *_COMMON_FLAGS,
            *request.verilator_flags,
            *(f"-I{folder}" for folder in request.include_dirs),
            *(str(path) for path in (*request.cpp_sources, *request.sources)),
        ],
    )
    cflags = " ".join([*(f"-I{folder}" for folder in request.cpp_include_dirs), *request.cpp_flags])
    make = [
        *("make", "--no-print-directory", "-f", "Vtop.mk", f"-j{JOBS}"),
        *(f"OPT_FAST={request.optimization}", f"OPT_GLOBAL={request.optimization}"),
        *(f"USER_CPPFLAGS={cflags}", f"USER_LDLIBS={' '.join(request.link_flags)}"),
    ]
    plan: list[str] = []
    run("planning", [*make, "--dry-run"], plan.append)
    runtime = runtime_objects(plan)
    for name, key in runtime.items():
        if (objects / key).is_file():
            shutil.copy(objects / key, work / name)  # newer than the makefile, so make keeps it
    headers = precompilation(plan)
    if headers is not None:
        header = objects / f"{headers.key}.h"
        if not header.with_suffix(".h.gch").is_file():
            (work / "headers.h").write_text(headers.text)
            run("precompilation of headers", headers.command)
            publish(work / "headers.h", header)
            publish(work / "headers.h.gch", header.with_suffix(".h.gch"))
        make.append(f"OPT_FAST={request.optimization} -Winvalid-pch -include {header}")
    total = sum(1 for line in plan if COMPILATION.search(line.rstrip()))
    done = sum(1 for name in runtime if (work / name).is_file())

    def count(line: str) -> None:
        nonlocal done
        if COMPILATION.search(line.rstrip()):
            done += 1  # started rather than finished: make prints the command first
            progress(BuildProgress(request.top, min(done, total), total))

    run("compilation", make, count)
    for name, key in runtime.items():
        publish(work / name, objects / key)
    (work / request.kind.value).rename(draft / request.kind.value)
    shutil.rmtree(work)
