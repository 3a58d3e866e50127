# SPDX-License-Identifier: Apache-2.0
"""FINN's build without vendor tools: `python -m peritus.finn build.yml network.onnx`.

FINN's own command looks for Vivado before it builds anything. build.yml is FINN's; its steps may be ours.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from peritus.errors import PeritusError
from peritus.finn.environment import start


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m peritus.finn", description="FINN without vendor tools.")
    parser.add_argument("config", type=Path, help="FINN's build.yml")
    parser.add_argument("model", type=Path, help="QONNX network")
    parser.add_argument("--build-dir", type=Path, default=Path("finn_build"), help="generated code")
    arguments = parser.parse_args()
    try:
        for path in (arguments.config, arguments.model):
            if not path.is_file():
                parser.error(f"no file {path}")
        start(arguments.build_dir)
    except PeritusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    from finn.builder.build_dataflow import build_dataflow_cfg
    from finn.builder.build_dataflow_config import DataflowBuildConfig

    config = DataflowBuildConfig.from_yaml(arguments.config.read_text())
    return int(build_dataflow_cfg(arguments.model, config))


if __name__ == "__main__":
    sys.exit(main())
