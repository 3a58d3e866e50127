# SPDX-License-Identifier: Apache-2.0
"""`peritus selftest`, on the reference and on the simulated board."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

import peritus
from peritus.bundle import Bundle
from peritus.cli import app
from peritus.report.selftest import ExpectationError, Finding, _clock, expectations, record, selftest
from peritus.runtime import Device
from peritus.runtime.driver.errors import ForeignDevice


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return peritus.compile(peritus.load_model("m3vit_micro"), hw="nano")


@pytest.fixture(scope="module")
def expected(bundle: Bundle) -> dict[str, Any]:
    return json.loads(json.dumps(expectations(bundle)))


def reference() -> Device:
    return peritus.open_device("iss", hw="nano")


def by_name(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_the_reference_passes_its_own_expectations(bundle: Bundle, expected: dict[str, Any]) -> None:
    found = by_name(selftest(reference, bundle, expected, frames=2))
    frames = [finding for name, finding in found.items() if name.startswith("frames of ")]
    assert len(frames) == len(bundle.tasks)
    assert all(finding.ok and finding.found == "2 of 2 bit-exact" for finding in frames)
    assert found["identity"].ok and found["program"].ok and found["reset"].ok
    whole = record(list(found.values()), "iss", bundle)
    assert whole["passed"] and json.loads(json.dumps(whole))["findings"][0]["values"]["python"]


def test_one_wrong_integer_fails(bundle: Bundle, expected: dict[str, Any]) -> None:
    task = bundle.tasks[0].name
    wrong = json.loads(json.dumps(expected))
    wrong["tasks"][task][task]["sha256"] = "0" * 64
    findings = list(selftest(reference, bundle, wrong, frames=1))
    found = by_name(iter(findings))
    assert found[f"frames of {task}"].ok is False and found["reset"].ok is False
    assert found[f"frames of {bundle.tasks[1].name}"].ok
    assert not record(findings, "iss", bundle)["passed"]


def test_a_device_that_does_not_open_is_the_last_finding(bundle: Bundle, expected: dict[str, Any]) -> None:
    def foreign() -> Device:
        raise ForeignDevice("device ID is 0x00000000: no accelerator there")

    findings = list(selftest(foreign, bundle, expected, frames=1))
    assert [(finding.name, finding.ok) for finding in findings] == [("host", None), ("identity", False)]
    assert "no accelerator there" in findings[-1].found


@pytest.mark.parametrize(("set_mhz", "right"), [(300.0, True), (299.997, True), (250.0, False)])
def test_a_clock_that_is_not_the_one_it_was_built_for_fails(set_mhz: float, right: bool) -> None:
    device = SimpleNamespace(hw=SimpleNamespace(clock_mhz=300.0), clock_mhz=lambda: set_mhz)
    assert _clock(device).ok is right  # type: ignore[arg-type]
    assert f"set to {set_mhz} MHz" in _clock(device).found  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"model": "another"}, {"config_hash": "0x0"}, {"tasks": []}])
def test_expectations_of_another_bundle_are_refused(
    bundle: Bundle, expected: dict[str, Any], change: dict[str, Any]
) -> None:
    with pytest.raises(ExpectationError, match="not of m3vit_micro for nano"):
        list(selftest(reference, bundle, {**expected, **change}, frames=1))


def test_the_command_writes_one_file(bundle: Bundle, tmp_path: Path) -> None:
    bundle.save(tmp_path / "micro.bundle")
    target = tmp_path / "selftest.json"
    arguments = [tmp_path / "micro.bundle", "--device", "iss", "--frames", "1", "--json", target]
    result = CliRunner().invoke(app, ["selftest", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert json.loads(target.read_text())["passed"]
    (tmp_path / "expected.json").write_text(json.dumps({**expectations(bundle), "model": "another"}))
    result = CliRunner().invoke(app, ["selftest", *map(str, arguments)])
    assert result.exit_code == 1 and "the expectations are not of m3vit_micro" in result.output


@pytest.mark.sim
@pytest.mark.board
def test_the_simulated_board(
    bundle: Bundle, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clock from the .hwh, bytes of every port by the counters, rails as PYNQ would read them."""

    def sensor(value: float) -> SimpleNamespace:
        return SimpleNamespace(value=value)

    rails = {
        "VCCINT": SimpleNamespace(voltage=sensor(0.85), current=sensor(2.0), power=None),
        "12V": SimpleNamespace(voltage=None, current=None, power=sensor(9.5)),
        "TEMP": SimpleNamespace(voltage=None, current=None, power=None),
    }
    monkeypatch.setattr("pynq.get_rails", lambda: rails)
    findings = list(selftest(lambda: peritus.open_device("pynq-sim", hw="nano"), bundle, expected, frames=1))
    found = by_name(iter(findings))
    assert record(findings, "pynq-sim", bundle)["passed"]
    assert found["clock"].ok  # what PYNQ's registers say: a reference of 33.333 MHz times 45, divided by 30
    assert found["clock"].values == {"mhz": bundle.hw.clock_mhz, "set_mhz": pytest.approx(50, abs=1e-3)}
    assert found["power rails"].values == {"watts": {"VCCINT": 1.7, "12V": 9.5}}
    ports = found[f"memory ports in {bundle.tasks[0].name}"].values
    assert len(ports["bytes"]) == bundle.hw.axi_ports and all(count > 0 for count in ports["bytes"])
