# SPDX-License-Identifier: Apache-2.0
"""peritus serve: a page for this machine, on which a photo runs and is explained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from peritus.arch.config import load_config
from peritus.cli.common import HwOption, output_console, reports_errors
from peritus.resources import how_to_install
from peritus.serve.errors import ServeError

LOOPBACK = "127.0.0.1"


@reports_errors
def serve_command(
    hw: HwOption = "zcu104",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any that is free.")] = 8137,
    limit: Annotated[float, typer.Option(min=1, help="Seconds that a job may take.")] = 1800.0,
) -> None:
    """Serve a page for this machine only: drop a photo, choose, watch, see map and report."""
    try:
        import bokeh  # noqa: F401 (of the reports)
        import uvicorn

        from peritus.serve.app import make_app

        load_config(hw)
        app = make_app(str(Path(hw).resolve()) if hw.endswith(".toml") else hw, limit_s=limit)
    except ImportError as error:
        raise ServeError(f"the server needs the extra 'serve': {how_to_install('serve')}") from error
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=LOOPBACK,
            port=port,
            log_level="warning",
            server_header=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=3,
        )
    )
    listening = server.config.bind_socket()
    listening.listen()  # who reads the address may come at once
    address = f"http://{LOOPBACK}:{listening.getsockname()[1]}"
    output_console(None).print(f"{address} – ctrl and C ends it", soft_wrap=True)
    server.run(sockets=[listening])
