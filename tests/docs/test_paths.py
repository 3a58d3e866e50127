# SPDX-License-Identifier: Apache-2.0
"""Every file and every name of ours that a page mentions exists.

A path is `sw/peritus/arch/isa.py`, a folder `rtl/control/`, one with braces `tests/{ir,arch}/` or with a star
`configs/*.toml`; also without `sw/peritus/` in front (`runtime/driver/runner.py`). A name is
`peritus.reference.linear.matmul`, `peritus_core_pkg::AT_SUM` or `hazards.py::find`.
"""

import importlib
import importlib.util
import re
import subprocess
from itertools import product
from pathlib import Path

import pytest

# Pages that say what was, and may name what is gone.
HISTORY = {"CHANGELOG.md", "docs/decisions/house.md"}
# What commands make, or users have; not in the tree.
MADE = re.compile(
    r"^(build|runs|result|dist|photos|labels|site|vivado|board|ip|\.venv|\.cache|wheels)/"
    r"|^(NAME|mini|mine|my|pets|classes|tiny|scene|scenes|photo|image|net|use|your|design)\.\w+$"
    r"|^(Bender\.yml|peritus_config\.hpp|peritus_pkg\.sv|curves\.png|(float|MODEL|state)\.safetensors)$"
)
# `{name}` stands for whatever it will be called, `{a,b}` for both.
PLACEHOLDER = re.compile(r"\{[^{},]*\}")
ENDINGS = "py|sv|hpp|cpp|h|md|toml|rdl|tcl|vlt|lpf|xdc|yml|cff|txt|png|svg|safetensors"
PATH = re.compile(
    rf"(?<![\w./{{}}:<>$~-])((?:[\w.*-]+/|\{{[\w.,*-]+\}}/?)*(?:[\w*-]|\{{[\w.,*-]+\}})+\.(?:{ENDINGS}))(?![\w.])"
)
FOLDER = re.compile(r"(?<=`)((?:[\w.*-]+|\{[\w,]+\})(?:/(?:[\w.*-]+|\{[\w,]+\}))*/)(?=`)")
PYTHON_NAME = re.compile(r"(?<![\w/.`-])`?((?:peritus|quant_models|vivado_recorder)(?:\.[A-Za-z_]\w*)+)")
RTL_NAME = re.compile(r"\b(peritus_\w+_pkg)::([A-Za-z]\w*)")
FUNCTION = re.compile(r"`([\w/]+\.py)::(\w+)`")


def pages(repository: Path) -> list[Path]:
    """All pages, but those written by a command from the source that they name."""
    found = [repository / "README.md", repository / "CONTRIBUTING.md", *(repository / "docs").rglob("*.md")]
    return sorted(path for path in found if "generated" not in path.parts)


def tracked(repository: Path) -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    return listing.stdout.splitlines()


def without_braces(path: str) -> list[str]:
    """`a/{b,c}.py` -> `a/b.py`, `a/c.py`."""
    parts = [part.split(",") for part in re.split(r"\{([^{}]*)\}", path)[1::2]]
    texts = re.split(r"\{[^{}]*\}", path)
    return [
        "".join(text + choice for text, choice in zip(texts, [*chosen, ""], strict=True))
        for chosen in product(*parts)
    ]


def matches(path: str, files: list[str]) -> bool:
    """`path`, a file or a folder, is the end of a tracked path, at the border of a folder."""
    pattern = re.escape(path.rstrip("/")).replace(r"\*", "[^/]*")
    behind = "/" if path.endswith("/") else "$"
    expression = re.compile(f"(^|/){pattern}{behind}")
    return any(expression.search(file) for file in files)


def missing_paths(text: str, files: list[str]) -> list[str]:
    found = [match for pattern in (PATH, FOLDER) for match in pattern.findall(text)]
    return sorted(
        {
            path
            for written in found
            for path in without_braces(written.removeprefix("../").removeprefix("../"))
            if not PLACEHOLDER.search(written) and not MADE.match(path) and not matches(path, files)
        }
    )


def resolves(name: str) -> bool:
    """The dotted name is a module, or an attribute (or field) of one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        module = ".".join(parts[:count])
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            continue
        if found is None:
            continue
        owner = importlib.import_module(module) if count < len(parts) else None
        for attribute in parts[count:]:
            fields = getattr(owner, "__dataclass_fields__", {})
            if not hasattr(owner, attribute) and attribute not in fields:
                return False
            owner = getattr(owner, attribute, None)
        return True
    return False


def all_pages() -> list[str]:
    root = Path(__file__).resolve().parents[2]
    return [str(page.relative_to(root)) for page in pages(root)]


@pytest.mark.parametrize("page", all_pages())
def test_what_a_page_names_exists(repository: Path, page: str) -> None:
    if page in HISTORY:
        return
    text = (repository / page).read_text()
    plain = re.sub(r"https?://\S+", "", text)
    files = tracked(repository)
    assert not (missing := missing_paths(plain, files)), f"no such file: {missing}"
    names = {name for name in PYTHON_NAME.findall(plain) if not re.search(rf"\.({ENDINGS}|ipynb)$", name)}
    assert not (wrong := sorted(name for name in names if not resolves(name))), f"no such name: {wrong}"
    for package, constant in RTL_NAME.findall(plain):
        source = next(iter((repository / "rtl").rglob(f"{package}.sv"))).read_text()
        assert re.search(rf"\b{constant.rstrip('_')}", source), f"{package} has no {constant}"
    for file, function in FUNCTION.findall(plain):
        sources = [repository / path for path in files if path.endswith(f"/{file}")]
        assert any(re.search(rf"^\s*(def|class) {function}\b", path.read_text(), re.M) for path in sources), (
            f"{file} defines no {function}"
        )


def test_what_is_not_there_is_found() -> None:
    files = ["sw/peritus/arch/isa.py", "tests/ir/test_int4.py"]
    text = (
        "`sw/peritus/hw/isa.py`, arch/isa.py, `tests/{ir,unit}/test_int4.py`, `tests/unit/`, build/report.md"
    )
    assert missing_paths(text, files) == ["sw/peritus/hw/isa.py", "tests/unit/", "tests/unit/test_int4.py"]
    assert resolves("peritus.arch.isa.GEMM") is False
    assert resolves("peritus.reference.linear.matmul")
