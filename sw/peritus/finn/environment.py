# SPDX-License-Identifier: Apache-2.0
"""FINN without vendor tools: its version, its settings, its simulator.

    start(Path("build"))      before anything else of FINN is imported

FINN as it comes is started by its own command, which looks for Vivado. This starts it as a library.
"""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from peritus.finn.errors import FinnMissing

PACKAGE = "finn-plus"
VERSION = "1.6.1"
# FINN asks for a folder of Vivado and its version, from this name; it need not exist.
_NO_VIVADO = "/nonexistent/Vivado/2024.2"


def require() -> None:
    """Check that FINN is here, in the version that this was written for.

    Raises:
        FinnMissing: it is not.
    """
    advice = "`make test-finn` makes an environment with it; see docs/finn.md"
    try:
        found = version(PACKAGE)
    except PackageNotFoundError:
        raise FinnMissing(f"{PACKAGE} {VERSION} is not installed: {advice}") from None
    if found != VERSION:
        raise FinnMissing(f"{PACKAGE} is {found}, this works with {VERSION}: {advice}")


def start(build_dir: Path) -> None:
    """Settings for FINN as a library, Verilator as its RTL simulator, our nodes registered.

    Args:
        build_dir: where FINN writes generated code; made if it does not exist.

    Raises:
        FinnMissing: FINN is missing, or another version.
        FinnStarted: FINN's steps were imported before, with another simulator.
    """
    require()
    from peritus.finn.verilator import install

    folder = build_dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # FINN's own interface: it reads these wherever it generates code, also in processes that it starts.
    os.environ["FINN_BUILD_DIR"] = str(folder)
    os.environ["FINN_SETTINGS"] = str(folder / "settings.yaml")
    os.environ.setdefault("FINN_DEPS", str(folder / "deps"))
    os.environ.setdefault("XILINX_VIVADO", _NO_VIVADO)
    from finn.util.settings import initialize_dummy_settings

    initialize_dummy_settings()
    install()
    import peritus.finn.nodes  # noqa: F401  registers them
