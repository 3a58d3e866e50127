# SPDX-License-Identifier: Apache-2.0
"""Rules over the model: what Vivado's validation, packager and address editor refuse, and a little more."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

from vivado_recorder.errors import ScriptError
from vivado_recorder.model import Model, Thing

_CORE_FIELDS = ("vendor", "library", "name", "version", "display_name", "description")
_LIFE_CYCLES = {"Production", "Pre-Production", "Beta", "Discontinued"}


def board_part(model: Model, name: str) -> None:
    """The board exists, and carries the project's part."""
    assert model.project is not None
    board = model.catalog["board_parts"].get(name)
    if board is None:
        raise ScriptError(f"set_property: no board part {name!r}")
    if (part := board["part"]) != model.project.properties["part"]:
        raise ScriptError(f"set_property: {name} carries {part}, not {model.project.properties['part']}")


def top(model: Model, name: str) -> None:
    """The top module is in a source file of its name."""
    if not any(Path(thing.name).stem == name for thing in model.of("file")):
        raise ScriptError(f"set_property: top = {name!r}, but no source of that name is in the project")


def core(model: Model) -> dict[str, dict[str, Any]]:
    """The IP is complete. Returns what `packager.ip_spec` wants to know of every bus: range, block name."""
    assert model.core is not None
    lacking = [field for field in _CORE_FIELDS if not model.core.properties.get(field)]
    if lacking:
        raise ScriptError(f"ipx::check_integrity: the core has no {', '.join(lacking)}")
    _families(model, model.core.properties.get("supported_families", ""))
    found: dict[str, dict[str, Any]] = {}
    for name, entry in model.core.spec["interfaces"].items():
        if "clock" in entry.vlnv and "period" not in model.get(f"port:{name}").properties:
            raise ScriptError(f"ipx::check_integrity: no constraint file creates a clock on {name}")
        if "aximm" not in entry.vlnv:
            continue
        bus = model.get(f"bus_interface:{name}").properties
        slave = entry.signals["ARVALID"][1] == "input"
        reference = bus.get("slave_memory_map_ref" if slave else "master_address_space_ref")
        if reference is None:
            raise ScriptError(
                f"ipx::check_integrity: {name} has no {'memory map' if slave else 'address space'}"
            )
        holder = model.get(f"memory_map:{reference}" if slave else f"address_space:{reference}")
        if slave:
            blocks = model.of("address_block", parent=holder.handle)
            if len(blocks) != 1:
                raise ScriptError(
                    f"ipx::check_integrity: memory map {reference} has {len(blocks)} blocks, not 1"
                )
            holder = blocks[0]
        size = int(holder.properties.get("range", "0"), 0)
        bits = entry.signals["ARADDR"][2]
        if size != 1 << bits:
            raise ScriptError(
                f"ipx::check_integrity: {name} has {bits} address bits and a range of {size:#x}"
            )
        found[name] = {"range": size, "name": holder.properties["name"]}
        _registers(model, holder, size)
    return found


def _families(model: Model, text: str) -> None:
    """Pairs of family and life cycle, among them the family of the project's part (UG1118, Compatibility)."""
    assert model.project is not None
    words = model.split(text)
    family = model.catalog["parts"][model.project.properties["part"]]
    if family not in words[::2] or len(words) % 2 or not set(words[1::2]) <= _LIFE_CYCLES:
        raise ScriptError(
            f"ipx::check_integrity: supported_families = {text!r}, must be pairs of a family and one of "
            f"{', '.join(sorted(_LIFE_CYCLES))}, {family} among them"
        )


def _registers(model: Model, block: Thing, size: int) -> None:
    """Registers lie in their block and fields in their register, none over another."""
    taken: set[int] = set()
    for register in model.of("register", parent=block.handle):
        offset, bits = (int(register.properties.get(key, "-1"), 0) for key in ("address_offset", "size"))
        if offset < 0 or bits != 32 or offset % 4 or offset >= size or offset in taken:
            raise ScriptError(f"ipx::check_integrity: register {register.name}: {bits} bits at {offset:#x}")
        taken.add(offset)
        used = 0
        for field in model.of("field", parent=register.handle):
            lsb, width = (int(field.properties.get(key, "-1")) for key in ("bit_offset", "bit_width"))
            mask = ((1 << width) - 1) << lsb if lsb >= 0 and width > 0 else -1
            if mask < 0 or mask >> bits or mask & used:
                raise ScriptError(f"ipx::check_integrity: field {field.name}: {width} bits at {lsb}")
            used |= mask


