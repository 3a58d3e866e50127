# SPDX-License-Identifier: Apache-2.0
"""Random cases play; what fails is found, made smaller and can be played again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from peritus.arch.config import HwConfig, load_config
from peritus.cli import app
from peritus.compiler import compile_model
from peritus.executors import WorkerLostError, workers
from peritus.fuzz import Case, campaign, draw, draw_hardware, play, shrink
from peritus.fuzz.campaign import Failure, Tally, run_chunk
from peritus.fuzz.case import CaseError
from peritus.fuzz.coverage import IDLE, RESIDENT, WARM, all_modes, executed, varied
from peritus.fuzz.extremes import EXTREMES, apply
from peritus.ir import QuantModel, execute
from peritus.ir.ops import Experts
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.report import same_as_graph
from peritus.runtime import Result
from peritus.runtime.iss.device import IssDevice

NANO = load_config("nano")
CASES = 120


@pytest.mark.sim
def test_cases_on_nano() -> None:
    """The first of `peritus fuzz`: none fails, and hardly any is too large."""
    tally = run_chunk(NANO, list(range(CASES)), "rtl")
    print(f"{tally.results} results, {tally.cycles:,} cycles, {len(tally.modes)} of {len(all_modes())} modes")
    assert tally.failures == []
    assert tally.too_large < CASES / 10
    assert tally.cycles > 2_000_000
    assert len(tally.modes & all_modes()) > 0.8 * len(all_modes())


@pytest.mark.hls
def test_cases_on_the_twin_reach_what_nano_lacks() -> None:
    """Resident weights, also in a job that finds them; idle experts; four bits anywhere."""
    hw = next(hw for seed in range(20) if (hw := draw_hardware(seed)).resident_words >= 64 and hw.int4)
    tally = run_chunk(hw, list(range(40)), "hls")
    assert tally.failures == []
    wanted = {RESIDENT, WARM, IDLE, ("KEEP", "ACT", "NONE", "NONE")}
    wanted |= {(form, "int4") for form in ("LINEAR", "EXPERT_HIDDEN", "EXPERT_OUTPUT")}
    assert tally.modes >= wanted, sorted(wanted - tally.modes)


def test_what_of_the_hardware_varies() -> None:
    assert varied([NANO]) == {}
    assert varied([NANO, replace(NANO, pk=16, pn=16)]) == {"pk": [8, 16], "pn": [8, 16]}


@pytest.mark.sim
@pytest.mark.board
@pytest.mark.parametrize(("device", "seeds"), [("pynq-sim", [1000, 1001, 1003]), ("ulx3s-sim", [1000])])
def test_cases_on_the_boards_simulated(device: str, seeds: list[int]) -> None:
    tally = run_chunk(NANO, seeds, device)
    assert tally.failures == [] and tally.results >= len(seeds)


def test_drawn_hardware_is_different_and_keeps_its_rules() -> None:
    drawn = [draw_hardware(seed) for seed in range(40)]
    assert len({hw.hash64 for hw in drawn}) == 40
    assert {hw.pk for hw in drawn} == {8, 16} and {hw.axi_ports for hw in drawn} == {1, 2, 4}
    assert draw_hardware(3) == draw_hardware(3)


@pytest.mark.parametrize("name", EXTREMES)
def test_an_extreme_changes_something(name: str) -> None:
    dims = Dims(layers=2, experts=3)
    graph = random_model(dims).graph
    found = [apply(graph, (name,), seed) for seed in range(3)]
    assert any(one is not graph for one in found)
    for one in found:
        compile_model(replace(random_model(dims), graph=one), load_config("edge"))


def test_a_case_is_the_same_from_its_file(tmp_path: Path) -> None:
    for seed in range(20):
        case = draw(seed, NANO)
        case.save(tmp_path / "case.json")
        again = Case.load(tmp_path / "case.json")
        assert again.network == case.network and again.hardware.hash64 == NANO.hash64
        assert (again.jobs, again.extremes, again.ddr) == (case.jobs, case.extremes, case.ddr)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"jobs": 3}', "nul", "[" * 100000])
def test_other_files_are_no_cases(text: str, tmp_path: Path) -> None:
    (tmp_path / "case.json").write_text(text)
    with pytest.raises(CaseError, match=r"is no case of peritus fuzz"):
        Case.load(tmp_path / "case.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": "3"}, "seed = '3'"),
        ({"colour": 1}, "'colour' is no field"),
        ({"dims": {"d": 1 << 15}}, "dims.d = 32768, at most 1024"),
        ({"dims": {"layers": 4096}}, "dims.layers = 4096, at most 16"),
        ({"dims": {"height": 17, "patch": 4}}, "dims.height = 17, must be a multiple of patch = 4"),
        ({"dims": {"d": 30, "heads": 4}}, "dims.d = 30, must be a multiple of heads = 4"),
        ({"dims": {"activation": "x"}}, "dims.activation 'x' is none of none, gelu, relu"),
        ({"dims": {"task_channels": [1] * 100_000}}, "dims.task_channels: expected 1 to 16"),
        ({"dims": {"layers": 16, "d": 1024, "hidden": 1024}}, "weights and 9 tokens, at most 16777216"),
        ({"dims": {"height": 1024, "width": 1024, "patch": 4}}, "65537 tokens"),
        ({"modes": 10**9}, "1000000000 modes"),
        ({"power_up": "x"}, "must be zeros, ones, random"),
        ({"hw": {}}, "hw has no name"),
        ({"jobs": []}, "a case has jobs, and each of them images"),
        ({"jobs": [["abandon", [], 0, False]]}, "a case has jobs, and each of them images"),
        ({"jobs": [["batch", ["noise"] * 65, 0, False]]}, "65 images"),
        ({"dims": {"d": "64"}}, "d = '64'"),
        ({"dims": {"patch": 0}}, "patch = 0"),
        ({"dims": {"width_of_it": 3}}, "'width_of_it' is no field"),
        ({"extremes": ["../all"]}, "extreme '../all' is none of"),
        ({"jobs": [["explode", ["noise"], 0, False]]}, "explode"),
        ({"jobs": [["run", ["holiday"], 0, False]]}, "image 'holiday' is none of noise"),
        ({"ddr": {"read_latency": 0}}, "read_latency = 0"),
        ({"ddr": {"speed": 3}}, "speed"),
        ({"hw": {"name": "x"}}, "is missing"),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    draw(3, NANO).save(tmp_path / "case.json")
    table = json.loads((tmp_path / "case.json").read_text())
    (tmp_path / "case.json").write_text(json.dumps({**table, **change}))
    with pytest.raises(CaseError, match=r"is no case of peritus fuzz") as error:
        Case.load(tmp_path / "case.json")
    assert said in str(error.value)


class _Wrong(IssDevice):
    """A device with a fault: the last channel of what has more than two is off by one."""

    def _execute(self, *arguments: Any) -> Result:
        result = super()._execute(*arguments)
        for values in result.outputs.values():
            if values.shape[-1] > 2:
                values[..., -1] += 1
        return result


def test_a_fault_is_found_and_made_small() -> None:
    def opener(hw: HwConfig, case: Case) -> _Wrong:
        return _Wrong(hw)

    def fails(case: Case) -> bool:
        try:
            play(case, opener)
        except Exception as error:
            return "the device's integers" in str(error)
        return False

    case = next(case for seed in range(50) if fails(case := draw(seed, NANO)))
    small = shrink(case, fails, seconds=60)
    assert fails(small)
    assert (small.ddr, small.power_up, small.modes, small.extremes) == ({}, "zeros", 0, ())
    assert (
        len(small.jobs) == 1
        and len(small.jobs[0][1]) == 1
        and small.network.layers == 1
        and small.network.height == small.network.patch
    )


def test_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["fuzz", "--device", "iss", "--count", "3", "--jobs", "1"])
    assert result.exit_code == 0, result.output
    assert "failures" in result.output and not (tmp_path / "fuzz").exists()
    draw(1, NANO).save(tmp_path / "case.json")
    result = CliRunner().invoke(app, ["fuzz", "--device", "iss", "--replay", "case.json"])
    assert result.exit_code == 0 and "results agree" in result.output
    result = CliRunner().invoke(app, ["fuzz", "--replay", "none.json"])
    assert result.exit_code == 1 and "is no case" in result.output
    result = CliRunner().invoke(app, ["fuzz", "--count", "1", "--device", "nope"])
    assert result.exit_code == 1 and "nope" in result.output and not (tmp_path / "fuzz").exists()
    large = replace(draw(1, NANO), dims={**draw(1, NANO).dims, "height": 256, "width": 512, "patch": 8})
    large.save(tmp_path / "large.json")
    result = CliRunner().invoke(app, ["fuzz", "--device", "iss", "--replay", "large.json"])
    assert result.exit_code == 1 and "too large for its hardware, nothing was compared" in result.output


def test_an_interrupted_campaign_says_what_it_has_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object) -> Iterator[Tally]:
        yield Tally(cases=7, results=12, failures=[Failure(draw(5, NANO), "Difference: by two")])
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign, "run_campaign", interrupted)
    command = ["fuzz", "--device", "iss", "--count", "30", "-o", str(tmp_path / "found"), "--json"]
    result = CliRunner().invoke(app, [*command, str(tmp_path / "record.json")])
    assert result.exit_code == 130
    assert "7 of 30" in result.output and "seed 5: Difference: by two" in result.output
    record = json.loads((tmp_path / "record.json").read_text())
    assert (record["asked"], record["cases"], record["results"]) == (30, 7, 12)
    kept = Case.load(tmp_path / "found" / "seed5.json")
    assert (kept.seed, kept.network, kept.jobs) == (5, draw(5, NANO).network, draw(5, NANO).jobs)


def test_a_process_that_is_killed_is_told() -> None:
    with pytest.raises(WorkerLostError, match=r"one of 1 processes was killed"), workers(1, None) as pool:
        pool.submit(os._exit, 1).result()


def test_what_an_interrupt_leaves_is_not_begun(tmp_path: Path) -> None:
    marks = [tmp_path / str(n) for n in range(50)]
    with pytest.raises(KeyboardInterrupt):
        _interrupted(marks)
    assert sum(mark.exists() for mark in marks) < 10


def _interrupted(marks: list[Path]) -> None:
    with workers(1, None) as pool:
        for mark in marks:
            pool.submit(_marked, mark)
        raise KeyboardInterrupt


def _marked(path: Path) -> None:
    path.touch()
    time.sleep(0.05)


def test_experts_without_a_second_stage(tmp_path: Path) -> None:
    """As of a Linear; the model's file keeps it so."""
    model = random_model(Dims(layers=1, moe_layers=(0,)), 3)
    node = next(node for node in model.graph.nodes if isinstance(node, Experts))
    first, *others = node.experts
    bare = replace(node, experts=(replace(first, rescale=None), *others))
    nodes = tuple(bare if one is node else one for one in model.graph.nodes)
    replace(model, graph=replace(model.graph, nodes=nodes)).save(tmp_path / "model.safetensors")
    again = QuantModel.load(tmp_path / "model.safetensors")
    bundle, image, task = compile_model(again, NANO), random_image(Dims(), 1), model.graph.tasks[0].name
    modes = executed(bundle)
    assert modes >= {("EXPERT_HIDDEN", "ACT", "GELU", "NONE"), ("EXPERT_HIDDEN", "ACT", "GELU", "CHANNEL")}
    with IssDevice(NANO) as device:
        device.load(bundle)
        found = device.run(image, task=task)
    assert same_as_graph(found, execute(again.graph, image, task, keep_values=True))
    assert not same_as_graph(found, execute(model.graph, image, task, keep_values=True))


def test_tallies_add_up() -> None:
    one = run_chunk(NANO, [1], "iss")
    both = Tally()
    both.add(one)
    both.add(one)
    assert (both.cases, both.results) == (2, 2 * one.results) and both.modes == one.modes
    assert executed(compile_model(random_model(Dims(layers=1)), NANO)) <= all_modes()
