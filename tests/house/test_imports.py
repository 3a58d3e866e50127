# SPDX-License-Identifier: Apache-2.0
"""Data flows one way, and so do imports.

UPSTREAM is the whole rule: a package may import the ones that it lists, and itself. The bundle is the border:
what runs a bundle (devices, driver) knows neither graphs nor PyTorch.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Imported by everything: no knowledge of their own.
COMMON = {"errors", "image", "resources"}
UPSTREAM: dict[str, set[str]] = {
    "errors": set(),
    "image": set(),
    "resources": set(),
    "program": {"hw"},
    "reference": {"hw", "program"},
    "hw": {"program", "reference"},
    "toolchain": {"hw"},
    "ir": {"reference"},
    "frontends": {"ir", "reference"},
    "passes": {"ir", "reference"},
    "compiler": {"ir", "passes", "reference", "hw", "program"},
    "driver": {"program", "hw"},
    "link": {"program", "driver"},
    "devices": {"program", "hw", "reference", "toolchain", "driver", "link"},
    "evaluation": {"ir", "devices", "reference", "program", "hw"},
    "report": {"program", "hw", "devices"},
    "build": {"demo", "program", "hw", "link", "toolchain"},
    "demo": set(),
    "api": {"program", "hw", "devices", "compiler", "ir", "frontends"},
    "cli": {
        "api",
        "build",
        "demo",
        "program",
        "hw",
        "devices",
        "driver",
        "compiler",
        "ir",
        "frontends",
        "passes",
        "reference",
        "evaluation",
        "report",
    },
}
# Heavy packages and who may import them.
TRAINING = {"torch", "torchvision", "brevitas", "qonnx", "onnx", "onnxruntime", "onnxscript"}
TRAINING_USERS = {"frontends"}
# Commands of the training side import it, and quant_models, inside the function that needs them.
COMMANDS = {"cli"}
# What the base install has; anything else is imported inside the function that needs it.
BASE = {"numpy", "PIL", "rich", "safetensors", "typer"}
# Modules that need more: only development runs (`make generated`) or functions may import them.
DEVELOPMENT = {
    "peritus.codegen.csr": {"peakrdl_regblock", "systemrdl"},
    "peritus.runtime.pynq.ip": {"pynq"},
    "peritus.runtime.virtual.soc": {"pynq", "pynqmetadata"},
    "peritus.runtime.virtual.pynq_board": {"pynq", "peritus.runtime.virtual.soc"},
    "pynq_null": {"pynq", "peritus.runtime.virtual.soc"},
}


def modules(repository: Path) -> list[Path]:
    found = sorted((repository / "sw" / "peritus").rglob("*.py"))
    assert len(found) > 10
    return found


def owner(repository: Path, module: Path) -> str:
    """The package directly below peritus that a file belongs to; '' for peritus/__init__.py."""
    relative = module.relative_to(repository / "sw" / "peritus")
    first = relative.parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imports(tree: ast.AST, top_level_only: bool = False) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import; with `top_level_only` only what importing the file runs."""
    nodes = list(tree.body) if top_level_only and isinstance(tree, ast.Module) else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            module = node.module or ""
            if module == "peritus":
                yield from ((node.lineno, f"peritus.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, module


def test_imports_go_upstream(repository: Path) -> None:
    wrong = []
    for module in modules(repository):
        package = owner(repository, module)
        if not package:
            continue
        assert package in UPSTREAM, f"peritus.{package} has no rule in UPSTREAM"
        allowed = UPSTREAM[package] | COMMON | {package}
        for line, name in imports(ast.parse(module.read_text())):
            parts = name.split(".")
            training = parts[0] == "quant_models" and package not in COMMANDS
            if training or (parts[0] == "peritus" and parts[1] not in allowed):
                wrong.append(f"{module.relative_to(repository)}:{line}: peritus.{package} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_only_front_ends_know_training_frameworks(repository: Path) -> None:
    wrong = [
        f"{module.relative_to(repository)}:{line}: {name}"
        for module in modules(repository)
        if owner(repository, module) not in TRAINING_USERS | COMMANDS
        for line, name in imports(ast.parse(module.read_text()))
        if name.split(".")[0] in TRAINING
    ]
    assert not wrong, "\n".join(wrong)


def test_importing_needs_only_the_base_install(repository: Path) -> None:
    known = BASE | {"peritus"} | set(sys.stdlib_module_names)
    wrong = []
    for module in modules(repository):
        if owner(repository, module) in TRAINING_USERS:
            continue
        dotted = ".".join(module.relative_to(repository / "sw").with_suffix("").parts)
        allowed = known | DEVELOPMENT.get(dotted, set())
        for line, name in imports(ast.parse(module.read_text()), top_level_only=True):
            if name not in allowed and (name.split(".")[0] not in allowed or name in DEVELOPMENT):
                wrong.append(f"{module.relative_to(repository)}:{line}: {name}")
    assert not wrong, "import these inside the function that needs them:\n" + "\n".join(wrong)


@pytest.mark.parametrize("runner", ["devices", "driver"])
def test_the_bundle_is_the_border(runner: str) -> None:
    """The rule table itself keeps graphs out of what runs a bundle, also indirectly."""
    reached, todo = set(), [runner]
    while todo:
        package = todo.pop()
        if package not in reached:
            reached.add(package)
            todo += UPSTREAM[package]
    assert not reached & {"ir", "passes", "compiler", "frontends"}
