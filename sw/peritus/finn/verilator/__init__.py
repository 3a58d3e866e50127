# SPDX-License-Identifier: Apache-2.0
"""Verilator as FINN's RTL simulator, in the place of Vivado's: node by node and for whole chains.

FINN names its simulator's functions on the module finn.xsi. `install` sets those names before FINN's steps
read them; whoever calls `prepare_rtlsim` or executes a node with exec_mode "rtlsim" then uses these.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from peritus.finn.errors import FinnStarted, SimulatorError
from peritus.finn.packing import beats_of, words_of
from peritus.finn.verilator.build import Design, build
from peritus.finn.verilator.engine import Engine
from peritus.finn.verilator.ports import Ports, Stream

__all__ = ["Design", "Engine", "build", "install"]

MARGIN = 1000  # cycles beyond FINN's own patience, which estimates may not cover
_STEPS = "finn.builder.build_dataflow_steps"
_DESIGN = "design.json"


def install() -> None:
    """Set FINN's names. Twice does no harm.

    Raises:
        FinnStarted: FINN's build steps have been imported before, with another simulator.
    """
    import finn.xsi as xsi

    if vars(xsi).get("SimEngine") is Engine:
        return
    if _STEPS in sys.modules:
        raise FinnStarted(f"{_STEPS} was imported before peritus.finn.environment.start(): call that first")
    names = {
        "SimEngine": Engine,
        "compile_sim_obj": compile_sim_obj,
        "load_sim_obj": load_sim_obj,
        "reset_rtlsim": reset_rtlsim,
        "close_rtlsim": close_rtlsim,
        "rtlsim_multi_io": rtlsim_multi_io,
    }
    for name, value in names.items():
        setattr(xsi, name, value)


def compile_sim_obj(
    top_module_name: str,
    source_list: Sequence[str],
    sim_out_dir: Path,
    debug: bool = False,
    behav: bool = False,
) -> tuple[Path, Path]:
    """Build a module; the folder, and in it the path of the library as FINN keeps it in `rtlsim_so`.

    debug: waves, which are not written. behav: FINN's macro for models in the place of vendor cells.
    """
    design = build(
        top_module_name, [Path(name) for name in source_list], define=("FINN_SIMULATION",) if behav else ()
    )
    # FINN takes the path apart at this folder's name.
    relative = Path("xsim.dir") / top_module_name / "xsimk.so"
    target = sim_out_dir / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(design.library)
    (target.parent / _DESIGN).write_text(json.dumps(asdict(design), default=str))
    return sim_out_dir, relative


def load_sim_obj(sim_out_dir: Path, out_so_relative_path: Path, tracefile: str | None = None) -> Engine:
    """A simulation of what `compile_sim_obj` built. tracefile: not written."""
    path = Path(sim_out_dir) / out_so_relative_path
    try:
        raw = json.loads((path.parent / _DESIGN).read_text())
    except FileNotFoundError:
        raise SimulatorError(
            f"{path} was not built by peritus.finn.verilator: prepare_rtlsim again"
        ) from None
    ports = raw["ports"]
    streams = {way: tuple(Stream(**entry) for entry in ports[way]) for way in ("inputs", "outputs")}
    others = tuple((str(name), int(bits)) for name, bits in ports["others"])
    return Engine(
        Design(
            raw["top"], Path(raw["library"]), Ports(**streams, fast_clock=ports["fast_clock"], others=others)
        )
    )


def reset_rtlsim(sim: Engine, **_: Any) -> None:
    """Reset; names and levels of FINN's reset are always the same."""
    sim.reset()


def close_rtlsim(sim: Engine) -> None:
    """Free the simulation."""
    sim.close()


def rtlsim_multi_io(
    sim: Engine,
    io_dict: dict[str, dict[str, list[int]]],
    num_out_values: int | Mapping[str, int],
    sname: str = "_V",
    liveness_threshold: int = 10000,
    liveness_estimate: float | None = None,
) -> int:
    """Stream io_dict["inputs"] in, fill io_dict["outputs"]; the cycles that it took.

    num_out_values: beats of the one output, or of each. sname: what FINN appends to the streams' names.
    """
    outputs = io_dict["outputs"]
    counts = num_out_values if isinstance(num_out_values, Mapping) else dict.fromkeys(outputs, num_out_values)
    bits = {stream.name: stream.bits for stream in sim.design.ports.inputs}
    found, cycles = sim.run(
        {
            name + sname: words_of(beats, bits.get(name + sname, 0))
            for name, beats in io_dict["inputs"].items()
        },
        {name + sname: int(counts[name]) for name in outputs},
        patience=liveness_threshold + MARGIN,
    )
    for name in outputs:
        outputs[name] = beats_of(found[name + sname])
    return cycles
