# SPDX-License-Identifier: Apache-2.0
"""The RTL of one hardware configuration as a folder that needs nothing of ours: `peritus rtl HW -o DIR`.

DIR/rtl/*.sv      everything the top needs, the configuration's package included
    peritus.f     file list in compilation order, paths relative to DIR (Verilator, slang, Questa, VCS: -f)
    Bender.yml    for PULP's Bender; peritus.core for FuseSoC
    lint.vlt      waivers of Verilator's -Wall
    HW.toml       the configuration; LICENSE, README.md
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from peritus.arch import ip
from peritus.arch.config import HwConfig
from peritus.codegen.configured import configured
from peritus.eda.errors import ProjectError
from peritus.eda.sources import LINK_TOP, TOP, design_files, waivers
from peritus.resources import resource

TOPS = (TOP, LINK_TOP)
LIST, BENDER, FUSESOC, README = "peritus.f", "Bender.yml", "peritus.core", "README.md"

_BENDER = """\
# SPDX-License-Identifier: Apache-2.0
package:
  name: peritus
  authors: []

sources:
{sources}
"""

_FUSESOC = """\
CAPI=2:
# SPDX-License-Identifier: Apache-2.0
name: {vendor}:{library}:{name}:{version}
description: Mixture-of-Experts vision transformer accelerator, configuration {hw}

filesets:
  rtl:
    files:
{sources}
    file_type: systemVerilogSource
  waivers:
    files:
      - lint.vlt
    file_type: vlt

targets:
  default: &default
    filesets: [rtl]
    toplevel: {top}
  lint:
    <<: *default
    filesets: [rtl, waivers]
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
"""

_README = """\
# Peritus, configuration {hw}

RTL of the accelerator, exported by `peritus rtl {hw}`: SystemVerilog, Apache-2.0. Top module: `{top}`.

| tool | command |
|---|---|
| Verilator | `verilator --lint-only -Wall lint.vlt -f peritus.f --top-module {top}` |
| slang | `slang -f peritus.f --top {top}` |
| Yosys with slang | `yosys -p "read_slang -D SYNTHESIS --top {top} -f peritus.f"` |
| Bender | `bender script flist` |
| FuseSoC | `fusesoc --cores-root . run --target=lint {vlnv}` |

With parameter `Dsp48e2` = 1 the multipliers are instances of AMD's DSP48E2, which the tool must know; with 0,
the default, nothing of a vendor is needed. Programs for this configuration are compiled with
`--hw {hw}.toml`: they carry the hash {hash:#018x}, which the register CONFIG_HASH reads.
"""


def export_rtl(hw: HwConfig, folder: Path, *, top: str = TOP) -> list[Path]:
    """Fill `folder`, which must be empty or hold an earlier export; the written files.

    Raises:
        ProjectError: `folder` holds something else; `top` is not one of TOPS.
    """
    if top not in TOPS:
        raise ProjectError(f"top {top!r}, must be one of {', '.join(TOPS)}")
    if folder.exists() and any(folder.iterdir()) and not (folder / LIST).is_file():
        raise ProjectError(f"{folder} is not empty and no earlier export: name another folder, or empty it")
    sources = design_files(top, hw)
    shutil.rmtree(folder / "rtl", ignore_errors=True)
    (folder / "rtl").mkdir(parents=True)
    copies = {f"rtl/{path.name}": path for path in sources}
    copies |= {"lint.vlt": waivers(), f"{hw.name}.toml": configured(hw) / f"{hw.name}.toml"}
    copies["LICENSE"] = resource("LICENSE")
    for target, path in copies.items():
        shutil.copyfile(path, folder / target)
    names = [path.name for path in sources]
    texts = {
        LIST: "".join(f"rtl/{name}\n" for name in names),
        BENDER: _BENDER.format(sources=_listed(names, 2)),
        FUSESOC: _FUSESOC.format(
            vendor=ip.VENDOR,
            library=ip.LIBRARY,
            name=ip.NAME,
            version=ip.VERSION,
            hw=hw.name,
            top=top,
            sources=_listed(names, 6),
        ),
        README: _README.format(hw=hw.name, top=top, vlnv=ip.VLNV, hash=hw.hash64),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in (*copies, *texts)]


def _listed(names: Sequence[str], indent: int) -> str:
    return "\n".join(f"{' ' * indent}- rtl/{name}" for name in names)
