# SPDX-License-Identifier: Apache-2.0
"""Damaged files of our own formats, and what must become of them: refused by a typed error, or usable.

    python -m tests.schema.mutations --format bundle --count 2000        # make fuzz

Every file is a valid one with one random change of a random kind; checksums and sizes are repaired, so that
the damage gets past them. What is accepted is used: printed, compiled, run. Each file has SECONDS and
MEMORY_BYTES. "raw in ISS": the verifier of programs let one pass that the simulator cannot run.
"""

from __future__ import annotations

import argparse
import importlib
import random
import resource
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from peritus.errors import PeritusError
from tests.schema.formats import FORMATS

SECONDS = 20.0
MEMORY_BYTES = 3 << 30  # beyond what the process has when it begins
LONGEST = 4000  # characters of a message
GOOD = {"refused", "usable"}


class Hang(BaseException):
    """Past its time."""


def mutated(format_: ModuleType, seed: int) -> tuple[str, Any]:
    """Kind and content of a damaged file: every kind in turn."""
    kind = format_.KINDS[seed % len(format_.KINDS)]
    return kind.__name__, format_.damaged(kind, random.Random(seed))


def verdict(format_: ModuleType, data: Any) -> tuple[str, str]:
    """One word, and what there is to say: "refused" or "usable", or what must not be."""
    try:
        with _time_limit(SECONDS):
            format_.judge(data)
    except PeritusError as error:
        if len(str(error)) > LONGEST:
            return "raw message", f"{len(str(error))} characters: {str(error)[:200]}"
        return "refused", ""
    except Hang as error:
        return f"hang{_where(error)}", f"more than {SECONDS:g} s"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"raw{_where(error)}", f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"
    return "usable", ""


def _where(error: BaseException) -> str:
    """ " in ISS" if the simulator raised it."""
    trace, files = error.__traceback__, []
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    return " in ISS" if any("/runtime/iss/" in file for file in files) else ""


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _limit_memory() -> None:
    with open("/proc/self/statm") as file:  # noqa: PTH123 (one word)
        pages = int(file.read().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--format", choices=FORMATS, default="bundle")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--start", type=int, default=0)
    options = parser.parse_args()
    format_ = importlib.import_module(FORMATS[options.format])
    format_.judge(
        format_.damaged(lambda valid, rng: format_.whole(valid), random.Random(0))
    )  # warm, and right
    _limit_memory()
    counts: dict[str, Counter[str]] = {}
    for seed in range(options.start, options.start + options.count):
        kind, data = mutated(format_, seed)
        found, why = verdict(format_, data)
        if found not in GOOD:
            print(f"seed {seed} ({kind}): {found}: {why[:400]}", flush=True)
        counts.setdefault(kind, Counter())[found] += 1
    for kind, found_counts in sorted(counts.items()):
        print(f"{kind:22} " + ", ".join(f"{n} {what}" for what, n in sorted(found_counts.items())))
    total = sum(counts.values(), Counter())
    print(f"{options.count} of {options.format}: " + ", ".join(f"{n} {w}" for w, n in sorted(total.items())))
    return 1 if set(total) - GOOD else 0


if __name__ == "__main__":
    sys.exit(main())
