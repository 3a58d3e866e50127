# SPDX-License-Identifier: Apache-2.0
"""Prove all units, and find all bugs seeded in their blocks.

    make prove                                     all of them
    python -m peritus.eda.prove --unit rsqrt       one

For each unit of peritus.eda.prove.units: the C++ of hls/ equals the RTL block for all inputs, and every bug
put into that block is found. Fails otherwise.
"""

from __future__ import annotations

import argparse
import sys
import time

from peritus.arch.config import load_config
from peritus.eda.prove.balance import NotBalanced
from peritus.eda.prove.prove import Answer, prove
from peritus.eda.prove.units import UNITS, Unit
from peritus.errors import PeritusError

HW = "nano"  # sizes that a block takes from the configuration


def check(unit: Unit) -> bool:
    """Prove one and find its bugs; prints a line."""
    verdict = prove(unit, load_config(HW))
    found = sum(is_found(unit, bug, verdict.depth) for bug in unit.bugs)
    depth = "-" if verdict.depth is None else str(verdict.depth)
    print(
        f"{unit.name:<12} {unit.block:<21} {verdict.answer.name.lower():<10} {depth:>9} "
        f"{verdict.seconds:>8.1f} {found:>4} of {len(unit.bugs)}",
        flush=True,
    )
    return verdict.answer is Answer.EQUAL and found == len(unit.bugs)


def is_found(unit: Unit, bug: tuple[str, str], depth: int | None) -> bool:
    """Is a bug in the block noticed, by an input for which they differ or in the pipeline's depth?"""
    try:
        verdict = prove(unit, load_config(HW), bug)
        return verdict.answer is Answer.DIFFERENT or verdict.depth != depth
    except NotBalanced:
        return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Prove that units of the HLS twin equal their RTL blocks.")
    parser.add_argument("--unit", choices=[unit.name for unit in UNITS], help="only this one")
    wanted = parser.parse_args().unit
    units = [unit for unit in UNITS if wanted in (None, unit.name)]
    start = time.monotonic()
    print(f"{'unit':<12} {'RTL block':<21} {'answer':<10} {'registers':>9} {'seconds':>8} bugs found")
    try:
        good = [check(unit) for unit in units]
    except PeritusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - start
    print(f"{good.count(True)} of {len(good)} units proved with all bugs found, {seconds:.0f} s")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
