# SPDX-License-Identifier: Apache-2.0
"""The folder of a board with an ECP5: a bitstream with the bundle in its block RAM, and how to run it."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

from peritus.arch.config import load_config
from peritus.bundle import Bundle
from peritus.demo import SCENE
from peritus.eda.board import Board
from peritus.eda.ecp5.board import check_timing, ecp5_settings
from peritus.eda.ecp5.image import memory_bytes, preload
from peritus.eda.ecp5.pnr import PlacedDesign, write_bitstream
from peritus.eda.ecp5.pnr_report import read_report
from peritus.runtime.serial.image import memory_image
from peritus.schema import file_name

_RUN = """\
#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One picture through the accelerator:  ./run.sh [PICTURE [TASK]]
set -euo pipefail
picture=$(realpath "${{1:-$(dirname "${{BASH_SOURCE[0]}}")/{picture}}}")
task=${{2:-{task}}}
cd "$(dirname "${{BASH_SOURCE[0]}}")"
exec peritus run {bundle} --device {board} --image "$picture" --resize --task "$task" --output result
"""


def package(
    board: Board, design: PlacedDesign, bundle: Bundle, folder: Path, *, timeout_s: float
) -> list[Path]:
    """Fill `folder` with what the first frame needs; files of the same names are replaced. Returns the files.

    peritus_<hw>.bit (the bundle is in its block RAM), <model>.bundle, run.sh, a picture, report.json.

    Raises:
        BundleConfigError: the bundle is for another configuration. ImageError: it does not fit the memory.
        TimingNotMet: see check_timing. BuildError: ecppack failed.
    """
    hw = load_config(board.hw)
    bundle.check_hardware(hw)
    report = read_report(design.report)
    check_timing(report)
    image = memory_image(bundle, memory_bytes(design.config))
    folder.mkdir(parents=True, exist_ok=True)
    bitstream = folder / f"peritus_{hw.name}.bit"
    write_bitstream(preload(design.config, image), bitstream, timeout_s=timeout_s)
    name = f"{file_name(bundle.model)}.bundle"
    bundle.save(folder / name)
    shutil.copy(SCENE, folder / SCENE.name)
    run, task = folder / "run.sh", shlex.quote(bundle.tasks[0].name)
    run.write_text(_RUN.format(bundle=name, board=board.name, task=task, picture=SCENE.name))
    run.chmod(0o755)
    record = {
        "board": board.name,
        "hw": hw.name,
        "config_hash": f"{hw.hash64:#018x}",
        "model": bundle.model,
        "seed": ecp5_settings(board).seed,
        **report.record(),
        "bitstream_bytes": bitstream.stat().st_size,
    }
    (folder / "report.json").write_text(json.dumps(record, indent=1) + "\n")
    return [bitstream, folder / name, run, folder / SCENE.name, folder / "report.json"]
