# SPDX-License-Identifier: Apache-2.0
"""What is defined once is defined nowhere else: on-chip memories, the parameter block, latencies, ...

A definition is known by its form. Each form is searched in the tree; it may stand in its home and in what is
generated from there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from peritus.arch.params import FIELDS
from peritus.arch.units import STAGES, UNITS

SUFFIXES = {".py", ".sv", ".cpp", ".hpp", ".toml", ".tcl"}
FOLDERS = ("sw", "quant_models", "rtl", "hls", "sim", "boards", "tools", "tests")
GENERATED = ("rtl/generated/", "hls/generated/")
_LATENCIES = "|".join(unit.name.upper() for unit in UNITS)
_STAGES = "|".join(name for name, _, _ in STAGES)
_PARAMS = "|".join(field.name for field in FIELDS)


@dataclass(frozen=True)
class Concept:
    """What it is, where it lives (a path, or several that share it), and the form of a definition."""

    name: str
    homes: tuple[str, ...]
    form: str
    planted: str  # a second definition, which must be found


CONCEPTS = (
    # A list or table of the memories by name; Dest.KV of the ISA is a destination, which is another thing.
    Concept(
        "on-chip memory",
        ("sw/peritus/arch/memories.py",),
        r"""["']act["'].*["']kv["']|\bKV\s*=\s*["(]|["']act_words["'].*["']kv_words["']|\bMemory\.KV:""",
        'MEMORIES = {"act": 8, "kv": 8, "score": 16}',
    ),
    Concept(
        "parameter block",
        ("sw/peritus/arch/params.py",),
        rf"""["']<i4["'].*["']<u2["']|\[PN-1:0\]\[\d+:0\]\s*(?:{_PARAMS})\s*;|PARAM_BLOCK_WORDS\s*=[^=]""",
        "    logic [PN-1:0][15:0] mult2;",
    ),
    Concept(
        "GELU scale",
        ("sw/peritus/ir/formats.py",),
        r"\bGELU_SCALE\b\s*(?::[^=]*)?=[^=]",
        "GELU_SCALE = 2.0**-8",
    ),
    # A list of names, or a choice by name.
    Concept(
        "device name",
        ("sw/peritus/devices.py",),
        r"""["'](?:iss|reference)["'],\s*["']rtl["'],|(?:name|device) == ["']pynq-sim["']""",
        'DEVICES = ("reference", "rtl", "pynq")',
    ),
    Concept(
        "unit latency",
        ("sw/peritus/arch/units.py",),
        rf"\b(?:{_LATENCIES})_LATENCY\s*=|^(?:{_LATENCIES}) = \d|\bAT_(?:{_STAGES})\s*=",
        "ACTIVATION_LATENCY = 4",
    ),
)


def definitions(repository: Path, concept: Concept) -> Iterator[str]:
    """Places outside its home that look like a definition."""
    form = re.compile(concept.form)
    for folder in FOLDERS:
        for path in sorted((repository / folder).rglob("*")):
            name = path.relative_to(repository).as_posix()
            known = (
                name in concept.homes or name.startswith(GENERATED) or name == "tests/house/test_one_home.py"
            )
            if path.suffix in SUFFIXES and not known:
                for number, line in enumerate(path.read_text().splitlines(), start=1):
                    if form.search(line):
                        yield f"{name}:{number}: {line.strip()}"


@pytest.mark.parametrize("concept", CONCEPTS, ids=lambda concept: concept.name)
def test_it_is_defined_once(repository: Path, concept: Concept) -> None:
    again = list(definitions(repository, concept))
    assert not again, f"{concept.name} lives in {', '.join(concept.homes)}, but also:\n" + "\n".join(again)


FORMULA = re.compile(r"\bsat\d+\(rhu\(|\b(?:EXP2?|RECIPROCAL|RSQRT|GELU_DELTA|DELTA)(?:_TABLE)?\[")


def test_formulas_of_the_pages_live_in_numerics(repository: Path) -> None:
    """RTL headers state theirs; of the documents only docs/numerics.md does."""
    assert FORMULA.search((repository / "docs" / "numerics.md").read_text())
    pages = [path for path in (repository / "docs").rglob("*.md") if path.name != "numerics.md"]
    again = [str(path.relative_to(repository)) for path in pages if FORMULA.search(path.read_text())]
    assert len(pages) > 20 and not again


@pytest.mark.parametrize("concept", CONCEPTS, ids=lambda concept: concept.name)
def test_a_second_definition_is_found(tmp_path: Path, concept: Concept) -> None:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    (tmp_path / "sw" / "other.py").write_text(f"# A copy.\n{concept.planted}\n")
    assert list(definitions(tmp_path, concept)) == [f"sw/other.py:2: {concept.planted.strip()}"]


@pytest.mark.parametrize("concept", CONCEPTS, ids=lambda concept: concept.name)
def test_the_home_has_it(repository: Path, concept: Concept) -> None:
    assert all((repository / home).is_file() for home in concept.homes)
