# SPDX-License-Identifier: Apache-2.0
"""Data flows one way, and so do imports.

LAYERS is the whole rule: a package imports what stands below it, and itself; nothing beside it. The bundle is
the border: what runs a bundle knows neither graphs nor PyTorch.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

# From the top down; CONTRIBUTING.md says what each is for.
LAYERS = (
    ("cli", "finn", "pytest_plugin"),
    ("check", "serve", "bench"),
    ("api",),
    ("boards",),
    ("pages",),
    ("fuzz", "explore"),
    ("report", "evaluation", "debug", "cycles"),
    ("runtime",),
    ("devices",),
    ("eda",),
    ("codegen",),
    ("compiler", "frontends", "verifier"),
    ("bundle", "ir"),
    ("arch",),
    ("reference", "photo"),
    ("schema", "cache"),
    ("demo", "executors", "provenance", "resources", "tail", "tasks", "toml"),
    ("image", "onnx_session"),
    ("errors",),
)
HEIGHT = {package: -row for row, packages in enumerate(LAYERS) for package in packages}
# Below the border: may not know how a bundle came to be.
RUNNERS = ("runtime", "eda", "codegen", "verifier", "bundle", "arch")
GRAPHS = {"ir", "compiler", "frontends"}
LARGEST = 0.25  # of sw/, in lines of Python
# Heavy packages and who may import them.
TRAINING = {"torch", "torchvision", "brevitas", "qonnx", "onnx", "onnxruntime", "onnxscript"}
TRAINING_USERS = {"finn", "frontends", "onnx_session"}
# The same for the rooms of quant_models, which stands above peritus: peritus never imports it.
ROOMS = (
    ("cli",),
    ("processor", "study"),
    ("training",),
    ("quantization",),
    ("float_onnx",),
    ("checkpoints",),
    ("data",),
    ("network",),
)
# What the base install has; anything else is imported inside the function that needs it.
BASE = {"numpy", "PIL", "pydantic", "pydantic_core", "rich", "safetensors", "tomli", "typer"}
# Modules that need more: only development runs (`make generated`) or functions may import them.
DEVELOPMENT = {
    "peritus.pytest_plugin": {"pytest"},
    "peritus.codegen.csr": {"peakrdl_regblock", "systemrdl"},
    "peritus.runtime.pynq.ip": {"pynq"},
    "peritus.runtime.virtual.soc": {"pynq", "pynqmetadata"},
    "peritus.runtime.virtual.pynq_board": {"pynq", "peritus.runtime.virtual.soc"},
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


def test_layers_are_what_there_is(repository: Path) -> None:
    assert set(HEIGHT) == {owner(repository, module) for module in modules(repository)} - {""}


def test_contributing_lists_the_layers(repository: Path) -> None:
    rows = [
        line for line in (repository / "CONTRIBUTING.md").read_text().splitlines() if line.startswith("| `")
    ]
    listed = [[name.strip("`") for name in row.split("|")[1].strip().split(", ")] for row in rows]
    places = {name: index for index, names in enumerate(listed) for name in names}
    drawn = [package for packages in LAYERS[:-4] for package in packages]  # the rest are single files
    assert [name for name in drawn if name not in places] == []
    assert [places[name] for name in drawn] == sorted(places[name] for name in drawn)


def test_imports_go_down(repository: Path) -> None:
    wrong = []
    for module in modules(repository):
        package = owner(repository, module)
        for line, name in imports(ast.parse(module.read_text())):
            parts = name.split(".")
            above = parts[0] == "quant_models"
            if parts[0] == "peritus" and package and parts[1] != package:
                above = HEIGHT[parts[1]] >= HEIGHT[package]
                above = above or (package in RUNNERS and parts[1] in GRAPHS)
            if above:
                wrong.append(f"{module.relative_to(repository)}:{line}: peritus.{package} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_rooms_of_quant_models_go_down(repository: Path) -> None:
    folder = repository / "quant_models"
    height = {room: -row for row, rooms in enumerate(ROOMS) for room in rooms}
    assert set(height) == {path.parent.name for path in folder.glob("*/__init__.py")}
    wrong = []
    for module in folder.rglob("*.py"):
        room = module.relative_to(folder).parts[0]
        for line, name in imports(ast.parse(module.read_text())):
            parts = name.split(".")
            elsewhere = parts[0] == "quant_models" and len(parts) > 1 and parts[1] != room
            if elsewhere and (room == "__init__.py" or height[parts[1]] >= height[room]):
                wrong.append(f"{module.relative_to(repository)}:{line}: {room} imports {name}")
    assert not wrong, "\n".join(wrong)


# Inside runtime, from the top down. peritus.devices names the classes of all and imports none.
RUNTIME_ROOMS = (
    ("virtual",),
    ("hls", "iss", "pynq", "rtl", "serial"),
    ("frame_by_frame",),
    ("driver", "writes"),
    ("base",),
    ("device", "buffers", "timeline"),
    ("errors",),
)


def test_a_device_knows_what_is_below_it(repository: Path) -> None:
    height = {room: -row for row, rooms in enumerate(RUNTIME_ROOMS) for room in rooms}
    folder = repository / "sw" / "peritus" / "runtime"
    wrong, seen = [], set()
    for module in sorted(folder.rglob("*.py")):
        room = module.relative_to(folder).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        seen.add(room)
        for line, name in imports(ast.parse(module.read_text())):
            parts = name.split(".")
            if parts[:2] != ["peritus", "runtime"] or parts[2:3] == [room]:
                continue
            if len(parts) < 3 or height[parts[2]] >= height[room]:
                wrong.append(f"{module.relative_to(folder)}:{line}: {room} imports {name}")
    assert seen == set(height)
    assert not wrong, "\n".join(wrong)


def test_the_vivado_recorder_stands_alone(repository: Path) -> None:
    found = sorted((repository / "sw" / "vivado_recorder").glob("*.py"))
    names = {name.split(".")[0] for path in found for _, name in imports(ast.parse(path.read_text()))}
    assert found and names <= set(sys.stdlib_module_names) | {"vivado_recorder"}


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Names that lead back to the first, or nothing."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            if found := visit(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := visit(name, []))), [])


def test_circles_are_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}}) == []


@pytest.mark.parametrize("root", ["sw/peritus", "sw/vivado_recorder", "quant_models"])
def test_no_module_imports_itself_by_way_of_others(repository: Path, root: str) -> None:
    """Imports inside functions count."""
    folder = repository / root
    base = folder.parent
    names = {}
    for path in folder.rglob("*.py"):
        dotted = ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")
        names[dotted] = path
    graph = {
        dotted: {
            target
            for target in (resolve(name, names) for name in imported(ast.parse(path.read_text())))
            if target and target != dotted
        }
        for dotted, path in names.items()
    }
    assert not (found := circle(graph)), " -> ".join(found)


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module, or name in a module, that is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def resolve(name: str, modules: Mapping[str, Path]) -> str | None:
    """The module of the tree that an imported name is or is in."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def test_no_package_is_a_house_of_its_own(repository: Path) -> None:
    lines: dict[str, int] = {}
    for path in (repository / "sw").rglob("*.py"):
        package = "/".join(path.relative_to(repository / "sw").parts[:2])
        lines[package] = lines.get(package, 0) + len(path.read_text().splitlines())
    total = sum(lines.values())
    large = {package: f"{count / total:.1%}" for package, count in lines.items() if count > LARGEST * total}
    assert not large


def test_only_front_ends_know_training_frameworks(repository: Path) -> None:
    wrong = [
        f"{module.relative_to(repository)}:{line}: {name}"
        for module in modules(repository)
        if owner(repository, module) not in TRAINING_USERS
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
