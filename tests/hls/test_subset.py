# SPDX-License-Identifier: Apache-2.0
"""The C++ of hls/ is what Vitis HLS synthesizes; each rule finds a construct that breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from peritus.arch.config import load_config
from peritus.eda.csim import include_folders, twin_sources
from peritus.eda.prove.subset import RULES, NotParsed, findings
from peritus.resources import resource

pytestmark = pytest.mark.prove
INCLUDES = [*include_folders(load_config("nano")), resource("hls/proof/stand_ins")]
BROKEN = {
    "heap": "int *f() { return new int(3); }",
    "recursion": "int g(int n);\nint f(int n) { return n ? g(n) : 0; }\nint g(int n) { return f(n - 1); }",
    "virtual": "struct S { virtual int f() { return 1; } };",
    "pointer": "int f(int x) { return x; }\nint g(int x) { int (*h)(int) = f; return h(x); }",
    "float": "int f(int x) { return static_cast<int>(x * 0.5); }",
    "loop": "int f(int n) { while (n > 3) n /= 2; return n; }",
    "exception": "int f(int n) { if (n < 0) throw n; return n; }",
    "library": "#include <algorithm>\nint f(int a, int b) { return std::max(a, b); }",
}


def check(text: str, folder: Path) -> list[str]:
    source = folder / "broken.cpp"
    source.write_text(text + "\n")
    return [finding.rule for finding in findings([source], INCLUDES, [])]


def test_the_twin_stays_within_the_subset() -> None:
    found = findings(twin_sources(), INCLUDES, [resource("hls/include"), resource("hls/generated")])
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule_is_found(tmp_path: Path, rule: str) -> None:
    assert set(check(BROKEN[rule], tmp_path)) == {rule}


@pytest.mark.parametrize(
    "loop", ["for (;;) n += 1;", "for (;; ++n) if (n == 7) break;", "do { ++n; } while (n < 3);"]
)
def test_every_unbounded_loop_is_found(tmp_path: Path, loop: str) -> None:
    assert set(check(f"int f(int n) {{ {loop} return n; }}", tmp_path)) == {"loop"}


@pytest.mark.parametrize(
    "text",
    [
        "int f(int *x) { return *reinterpret_cast<short *>(x); }",
        "int f(int *x) { return *(short *)x; }",
        "int f(int **x) { return **x; }",
    ],
)
def test_every_bad_pointer_is_found(tmp_path: Path, text: str) -> None:
    assert set(check(text, tmp_path)) == {"pointer"}


def test_plain_code_breaks_none(tmp_path: Path) -> None:
    assert not check("int f(const int *a, int (&b)[4]) { return a[0] + b[1]; }", tmp_path)
    assert not check("int f(int n) { int s = 0; for (int i = 0; i < n; ++i) s += i; return s; }", tmp_path)


def test_what_does_not_parse_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotParsed, match=r"broken.cpp: .*broken.cpp:1"):
        check("int f( {", tmp_path)
