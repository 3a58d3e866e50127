# SPDX-License-Identifier: Apache-2.0
"""Verilate and compile a design together with its C++ harness, once for each content.

    library = verilate("accelerator", sources, include_dirs=[...], cpp_sources=[harness], kind=SHARED_LIBRARY)

The generated class is always `Vtop` (`#include "Vtop.h"`), whatever the top module's name. Flags for speed:
FAST_FLAGS (long runs of trusted RTL); for benches: CHECK_FLAGS (assertions on, what is undefined is random).
What registers hold at power-up is decided when a simulation starts, by its VerilatedContext or, for an
executable, by +verilator+rand+reset+N and +verilator+seed+N.
No flag set enables delays (`--no-timing`): RTL has none, and the harness or cocotb makes the clock.
"""

import enum
import functools
import hashlib
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from peritus.cache import ContentCache, digest, open_cache
from peritus.eda.process import run_step
from peritus.eda.sources import tool_names
from peritus.eda.verilator.install import (
    processor,
    toolchain_identity,
    verilator_command,
    verilator_environment,
    verilator_root,
)
from peritus.eda.verilator.shared import COMPILATION, HEADER, precompilation, runtime_objects
from peritus.resources import cache_dir as default_cache_dir

JOBS = 2
BUILD_TIMEOUT_S = 1800.0
FAST_FLAGS = ("--no-assert", "--x-assign", "fast")
CHECK_FLAGS = ("--assert", "--x-assign", "unique")
# Nothing is built twice in one folder: no dependencies, which would name files by their full path.
_COMMON_FLAGS = ("-O3", "--no-timing", "--no-MMD", "--prefix", "Vtop", "--quiet", "--x-initial", "unique")
# Of a size that g++ optimizes well: smaller functions, and whole ones, simulate slower.
_FUNCTIONS = ("--output-split-cfuncs", "20000")
# Always one compilation: parts would each read the design's header, a tenth of the work.
_UNSPLIT = ("--output-split", "0")
# Value numbering looks this far for the store that a load reads, by default 1000: most of the time of
# compiling our longest functions, for no faster code.
_BOUNDS = "--param sccvn-max-alias-queries-per-access=50"
# STB_GNU_UNIQUE symbols would join the models of two libraries loaded into one process.
_CFLAGS_SHARED = ("-fPIC", "-fno-gnu-unique")
_LDFLAGS_SHARED = ("-shared", "-Wl,-Bsymbolic")
_HDL_SUFFIXES = {".sv", ".svh", ".v", ".vh"}
_CPP_SUFFIXES = {".h", ".hpp", ".inc", ".cpp", ".cc"}

