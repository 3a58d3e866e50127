# SPDX-License-Identifier: Apache-2.0
"""Both boards' Vivado projects pass the recorder; every mutation of them fails, and says where."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from peritus.arch import ip
from peritus.arch.pl_clock import FASTEST, SLOWEST, TOLERANCE
from peritus.arch.ps_ports import PS_PORTS
from peritus.eda.board import load_board, vivado_settings
from peritus.eda.errors import ProjectError, ToolNotFound
from peritus.eda.vivado.project import STRATEGIES, Project, write_project
from peritus.eda.vivado.run import check_project, installed_verilator
from vivado_recorder import Recording, ScriptError, Verilator, record
from vivado_recorder.hdl import elaborate
from vivado_recorder.recorder import HERE
from vivado_recorder.table import load_table

XDC, OOC, WRAPPER = "peritus.xdc", "ip/src/peritus_ooc.xdc", "ip/src/peritus_ip.v"
DESIGN, SETTINGS, PACKAGE, RUNS = "block_design.tcl", "settings.tcl", "package_ip.tcl", "implement.tcl"

MUTATIONS = {
    "unknown command": (
        DESIGN,
        "\nvalidate_bd_design",
        "\nvalidate_bd",
        'invalid command name "validate_bd"',
    ),
    "unknown option": (
        DESIGN,
        "-type ip -vlnv xilinx.com:ip:proc",
        "-type ip -vnlv xilinx.com:ip:proc",
        "-vnlv",
    ),
    "option without value": (
        RUNS,
        "report_power -file [file join $reports power.rpt]",
        "report_power -file",
        "lacks",
    ),
    "argument missing": (
        DESIGN,
        "create_bd_design $settings(design)",
        "create_bd_design",
        "<name> is missing",
    ),
    "argument too many": (DESIGN, "\nvalidate_bd_design", "\nvalidate_bd_design now", "too many arguments"),
    "value not allowed": (RUNS, "write_bitstream", "write_bits", "to_step = 'write_bits'"),
    "unknown part": (SETTINGS, "part {xczu7ev-ffvc1156-2-e}", "part {xczu7ev-ffvc1156-9-e}", "unknown part"),
    "no board files": (SETTINGS, "xilinx.com:zcu104:part0", "xilinx.com:zcu105:part0", "no board files"),
    "board of another part": (
        SETTINGS,
        "xilinx.com:zcu104:part0",
        "xilinx.com:kv260_som:part0",
        "carries xck26",
    ),
    "unknown IP": (
        DESIGN,
        "xilinx.com:ip:smartconnect",
        "xilinx.com:ip:smartconect",
        "not in the IP catalog",
    ),
    "unknown IP version": (SETTINGS, "axi_intc:4.1", "axi_intc:5.1", "not in the IP catalog"),
    "IP not packaged under its name": (SETTINGS, "version {1.0}", "version {1.1}", "not in the IP catalog"),
    "catalog not updated": (DESIGN, "update_ip_catalog", "", "not in the IP catalog"),
    "unknown parameter": (DESIGN, "PSU__USE__IRQ0", "PSU__USE__IRQ", "no parameter config.psu__use__irq"),
    "parameter out of range": (SETTINGS, "clock_mhz {300}", "clock_mhz {900}", "must be 1.0..400.0"),
    "clock that the PLL does not make": (
        SETTINGS,
        "clock_mhz {300}",
        "clock_mhz {280}",
        "clock of zynq: 280 MHz is not what",
    ),
    "clock from another PLL": (DESIGN, "SRCSEL IOPLL", "SRCSEL RPLL", "must be IOPLL"),
    "name without a value": (
        DESIGN,
        "-dict $config $zynq",
        "-dict CONFIG.PSU__USE__IRQ0 $zynq",
        "without a value",
    ),
    "no preset": (DESIGN, "apply_bd_automation -rule", "list -rule", "zynq has no board preset yet"),
    "preset not applied": (
        DESIGN,
        "apply_board_preset 1",
        "apply_board_preset 0",
        "must say apply_board_preset 1",
    ),
    "preset after the parameters": (
        DESIGN,
        "$config $zynq\n",
        "$config $zynq\napply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e "
        "-config {apply_board_preset 1} $zynq\n",
        "overwrites what was set on zynq",
    ),
    "memory ports narrower than the IP's": (
        SETTINGS,
        "{S_AXI_HP0_FPD} {saxihp0_fpd_aclk} {2} {128}",
        "{S_AXI_HP0_FPD} {saxihp0_fpd_aclk} {2} {64}",
        "width of peritus_0/m00_axi is 128, of zynq/S_AXI_HP0_FPD 64",
    ),
    "interrupt on an edge": (
        *(WRAPPER, "SENSITIVITY LEVEL_HIGH", "SENSITIVITY EDGE_RISING"),
        "sensitivity of peritus_0/irq_o is EDGE_RISING",
    ),
    "interrupt of unknown sensitivity": (
        *(WRAPPER, '  (* X_INTERFACE_PARAMETER = "SENSITIVITY LEVEL_HIGH" *)\n', ""),
        "sensitivity of peritus_0/irq_o is not declared",
    ),
    "no constraints": (
        *(RUNS, "add_files -fileset constrs_1 -norecurse [file join $here $settings(constraints)]\n", ""),
        "no constraint file",
    ),
    "constraint misspelt": (
        XDC,
        "set_property",
        "set_propertyy",
        'peritus.xdc: invalid command name "set_prop',
    ),
    "constraint with an unknown property": (
        XDC,
        "COMPRESS TRUE",
        "COMPRES TRUE",
        "bitstream.general.compres ",
    ),
    "constraint with an unknown value": (XDC, "COMPRESS TRUE", "COMPRESS YES", "must be TRUE|FALSE"),
    "constraint with control flow": (
        *(XDC, "set_property", "if {1} {exec ls}\nset_property"),
        'peritus.xdc: invalid command name "if"',
    ),
    "clock misspelt": (OOC, "create_clock", "create_clok", 'invalid command name "create_clok"'),
    "clock on no port": (OOC, "get_ports aclk]", "get_ports aclkk]", "no port 'aclkk'"),
    "clock on another port": (OOC, "get_ports aclk]", "get_ports aresetn]", "creates a clock on aclk"),
    "clock without a period": (OOC, "-period 3.333", "-period fast", "wants a period"),
    "clock of the IP in the whole design": (
        PACKAGE,
        "implementation out_of_context",
        "implementation",
        "peritus_ooc.xdc is not USED_IN out_of_context",
    ),
    "clock in the whole design": (
        *(XDC, "set_property", "create_clock -period 3 [get_ports aclk]\nset_property"),
        "no port 'aclk'",
    ),
    "unknown strategy": (
        SETTINGS,
        "ExplorePostRoutePhysOpt",
        "Nonsense",
        "strategy = 'Performance_Nonsense'",
    ),
    "unknown synthesis": (SETTINGS, "{Flow_Perf", "{Flow_Pert", "strategy = 'Flow_PertOptimized_high'"),
    "unknown delay type": (
        RUNS,
        "_summary -file",
        "_summary -delay_type foo -file",
        "one of max, min, min_max",
    ),
    "unknown use of a file": (PACKAGE, "{synthesis impl", "{synthesys impl", "used_in = 'synthesys"),
    "unknown family": (SETTINGS, "{zynquplus} {P", "{zynqplus} {P", "supported_families = '{zynqplus}"),
    "unknown life cycle": (
        SETTINGS,
        "{Production}",
        "{Ready}",
        "Pre-Production, Production, zynquplus among",
    ),
    "IP not checked": (PACKAGE, "ipx::check_integrity $core\n", "", "the core is not checked"),
    "IP changed after its check": (
        PACKAGE,
        "ipx::save_core",
        "set_property version 1.0 $core\nipx::save_core",
        "the core is not checked",
    ),
    "property of nothing": (
        DESIGN,
        "wrapper [current_fileset]",
        "wrapper [get_runs -quiet x]",
        "<objects> is empty",
    ),
    "unknown property": (DESIGN, "target_language", "target_lang", "cannot be set"),
    "pin misspelt": (DESIGN, "zynq/pl_ps_irq0", "zynq/pl_ps_irq_0", "no bd pin 'zynq/pl_ps_irq_0'"),
    "interface misspelt": (DESIGN, "zynq/$interface", "zynq/${interface}_", "no bd intf pin"),
    "port not switched on": (
        DESIGN,
        "CONFIG.PSU__USE__S_AXI_GP$gp 1",
        "CONFIG.PSU__USE__S_AXI_GP$gp 0",
        "HP0",
    ),
    "interrupt not connected": (
        *(DESIGN, "connect_bd_net [get_bd_pins $intc/irq] [get_bd_pins zynq/pl_ps_irq0]", ""),
        "intr pin zynq/pl_ps_irq0 is not connected",
    ),
    "interrupt leads nowhere": (
        *(DESIGN, "connect_bd_net [get_bd_pins $peritus/$settings(interrupt)] [get_bd_pins $intc/intr]", ""),
        "intr pin peritus_0/irq_o leads nowhere",
    ),
    "clock not connected": (
        DESIGN,
        "$peritus/$settings(clock) ",
        "",
        "clk pin peritus_0/aclk is not connected",
    ),
    "reset not connected": (DESIGN, " control/aresetn]", "]", "control/aresetn is not connected"),
    "reset of the wrong polarity": (DESIGN, "reset/peripheral_aresetn", "reset/peripheral_reset", "polarity"),
    "clock as reset": (
        DESIGN,
        "[get_bd_pins zynq/pl_resetn0]",
        "[get_bd_pins zynq/pl_clk0]",
        "type of zynq/pl_clk0",
    ),
    "fast clock open": (
        DESIGN,
        "connect_bd_net [get_bd_pins clocks/clk_out2]",
        "list [get_bd_pins clocks/clk_out2]",
        "clk pin peritus_0/aclk2x is not connected",
    ),
    "lock not waited for": (
        DESIGN,
        "connect_bd_net [get_bd_pins clocks/locked]",
        "list [get_bd_pins clocks/locked]",
        "data pin clocks/locked leads nowhere",
    ),
    "MMCM not told its clock": (
        DESIGN,
        "  set_mmcm $settings(clock_mhz)\n",
        "",
        "PRIM_IN_FREQ is 100, zynq gives 300 MHz",
    ),
    "MMCM of the second clock that is tried": (
        "settings.tcl",
        "{{250} {6} {6} {3}}",
        "{{250} {8} {8} {4}}",
        "oscillator of clocks would have 2000 MHz, must have 800..1600",
    ),
    "second clock": (DESIGN, "control/aclk]", "control/aclk zynq/pl_clk1]", "pl_clk1"),
    "unused master left on": (DESIGN, "CONFIG.PSU__USE__M_AXI_GP1 0", "CONFIG.PSU__USE__M_AXI_GP1 1", "hpm1"),
    "interface not connected": (
        *(
            DESIGN,
            "connect_bd_intf_net [get_bd_intf_pins zynq/M_AXI_HPM0_FPD] [get_bd_intf_pins control/S00_AXI]",
            "",
        ),
        "zynq/Data does not reach peritus_0/s_axil/reg0",
    ),
    "two masters": (
        *(DESIGN, "[get_bd_intf_pins control/S00_AXI]", "[get_bd_intf_pins peritus_0/m00_axi]"),
        "are both master",
    ),
    "address missing": (
        DESIGN,
        "exclude_bd_addr_seg -target_address_space $space $segment",
        "",
        "has no address",
    ),
    "memory not there": (SETTINGS, "{{DDR_LOW}}", "{{DDR_LO}}", "reaches none of {DDR_LO}"),
    "addresses overlap": (
        SETTINGS,
        "controller_base {0xa0010000}",
        "controller_base {0xa0000000}",
        "overlaps",
    ),
    "address not aligned": (SETTINGS, "register_base {0xa0000000}", "register_base {0xa0000800}", "multiple"),
    "address out of reach": (SETTINGS, "register_base {0xa0000000}", "register_base {0x90000000}", "outside"),
    "register window too small": (
        SETTINGS,
        "register_bytes {4096}",
        "register_bytes {2048}",
        "12 address bits",
    ),
    "not validated": (DESIGN, "\nvalidate_bd_design", "", "not validated"),
    "not generated": (
        RUNS,
        "  generate_target all [get_files $settings(design).bd]\n",
        "",
        "not validated and gen",
    ),
    "wrong top": (DESIGN, "$settings(design)_wrapper", "$settings(design)_top", "no source of that name"),
    "SystemVerilog top packaged": (
        SETTINGS,
        "ip_top {peritus_ip}",
        "ip_top {peritus_top}",
        "no Verilog source",
    ),
    "core without a name": (
        PACKAGE,
        "{vendor library name version",
        "{vendor library version",
        "the core has no name",
    ),
    "no memory map": (
        *(PACKAGE, "set_property slave_memory_map_ref $name $registers", ""),
        "no memory map",
    ),
    "registers overlap": (
        SETTINGS,
        "{{ABI_VERSION} {0x4}",
        "{{ABI_VERSION} {0x0}",
        "ABI_VERSION: 32 bits at 0x0",
    ),
    "field outside its register": (
        SETTINGS,
        "{QUEUE_LEVEL} {8} {2}",
        "{QUEUE_LEVEL} {31} {2}",
        "2 bits at 31",
    ),
    "run not waited for": (
        RUNS,
        "wait_on_runs -timeout $settings(timeout_minutes) $run",
        "",
        "did not finish",
    ),
    "wait without a limit": (RUNS, "-timeout $settings(timeout_minutes) ", "", "-timeout is missing"),
    "implementation first": (RUNS, "  finish synth_1 {}\n", "", "before synth_1"),
    "clock changed after synthesis": (RUNS, "  reset_runs synth_1\n", "", "synth_1 is out of date"),
    "implemented twice": (RUNS, "  reset_runs impl_1\n", "", "impl_1 has finished, reset_runs comes first"),
    "clock after generation": (
        *(RUNS, "  validate_bd_design\n", ""),
        "save_bd_design: the design is not validated",
    ),
    "design left open": (RUNS, "      close_design\n", "", "a design is open"),
    "checkpoint into nowhere": (
        RUNS,
        "write_checkpoint -force $name",
        "write_checkpoint -force x/$name",
        "no folder",
    ),
    "slack misspelt": (RUNS, "STATS.$slack", "STAT.$slack", "no property stat.wns"),
    "a clock that there is none of": (SETTINGS, "{250}", "{251}", "clock of zynq: 251 MHz is not what"),
    "no bitstream": (RUNS, "-to_step write_bitstream", "-to_step route_design", "no such file"),
    "report of nothing": (RUNS, "\n  open_run impl_1", "", "no implemented is open"),
    "report into nowhere": (RUNS, "{reports attempts product}", "{attempts product}", "no folder"),
    "failure hidden": (
        RUNS,
        "\n  open_run impl_1",
        "\n  open_run impl_1\n  catch {open_run impl_2}",
        "hides failures",
    ),
    "another program started": (RUNS, "\n  open_run impl_1", "\n  exec ls", 'invalid command name "exec"'),
}


@pytest.fixture(scope="module")
def recording(project: Project) -> Recording:
    return check_project(project)


def test_the_design_is_what_the_driver_expects(project: Project, recording: Recording) -> None:
    design = recording.design
    assert design is not None and design.validated and design.generated
    ports = ip.memory_ports(project.hw)
    zynq = recording.model.get("bd_cell:zynq").properties
    actual = float(zynq["config.psu__crl_apb__pl0_ref_ctrl__act_freqmhz"])
    assert project.hw.clock_mhz * (1 - TOLERANCE) < actual <= project.hw.clock_mhz
    for index, port in enumerate(ports):
        at = PS_PORTS[vivado_settings(project.board).ports[index]]
        assert zynq[f"config.psu__saxigp{at.gp}__data_width"] == str(port.data_bits)
        assert design.links[f"bd_intf_pin:{ip.INSTANCE}/{port.name}"] == f"bd_intf_pin:zynq/{at.interface}"
    assert sum("S_AXI_HP" in slave for slave in design.links.values()) == len(ports)
    windows = {
        segment: place for (space, segment), place in design.assigned.items() if space.endswith("zynq/Data")
    }
    assert windows == {
        f"bd_addr_seg:{ip.INSTANCE}/{ip.REGISTERS}/reg0": (ip.REGISTER_BASE, ip.REGISTER_BYTES),
        f"bd_addr_seg:{ip.CONTROLLER}/S_AXI/Reg": (ip.CONTROLLER_BASE, ip.CONTROLLER_BYTES),
    }
    assert design.driver(f"bd_pin:{ip.CONTROLLER}/intr") == f"bd_pin:{ip.INSTANCE}/{ip.INTERRUPT}"
    assert design.driver("bd_pin:zynq/pl_ps_irq0") == f"bd_pin:{ip.CONTROLLER}/irq"


def implementations(recording: Recording) -> list[tuple[str, str]]:
    """(MHz, strategy) of each, in order."""
    names = [
        Path(call.argument("file")).stem for call in recording.calls if call.command == "write_checkpoint"
    ]
    return [(mhz, strategy) for mhz, _, strategy in (name.partition("_") for name in names)]


def test_the_first_clock_that_is_met_is_packaged(scratch: Project) -> None:
    """Four strategies at 300 MHz, two at 250: the sixth meets its timing, nothing is tried after it."""
    recording = record(scratch.script, unmet=5)
    tried = implementations(recording)
    assert tried == [*(("300", name) for name in STRATEGIES), *(("250", name) for name in STRATEGIES[:2])]
    zynq = recording.model.get("bd_cell:zynq").properties
    assert float(zynq["config.psu__crl_apb__pl0_ref_ctrl__act_freqmhz"]) == pytest.approx(250, rel=1e-3)
    assert scratch.bitstream.is_file() and scratch.handoff.is_file()
    assert [path.stem for path in scratch.attempts] == sorted("_".join(attempt) for attempt in tried)


def test_an_implementation_that_fails_does_not_end_the_flow(scratch: Project) -> None:
    """Two strategies end in an error, the third misses its timing: the fourth, at that clock, is packaged."""
    recording = record(scratch.script, broken=2, unmet=1)
    assert implementations(recording) == [("300", name) for name in STRATEGIES[2:]]
    assert scratch.bitstream.is_file() and scratch.handoff.is_file()


def test_if_all_fail_it_says_so(scratch: Project) -> None:
    with pytest.raises(ScriptError, match=r"no strategy meets .* the log why others failed"):
        record(scratch.script, broken=len(scratch.clocks) * len(STRATEGIES))
    assert scratch.attempts == [] and not scratch.bitstream.exists()


def test_only_what_is_met_is_packaged(scratch: Project) -> None:
    everything = len(scratch.clocks) * len(STRATEGIES)
    with pytest.raises(ScriptError, match=r"no strategy meets 300, 250, 214\.286, 187\.5 MHz"):
        record(scratch.script, unmet=everything)
    assert len(scratch.attempts) == everything
    assert not scratch.bitstream.exists()


def test_the_accelerator_reaches_memory_only(project: Project, recording: Recording) -> None:
    assert recording.design is not None
    seen = {
        segment.rpartition("_DDR_")[2]
        for space, segment in recording.design.assigned
        if space.startswith(f"bd_addr_space:{ip.INSTANCE}/")
    }
    assert {f"DDR_{name}" for name in seen} == set(vivado_settings(project.board).memory)


def test_the_table_has_no_command_that_nothing_uses(recording: Recording) -> None:
    table = load_table(HERE / "commands.toml")
    assert {call.command for call in recording.calls} == set(table)
    assert all(entry["doc"].split()[0].startswith("UG") for entry in table.values())


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_fails(scratch: Project, name: str) -> None:
    file, old, new, message = MUTATIONS[name]
    path = scratch.folder / file
    text = path.read_text()
    assert text.count(old) >= 1, f"{file} has no {old!r}"
    path.write_text(text.replace(old, new))
    with pytest.raises(ScriptError) as error:
        record(scratch.script, unmet=len(STRATEGIES) + 1)  # so that the second clock is reached
    assert message in str(error.value)


# HDL: only Verilator sees it.
HDL_MUTATIONS = {
    "wrapper broken": (WRAPPER, "endmodule", "endmodul", "peritus_ip.v:"),
    "source broken": ("ip/src/peritus_fifo.sv", "endmodule", "endmodul", "peritus_fifo.sv:"),
    "module missing": (SETTINGS, "{peritus_fifo.sv} ", "", "module: 'peritus_fifo'"),
    "port too narrow": (
        WRAPPER,
        "output wire [39:0] m00_axi_awaddr",
        "output wire [31:0] m00_axi_awaddr",
        "m00_axi_awaddr",
    ),
    "port not connected": (WRAPPER, "    .irq_o(irq_o)", "    .irq_o()", "irq_o"),
}


@pytest.mark.sim
@pytest.mark.parametrize("name", HDL_MUTATIONS)
def test_a_mutation_of_the_hdl_fails(tmp_path: Path, name: str) -> None:
    """In the smaller accelerator's project: each mutation is another elaboration."""
    file, old, new, message = HDL_MUTATIONS[name]
    project = write_project(load_board("kv260"), tmp_path / "vivado", timeout_s=3600, jobs=2)
    path = project.folder / file
    assert old in path.read_text(), f"{file} has no {old!r}"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ScriptError) as error:
        record(project.script, verilator=installed_verilator())
    assert "Verilator does not elaborate peritus_ip" in str(error.value)
    assert message in str(error.value)