def same_signal(driver: Thing, pin: Thing) -> None:
    """Both ends of a net are of one kind, resets of one polarity, interrupts of one sensitivity."""
    for key in ("type", "polarity", "sensitivity"):
        here, there = driver.spec.get(key), pin.spec.get(key)
        if here != there:
            raise ScriptError(f"connect_bd_net: {key} of {driver.name} is {here}, of {pin.name} {there}")


def place(model: Model, space: Thing, segment: Thing, offset: int, size: int) -> None:
    """A segment may stand there: reachable, aligned, whole, in a window of the master, over no other."""
    assert model.design is not None
    masters = [handle for handle in space.parents if handle.startswith("bd_intf_pin:")]
    reached = [found.handle for handle in masters for found in model.reachable(model.get(handle))]
    if segment.handle not in reached:
        raise ScriptError(f"assign_bd_address: {space.name} does not reach {segment.name}")
    if "base" in segment.spec and (offset, size) != (segment.spec["base"], segment.spec["range"]):
        raise ScriptError(f"assign_bd_address: {segment.name} is fixed at {segment.spec['base']:#x}")
    largest = segment.spec["range"]
    smallest = segment.spec.get("smallest", largest)
    if not smallest <= size <= largest or size & (size - 1):
        raise ScriptError(f"assign_bd_address: {segment.name} is {largest:#x} bytes, cannot be {size:#x}")
    if offset % size and "base" not in segment.spec:
        raise ScriptError(f"assign_bd_address: {offset:#x} is not a multiple of {size:#x}")
    windows = space.spec["windows"]
    if not any(low <= offset and offset + size <= low + span for low, span in windows):
        raise ScriptError(f"assign_bd_address: {offset:#x} is outside what {space.name} can address")
    for (other_space, other), (low, span) in model.design.assigned.items():
        if other_space == space.handle and offset < low + span and low < offset + size:
            raise ScriptError(f"assign_bd_address: {segment.name} at {offset:#x} overlaps {other}")


def design(model: Model) -> None:
    """The block design is whole; ScriptError lists everything that is not."""
    problems = [*_pins(model), *_clocks(model), *_mmcms(model), *_interfaces(model), *_addresses(model)]
    if problems:
        raise ScriptError("validate_bd_design: " + "; ".join(problems))


def _pins(model: Model) -> list[str]:
    assert model.design is not None
    problems = []
    for pin in model.of("bd_pin"):
        kind, direction = pin.spec["type"], pin.spec["direction"]
        if direction == "I" and kind in ("clk", "rst", "intr") and model.design.driver(pin.handle) is None:
            problems.append(f"{kind} pin {pin.name} is not connected")
        if direction == "O" and pin.spec.get("used") and not model.design.nets.get(pin.handle):
            problems.append(f"{kind} pin {pin.name} leads nowhere")
    return problems


def _clocks(model: Model) -> list[str]:
    """The processor's PLL makes the clock that is asked for; the actual one is kept as Vivado does."""
    assert model.project is not None
    problems = []
    for cell in model.of("bd_cell"):
        if "pl_clock" not in cell.spec:
            continue
        parameter = f"config.{cell.spec['pl_clock']['parameter'].lower()}"
        board = model.catalog["board_parts"].get(model.project.properties.get("board_part"))
        if board is None:
            problems.append(f"clock of {cell.name}: the project has no board_part to take the reference of")
            continue
        try:
            actual = _divided(
                float(cell.properties[parameter]), board["reference_mhz"], cell.spec["pl_clock"]
            )
        except ScriptError as error:
            problems.append(f"clock of {cell.name}: {error}")
            continue
        cell.properties[parameter.replace("freqmhz", "act_freqmhz")] = f"{actual:.6f}"
    return problems


