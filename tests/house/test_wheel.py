# SPDX-License-Identifier: Apache-2.0
"""The wheel works outside the repository: it carries the hardware sources and finds them."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TIMEOUT_S = 120
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from peritus.arch.config import config_names
from pathlib import Path
from peritus.eda.export import export_rtl
from peritus.resources import repository_root, resource
from peritus.arch.config import load_config
from peritus.eda.sources import TOP, design_files, waivers
assert repository_root() is None
for name in config_names():
    files = design_files(TOP, load_config(name))
    shipped = [path for path in [*files, waivers()] if path.name != 'peritus_pkg.sv']
    assert all(path.is_relative_to(sys.argv[1]) for path in shipped)
export_rtl(load_config("nano"), Path("exported"))
print(resource("sim"), *config_names())
"""


@pytest.fixture(scope="module")
def unpacked(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=repository, check=True, timeout=TIMEOUT_S, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_sources_are_found_outside_the_repository(unpacked: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-c", SCRIPT, str(unpacked)]
    run = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [
        str(unpacked / "peritus" / "data" / "sim"),
        "nano",
        "edge",
        "zcu104",
        "zcu104_vit",
    ]


def test_hardware_sources_are_complete(repository: Path, unpacked: Path) -> None:
    for folder in ("configs", "rtl", "hls", "sim", "boards"):
        for suffix in (".sv", ".cpp", ".hpp", ".toml"):
            committed = {path.relative_to(repository) for path in (repository / folder).rglob(f"*{suffix}")}
            data = unpacked / "peritus" / "data"
            shipped = {path.relative_to(data) for path in data.rglob(f"*{suffix}")}
            assert committed <= shipped


def test_models_travel_but_not_the_weights_of_the_study(unpacked: Path) -> None:
    found = {path.name for path in unpacked.rglob("*.safetensors")}
    assert found == {f"m3vit_{n}.safetensors" for n in ("micro", "micro_int4", "tiny", "tiny_int4")}


def test_the_vivado_recorder_stays_at_home(repository: Path, unpacked: Path) -> None:
    """It checks scripts where they are developed; a board has no use for it."""
    assert (repository / "sw" / "vivado_recorder").is_dir()
    assert not list(unpacked.rglob("vivado_recorder"))
