# SPDX-License-Identifier: Apache-2.0
"""The folder that is copied onto a board: everything that the first frame needs.

peritus_<hw>.bit, .hwh   what Vivado made
<model>.bundle           compiled for the same configuration
run.sh, peritus.ipynb    the first frame, from a shell and from Jupyter
scene.png                something to look at
expected.json            what the reference makes of the scene, for `peritus selftest`
report.json              utilization, timing, power
"""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

from peritus.boards.notebook import notebook
from peritus.bundle import Bundle
from peritus.demo import SCENE
from peritus.eda.vivado.project import Project
from peritus.eda.vivado.reports import BuildReport
from peritus.report.selftest import expectations
from peritus.schema import file_name

_RUN = """\
#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One image through the accelerator:  sudo ./run.sh [IMAGE [TASK]]
image=$(realpath "${{1:-$(dirname "${{BASH_SOURCE[0]}}")/{scene}}}")
task=${{2:-{task}}}
# PYNQ's Python and its driver for the programmable logic; both belong to root.
for profile in /etc/profile.d/pynq_venv.sh /etc/profile.d/xrt_setup.sh; do
  if [[ -r $profile ]]; then source "$profile"; fi
done
set -euo pipefail
if [[ $EUID -ne 0 ]]; then echo "error: run it with sudo, PYNQ needs root"; exit 1; fi
cd "$(dirname "${{BASH_SOURCE[0]}}")"
exec peritus run {bundle} --device pynq --image "$image" --resize --task "$task" --output result
"""


def package(project: Project, report: BuildReport, bundle: Bundle, folder: Path) -> list[Path]:
    """Fill `folder`; what was in it under the same names is replaced. Returns the files.

    Raises:
        BundleConfigError: the bundle is for another configuration.
    """
    bundle.check_hardware(project.hw)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{file_name(bundle.model)}.bundle"
    for file in (project.bitstream, project.handoff, SCENE):
        shutil.copy(file, folder / file.name)
    bundle.save(folder / name)
    script = folder / "run.sh"
    script.write_text(_RUN.format(bundle=name, task=shlex.quote(bundle.tasks[0].name), scene=SCENE.name))
    script.chmod(0o755)
    pages = notebook(project.board.title, project.hw.name, name, SCENE.name)
    (folder / "peritus.ipynb").write_text(json.dumps(pages, indent=1) + "\n")
    (folder / "expected.json").write_text(json.dumps(expectations(bundle), indent=1) + "\n")
    (folder / "report.json").write_text(json.dumps(report.record(), indent=1) + "\n")
    return sorted(folder.iterdir())
