# SPDX-License-Identifier: Apache-2.0
"""Lint the SystemVerilog: layout and style, and every configuration with Verilator and slang.

    python -m peritus.eda.lint                                  everything (what `make lint` runs)
    python -m peritus.eda.lint --top peritus_fifo --hw nano     one block and what it instantiates

Style rules are in `.rules.verible_lint`, the layout in `.verible-format`; the exceptions from all warnings,
with reasons, in `rtl/lint.vlt` (Verilator) and `slang_waivers.toml` (slang).
"""

import argparse
import sys

from peritus.arch.config import config_names, load_config
from peritus.eda.lint import slang, style
from peritus.eda.lint.verilator import lint_verilator
from peritus.eda.sources import LINK_TOP, TOP, design_files
from peritus.resources import resource

# Elaborated by slang for the smallest configuration only: top, and folders to look into.
OTHERS = (
    (TOP, ("tests/rtl/benches",)),  # a stand-in for the core
    ("mac_equivalence", ("tests/rtl/benches", "sim/models")),
    ("peritus_write_monitor", ("sim",)),
    ("peritus_cycle_monitor", ("sim",)),
    ("peritus_ulx3s_top", ("boards/ulx3s",)),
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Lint the SystemVerilog.")
    parser.add_argument("--top", default=TOP, help=f"module to start from (default {TOP})")
    parser.add_argument("--hw", help="configuration: a name or MY.toml (default: all of configs/)")
    args = parser.parse_args()
    configurations = [load_config(name) for name in ([args.hw] if args.hw else config_names())]

    whole = args.top == TOP
    written, styled = (
        [path for path in files if whole or path.stem == args.top]
        for files in (style.written(), style.styled())
    )
    untyped = style.nettype_errors(written)
    print(*untyped, sep="\n", end="\n" * bool(untyped))
    results = {
        "default_nettype none": not untyped,
        style.FORMAT: style.formatted(written),
        style.LINT: style.lint_style(styled) if styled else True,
    }
    waivers, used = slang.read_waivers(), set[slang.Waiver]()
    for hw in configurations:
        for top in (TOP, LINK_TOP) if whole and hw.axi_ports == 1 else (args.top,):
            results[f"verilator -Wall {top} ({hw.name})"] = lint_verilator(hw, top)
            clean = slang.lint_slang(design_files(top, hw), top, waivers, used)
            results[f"slang -Weverything {top} ({hw.name})"] = clean
    if whole and not args.hw:
        nano = load_config("nano")
        for top, folders in OTHERS:
            files = design_files(top, nano, [resource(folder) for folder in folders])
            clean = slang.lint_slang(files, top, waivers, used)
            results[f"slang -Weverything {top} with {', '.join(folders)}"] = clean
        for top in (path.stem for path in sorted(resource("rtl/finn").glob("*.sv"))):
            results[f"verilator -Wall {top}"] = lint_verilator(nano, top)
            clean = slang.lint_slang(design_files(top), top, waivers, used)
            results[f"slang -Weverything {top}"] = clean
        idle = [waiver for waiver in waivers if waiver not in used]
        for waiver in idle:
            print(f"{slang.WAIVERS}: nothing needs the waiver of {waiver.rule} in {', '.join(waiver.files)}")
        results["waivers of slang"] = not idle
    for name, clean in results.items():
        print(f"{'clean ' if clean else 'FAILED'} {name}")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