@pytest.mark.sim
def test_the_hdl_is_elaborated(recording: Recording) -> None:
    assert recording.model.elaborated


def test_without_verilator_the_hdl_is_not_elaborated(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> list[str]:
        raise ToolNotFound("Verilator")

    monkeypatch.setattr("peritus.eda.vivado.run.verilator_command", missing)
    assert not check_project(project).model.elaborated


def test_without_the_recorder_the_check_says_where_it_is(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vivado_recorder", None)
    with pytest.raises(ToolNotFound, match=r"sw/vivado_recorder"):
        check_project(project)


def test_what_is_wrong_with_a_project_is_an_error_of_the_project(scratch: Project) -> None:
    scratch.script.write_text("no_such_command\n")
    with pytest.raises(ProjectError, match="no_such_command"):
        check_project(scratch)


def test_clocks_are_divided_as_the_driver_divides_them() -> None:
    """The recorder has its own numbers, peritus.arch.pl_clock ours."""
    catalog = tomllib.loads((HERE / "catalog.toml").read_text())
    rule = catalog["ip"]["xilinx.com:ip:zynq_ultra_ps_e"]["pl_clock"]
    assert (rule["divisors"], rule["tolerance"]) == ([FASTEST, SLOWEST], TOLERANCE)


def test_a_missing_source_fails(scratch: Project) -> None:
    (scratch.folder / "ip" / "src" / "peritus_core.sv").unlink()
    with pytest.raises(ScriptError, match=r"add_files: no file .*core\.sv"):
        record(scratch.script)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("m02_axi ARVALID", "m02_axi ARVALUD", "m02_axi lacks ARVALID"),
        (":m03_axi,", ",", "no clock is associated with m03_axi"),
        ("AXI4, DATA_WIDTH 128", "AXI4, DATA_WIDTH 64", "has 128 data bits"),
        (
            '  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axil BRESP" *)\n',
            "",
            "s_axil_bresp has no X_",
        ),
        ("xilinx.com:signal:interrupt:1.0", "xilinx.com:signal:intr:1.0", "unknown interface"),
        ("SENSITIVITY LEVEL_HIGH", "SENSITIVITY LEVEL_HI", "SENSITIVITY = LEVEL_HI"),
    ],
)
def test_a_wrapper_with_wrong_attributes_fails(scratch: Project, old: str, new: str, message: str) -> None:
    path = scratch.folder / "ip" / "src" / "peritus_ip.v"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ScriptError) as error:
        record(scratch.script)
    assert message in str(error.value)


