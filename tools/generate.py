# SPDX-License-Identifier: Apache-2.0
"""Write every generated file of the repository: `make generated`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 600
GENERATORS = [
    [sys.executable, "-m", "peritus.hw.emit", str(ROOT)],
    [sys.executable, "-m", "peritus.hw.emit_csr", str(ROOT)],
    [sys.executable, "-m", "peritus.link.emit", str(ROOT)],
]


def main() -> int:
    for command in GENERATORS:
        print(" ".join(command[1:]))
        subprocess.run(command, cwd=ROOT, check=True, timeout=TIMEOUT_S)
    return 0


if __name__ == "__main__":
    sys.exit(main())