VERILATOR, SOURCES = "verilator", Path("source")  # links in the folder that is built in

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
    link_dirs: tuple[Path, ...]
    link_flags: tuple[str, ...]
    optimization: str
    kind: BuildKind

    def content(self) -> dict[str, object]:
        """All flags, the names and contents of all files, and the processor if it is for this one."""
        files = [*self.sources, *self.cpp_sources]
        for folders, suffixes in ((self.include_dirs, _HDL_SUFFIXES), (self.cpp_include_dirs, _CPP_SUFFIXES)):
            for folder in folders:
                files += sorted(path for path in folder.rglob("*") if path.suffix in suffixes)
        return {
            "processor": processor() if "native" in self.optimization else platform.machine(),
            "top": self.top,
            "kind": self.kind.value,
            "flags": [
                self.verilator_flags,
                self.cpp_flags,
                self.link_flags,
                self.optimization,
                _COMMON_FLAGS,
                _FUNCTIONS,
                _UNSPLIT,
                _BOUNDS,
            ],
            "files": [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files],
        }


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
    link_dirs: Sequence[Path] = (),
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
        link_dirs: where libraries of `link_flags` are looked for.
        optimization: compiler options of all hot code.
        cache_dir: default `peritus.resources.cache_dir()`.
        timeout_s: limit for the build, and for waiting on another process that builds the same.

    Returns:
        Path of the shared library or executable in the cache. Do not modify it.

    Raises:
        BuildError: Verilator or the compiler failed or took too long; carries the end of the log.
        ToolNotFound: Verilator, g++ or make is missing, and so is the product.
        CacheLockTimeout: another process builds the same content for longer than `timeout_s`.
        CacheNotWritable: it must be built, and the cache cannot be written.
        FileNotFoundError: a source file or folder does not exist.
    """
    for path in (*sources, *include_dirs, *cpp_sources, *cpp_include_dirs, *link_dirs):
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
        link_dirs=tuple(path.resolve() for path in link_dirs),
        link_flags=(*link_flags, *(_LDFLAGS_SHARED if shared else ())),
        optimization=optimization,
        kind=kind,
    )
    content = digest(request.content())
    log = (cache_dir or default_cache_dir()) / "logs" / f"{top}-{content[:12]}.log"
    build = functools.partial(
        _build, request, log, open_cache("objects", cache_dir), timeout_s, progress or (lambda _: None)
    )
    entry = open_cache("verilated", cache_dir).get(
        content, build, lock_timeout_s=timeout_s, tools=toolchain_identity
    )
    return entry / kind.value


def _literal(value: Parameter) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class _Names:
    """What the tools call the files that a design is made from: see `peritus.eda.sources.tool_names`."""

    sources: list[Path]
    include_dirs: list[str]
    cpp_include_dirs: list[str]
    link_dirs: list[str]


def _gather(request: _Request, work: Path) -> _Names:
    """Links in `work`, under names that make can write, to all that the tools read."""
    (work / VERILATOR).symlink_to(verilator_root())
    files = [*request.cpp_sources, *request.sources]
    names = [SOURCES / name for name in tool_names(files)]
    for name, file in dict(zip(names, files, strict=True)).items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).symlink_to(file)

    def folders(kind: str, targets: Sequence[Path]) -> list[str]:
        linked = [f"{kind}{index}" for index in range(len(targets))]
        for name, target in zip(linked, targets, strict=True):
            (work / name).symlink_to(target)
        return linked

    return _Names(
        names,
        folders("include", request.include_dirs),
        folders("cpp_include", request.cpp_include_dirs),
        folders("link", request.link_dirs),
    )


def _build(
    request: _Request,
    log: Path,
    objects: ContentCache,
    timeout_s: float,
    progress: Callable[[BuildProgress], None],
    draft: Path,
) -> None:
    """Fill `draft` with the product; what the tools say goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    work = draft / "obj"
    work.mkdir()
    names = _gather(request, work)
    env = {**verilator_environment(), "VERILATOR_ROOT": VERILATOR}

    def run(what: str, command: list[str], on_line: Callable[[str], object] = lambda line: None) -> None:
        step = f"{what} of {request.top!r}"
        run_step(step, command, cwd=work, log=log, timeout_s=timeout_s, env=env, on_line=on_line)

    progress(BuildProgress(request.top, 0, 0))
    run(
        "verilation",
        [
            *verilator_command(),
            *("--cc", "--exe", "-Mdir", ".", "--top-module", request.top, "-o", request.kind.value),
            *_COMMON_FLAGS,
            *_FUNCTIONS,
            *request.verilator_flags,
            *_UNSPLIT,
            *(f"-I{folder}" for folder in names.include_dirs),
            *map(str, names.sources),
        ],
    )
    cflags = " ".join([*(f"-I{folder}" for folder in names.cpp_include_dirs), *request.cpp_flags])
    libraries = " ".join([*(f"-L{folder}" for folder in names.link_dirs), *request.link_flags])
    optimization = f"{request.optimization} {_BOUNDS}"
    make = [
        *("make", "--no-print-directory", "-f", "Vtop.mk", f"-j{JOBS}"),
        "CURDIR=.",  # which Verilator's makefile refuses if it has a space; it names nothing by it
        *(f"OPT_FAST={optimization}", f"OPT_GLOBAL={optimization}"),
        *(f"USER_CPPFLAGS={cflags}", f"USER_LDLIBS={libraries}"),
    ]
    plan: list[str] = []
    run("planning", [*make, "--dry-run"], plan.append)
    runtime = runtime_objects(plan)
    for name, key in runtime.items():
        if (found := objects.find(key)) is not None:
            shutil.copy(found / name, work / name)  # newer than the makefile, so make keeps it
    headers = precompilation(plan)

    def precompile(entry: Path) -> None:
        (work / HEADER).write_text(headers.text)
        run("precompilation of headers", headers.command)
        for name in (HEADER, f"{HEADER}.gch"):
            shutil.move(work / name, entry / name)

    (work / "headers").symlink_to(objects.get(headers.key, precompile, lock_timeout_s=timeout_s))
    make.append(f"OPT_FAST={optimization} -Winvalid-pch -include headers/{HEADER}")
    total = sum(1 for line in plan if COMPILATION.search(line.rstrip()))
    done = sum(1 for name in runtime if (work / name).is_file())

    def count(line: str) -> None:
        nonlocal done
        if COMPILATION.search(line.rstrip()):
            done += 1  # started rather than finished: make prints the command first
            progress(BuildProgress(request.top, min(done, total), total))

    run("compilation", make, count)
    for name, key in runtime.items():
        keep = functools.partial(_keep, work / name)
        objects.get(key, keep, lock_timeout_s=timeout_s)
    (work / request.kind.value).rename(draft / request.kind.value)
    shutil.rmtree(work)


def _keep(file: Path, entry: Path) -> None:
    shutil.copy(file, entry / file.name)
