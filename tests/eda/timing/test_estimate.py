# SPDX-License-Identifier: Apache-2.0
"""From SystemVerilog to the table: one block by Yosys, and the command."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from peritus.arch.config import load_config
from peritus.cli import app
from peritus.eda.timing.estimate import timing_of
from peritus.eda.yosys.xcup_synth import flat_netlist

BLOCK = "peritus_requantize"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def netlist(folder: Path) -> dict[str, Any]:
    return flat_netlist(load_config("nano"), BLOCK, cache_dir=folder, timeout_s=600)


@pytest.mark.synth
def test_a_block_of_the_accelerator(netlist: dict[str, Any]) -> None:
    """Paths begin and end in its lines; its multiplier is the slowest step."""
    found = timing_of(netlist, BLOCK, budget_ns=100)
    assert 1.0 < found.worst_ns < 3.33 and found.over == 0
    assert found.paths[0].end_line.startswith(f"rtl/compute/{BLOCK}.sv:")
    assert any(step.kind == "DSP48E2" for path in found.paths for step in path.steps)
    slowest_first = [path.ns for path in found.paths]
    assert slowest_first == sorted(slowest_first, reverse=True)
    assert json.loads(json.dumps(found.record()))["estimate"] is True


@pytest.mark.synth
def test_the_netlist_is_kept(netlist: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "peritus.eda.yosys.xcup_synth.run_step", lambda *_, **__: pytest.fail("Yosys ran again")
    )
    again = flat_netlist(load_config("nano"), BLOCK, cache_dir=folder, timeout_s=600)
    assert again["modules"][BLOCK].keys() == netlist["modules"][BLOCK].keys()


@pytest.mark.synth
def test_the_command_fails_over_its_budget(
    netlist: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def estimate(hw: Any, *, budget_ns: float | None, shown: int, **_: Any) -> Any:
        return timing_of(netlist, BLOCK, hw=hw.name, budget_ns=budget_ns, shown=shown)

    monkeypatch.setattr("peritus.cli.timing.estimate_timing", estimate)
    target = tmp_path / "timing.json"
    run = CliRunner().invoke
    assert run(app, ["timing", "nano", "--budget", "5", "--show", "3", "--json", str(target)]).exit_code == 0
    assert len(json.loads(target.read_text())["paths"]) == 3
    result = run(app, ["timing", "nano", "--budget", "1"])
    assert result.exit_code == 1
    message = " ".join(result.output.split())
    assert "nano: by the estimate" in message and "path that is too long for a clock of 1 ns" in message
    result = run(app, ["timing", "nowhere"])
    assert result.exit_code == 1 and "nowhere" in result.output
