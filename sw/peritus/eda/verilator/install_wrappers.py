# SPDX-License-Identifier: Apache-2.0
"""Put an executable `verilator` into this virtual environment.

    python -m peritus.eda.verilator.install_wrappers

The project itself does not need it; it is for cocotb's own runner and makefiles and for the command line,
which look for that name. It answers `--version` in the form that such callers parse.
"""

import shlex
import sys
from pathlib import Path

from peritus.eda.verilator.install import verilator_command, verilator_root, verilator_version


def install(folder: Path) -> Path:
    """Write the wrapper script into `folder`.

    Raises:
        ToolNotFound: Verilator is not installed.
    """
    major, minor, *_ = verilator_version().split(".")
    script = folder / "verilator"
    script.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = --version ]; then echo "Verilator {major}.{minor:0>3}"; exit 0; fi\n'
        f"VERILATOR_ROOT={shlex.quote(str(verilator_root()))}\n"
        "export VERILATOR_ROOT\n"
        f'exec {shlex.join(verilator_command())} "$@"\n'
    )
    script.chmod(0o755)
    return script


def main() -> int:
    if sys.prefix == sys.base_prefix:
        print("not in a virtual environment: no wrapper written", file=sys.stderr)
        return 1
    print(install(Path(sys.prefix) / "bin"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
