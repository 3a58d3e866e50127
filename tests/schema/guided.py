# SPDX-License-Identifier: Apache-2.0
"""Parsers under a coverage-guided fuzzer: what it finds must be refused by a typed error, or understood.

    python -m tests.schema.guided --format bundle --seconds 120        # make fuzz-parsers

Needs atheris (requirements/fuzz.txt). The first inputs are valid files, made here; what reaches new lines of
ours is kept in build/fuzz/FORMAT and mutated further. Checksums are repaired before a parser sees a file.
Inputs that end in another exception are kept beside, once for each line that raised it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from types import ModuleType

from tests.schema.formats import GUIDED

FOLDER = Path("build/fuzz")
LIMITS = ("-timeout=30", "-rss_limit_mb=6000", "-max_len=1000000", "-print_final_stats=0", "-verbosity=0")


def parse(parser: ModuleType, data: bytes) -> None:
    """Hand an input to a parser, its checksum repaired if the format has one."""
    repaired = getattr(parser, "repaired", None)
    parser.parse(repaired(data) if repaired else data)


class Tally:
    """What became of the inputs; the first one of each fault is kept."""

    def __init__(self, name: str, folder: Path, seconds: float) -> None:
        self.name, self.folder, self.seconds = name, folder, seconds
        self.counts: Counter[str] = Counter()
        self.faults: dict[str, str] = {}
        self.started = time.monotonic()

    def attempt(self, parser: ModuleType, data: bytes) -> None:
        """Parse, and count; the end, when it is time."""
        if time.monotonic() - self.started > self.seconds:
            self.say()
            os._exit(1 if self.faults else 0)  # the fuzzer itself ends no other way
        from peritus.errors import PeritusError  # above, it would come before what is to be measured

        try:
            parse(parser, data)
        except PeritusError:
            self.counts["refused"] += 1
        except Exception as error:
            self.counts["raw"] += 1
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
            if where not in self.faults:
                self.faults[where] = str(error)[:200]
                file = self.folder / f"raw-{hashlib.sha256(data).hexdigest()[:12]}"
                file.write_bytes(data)
                print(f"{self.name}: {where}: {self.faults[where]} ({file})", flush=True)
        else:
            self.counts["usable"] += 1

    def say(self) -> None:
        """One line."""
        total, seconds = self.counts.total(), time.monotonic() - self.started
        found = ", ".join(f"{self.counts[what]:,} {what}" for what in ("refused", "usable", "raw"))
        print(f"{total:,} inputs of {self.name} in {seconds:.0f} s: {found}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--format", choices=GUIDED, required=True)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--replay", type=Path, help="an input that was kept")
    options = parser.parse_args()
    if options.replay:
        parse(importlib.import_module(GUIDED[options.format]), options.replay.read_bytes())
        return
    import atheris

    with atheris.instrument_imports(include=["peritus", "quant_models"]):
        module = importlib.import_module(GUIDED[options.format])
        folder = FOLDER / options.format
        corpus = folder / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(module.seeds()):
            (corpus / f"seed-{number}").write_bytes(seed)
            parse(module, seed)  # warm, and right
    tally = Tally(options.format, folder, options.seconds)
    arguments = [sys.argv[0], str(corpus), f"-artifact_prefix={folder}/", *LIMITS]
    atheris.Setup(arguments, lambda data: tally.attempt(module, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
