# SPDX-License-Identifier: Apache-2.0
"""What the page tells a stranger to do: these lines in a build.yml, this command."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import onnx

from tests.finn.networks import exported

TIMEOUT_S = 900
# Fewer values per cycle than the front end begins with, so that every frame is more beats.
FOLDING = {"Defaults": {"PE": [1, ["all"]], "SIMD": [2, ["MVAU_rtl", "PeritusLayerNorm_rtl"]]}}


def test_the_page_has_the_steps_of_the_file(repository: Path) -> None:
    file = (repository / "sw" / "peritus" / "finn" / "build.yml").read_text()
    steps = file[file.index("steps:") :]
    assert textwrap.indent(steps, " " * 4) in (repository / "docs" / "finn.md").read_text()


def test_the_build_of_the_page(finn: Path, repository: Path, tmp_path: Path) -> None:
    """With foldings of one's own; in a process of its own, as nothing of FINN may be imported before."""
    build = (repository / "sw" / "peritus" / "finn" / "build.yml").read_text()
    (tmp_path / "build.yml").write_text(f"{build}\nfolding_config_file: folding.json\n")
    (tmp_path / "folding.json").write_text(json.dumps(FOLDING))
    onnx.save(exported("encoder"), tmp_path / "network.onnx")
    command = [sys.executable, "-m", "peritus.finn", "build.yml", "network.onnx"]
    done = subprocess.run(
        command, cwd=tmp_path, timeout=TIMEOUT_S, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    verdict = (tmp_path / "finn_output" / "peritus_verify.txt").read_text()
    report = tmp_path / "finn_output" / "report" / "estimate_network_performance.json"
    print(verdict, "FINN's estimate of the slowest node:", json.loads(report.read_text())["max_cycles"])
    assert "values equal, 2 frames in" in verdict