def test_an_endless_script_is_ended(tmp_path: Path) -> None:
    script = tmp_path / "build.tcl"
    script.write_text("while {1} {}\n")
    with pytest.raises(ScriptError, match="time limit"):
        record(script, timeout_s=1)


def test_verilator_that_is_killed_has_not_elaborated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], -9, "", "")

    source = tmp_path / "killed.v"
    source.write_text("module killed; endmodule\n")
    monkeypatch.setattr("vivado_recorder.hdl.subprocess.run", killed)
    with pytest.raises(ScriptError, match="does not elaborate killed:\nit ended with status -9"):
        elaborate("killed", [source], Verilator(("verilator",), ()))


def test_the_same_hdl_is_elaborated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else the environment says, which changes with every test; a changed source is another."""
    runs: list[dict[str, str]] = []

    def counted(*_: object, env: dict[str, str], **__: object) -> subprocess.CompletedProcess[str]:
        runs.append(env)
        return subprocess.CompletedProcess([], 0, "", "")

    source = tmp_path / "once.v"
    source.write_text("module once; endmodule\n")
    monkeypatch.setattr("vivado_recorder.hdl.subprocess.run", counted)
    for number in ("1", "2"):
        elaborate("once", [source], Verilator(("verilator",), (("NUMBER", number),)))
    assert runs == [{"NUMBER": "1"}]
    source.write_text("module once; wire changed; endmodule\n")
    elaborate("once", [source], Verilator(("verilator",), ()))
    assert len(runs) == 2