def _mmcms(model: Model) -> list[str]:
    """An MMCM is told the clock it has, its oscillator is within its range, and no other pin is asked for."""
    assert model.design is not None
    problems = []
    sources = [cell for cell in model.of("bd_cell") if "pl_clock" in cell.spec]
    for cell in model.of("bd_cell"):
        if "mmcm" not in cell.spec:
            continue
        for name in ("override_mmcm", "clkout2_used", "use_locked", "use_reset"):
            value = cell.properties[f"config.{name}"]
            if value != "true":
                problems.append(f"{cell.name}: {name.upper()} is {value}, the catalog knows true only")
        given, multiply, divide = (
            float(cell.properties[f"config.{name}"])
            for name in ("prim_in_freq", "mmcm_clkfbout_mult_f", "mmcm_divclk_divide")
        )
        low, high = cell.spec["mmcm"]["vco_mhz"]
        vco = given * multiply / divide
        if not low <= vco <= high:
            problems.append(f"oscillator of {cell.name} would have {vco:g} MHz, must have {low:g}..{high:g}")
        driver = model.design.driver(f"bd_pin:{cell.name}/clk_in1")
        for source in sources:
            asked = float(source.properties[f"config.{source.spec['pl_clock']['parameter'].lower()}"])
            if driver == f"bd_pin:{source.name}/pl_clk0" and given != asked:
                problems.append(f"{cell.name}: PRIM_IN_FREQ is {given:g}, {source.name} gives {asked:g} MHz")
    return problems


def _divided(mhz: float, reference_mhz: float, rule: Mapping[str, Any]) -> float:
    """The fastest clock in MHz, not above `mhz`, that the PLL gives divided by a whole number."""
    pll_mhz: float = reference_mhz * rule["multiplier"]
    fastest, slowest = (int(limit) for limit in rule["divisors"])
    divisor = ceil(pll_mhz / mhz) if mhz > 0 else slowest + 1
    if not fastest <= divisor <= slowest or pll_mhz / divisor < mhz * (1 - rule["tolerance"]):
        near = sorted({min(max(n, fastest), slowest) for n in (divisor - 1, divisor)}, reverse=True)
        raise ScriptError(
            f"{mhz:g} MHz is not what the PLL, {pll_mhz:.0f} MHz, gives divided by {fastest} to {slowest}; "
            f"nearest: {' and '.join(f'{pll_mhz / n:.3f}' for n in near)} MHz"
        )
    return pll_mhz / divisor


def _interfaces(model: Model) -> list[str]:
    assert model.design is not None
    links = model.design.links
    problems = [
        f"interface {pin.name} is not connected"
        for pin in model.of("bd_intf_pin")
        if pin.handle not in links and pin.handle not in links.values()
    ]
    for ends in links.items():
        master, slave = (model.get(handle) for handle in ends)
        here, there = master.spec.get("protocol"), slave.spec.get("protocol")
        if here is not None and there is not None and here != there:
            problems.append(f"protocol of {master.name} is {here}, of {slave.name} {there}")
        # Through an interconnect too: it would convert, and the narrower side decides the bandwidth.
        for end in model.ends(master) if model.width(master) else []:
            if model.width(end) != model.width(master):
                problems.append(
                    f"width of {master.name} is {model.width(master)}, of {end.name} {model.width(end)}"
                )
        if model.clock(master) != model.clock(slave):
            problems.append(f"{master.name} and {slave.name} have different clocks")
    return problems


def _addresses(model: Model) -> list[str]:
    assert model.design is not None
    problems = []
    for space in model.of("bd_addr_space"):
        for handle in space.parents:
            if not handle.startswith("bd_intf_pin:"):
                continue
            reached = model.reachable(model.get(handle))
            for segment in reached:
                key = (space.handle, segment.handle)
                if key not in model.design.assigned and key not in model.design.excluded:
                    problems.append(f"segment {segment.name} has no address in {space.name}")
            if not any((space.handle, segment.handle) in model.design.assigned for segment in reached):
                problems.append(f"{space.name} reaches nothing")
    return problems
