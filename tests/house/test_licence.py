# SPDX-License-Identifier: Apache-2.0
"""Every source file says its licence, and no file names the machine that it was written on."""

import re
import subprocess
from pathlib import Path

HEADER = "SPDX-License-Identifier: Apache-2.0"
HEADER_LINES = 5
# Formats without comments, texts for people, and the licence itself.
NO_HEADER = {
    ".json",
    ".safetensors",
    ".md",
    ".png",
    ".jpg",
    ".svg",
    ".fst",
    ".ipynb",
    ".bundle",
    ".onnx",
    ".npz",
}
NO_HEADER_NAMES = {"LICENSE", "py.typed"}
MACHINE_TRACES = [
    re.compile(rb"(?<![\w.$}>/-])/(?:work|root|home|tmp|opt)/\w"),
    re.compile(
        rb"(?:--index-url|--extra-index-url|--find-links)[ =](?!https://download\.pytorch\.org/whl/cpu)\S"
    ),
]


def tracked_files(repository: Path) -> list[Path]:
    """Files that a commit would hold."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=repository,
        capture_output=True,
        check=True,
        timeout=60,
    )
    paths = [repository / name for name in listing.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_every_source_file_has_an_spdx_header(repository: Path) -> None:
    files = [
        path
        for path in tracked_files(repository)
        if path.suffix not in NO_HEADER and path.name not in NO_HEADER_NAMES and path.stat().st_size > 0
    ]
    assert len(files) > 20, "found hardly any source file: is this a checkout?"
    lacking = [
        str(path.relative_to(repository))
        for path in files
        if HEADER not in "\n".join(path.read_text(errors="replace").splitlines()[:HEADER_LINES])
    ]
    assert not lacking, f"files without '{HEADER}' in their first {HEADER_LINES} lines: {lacking}"


def test_licence_is_apache_2(repository: Path) -> None:
    text = (repository / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert 'license = "Apache-2.0"' in (repository / "pyproject.toml").read_text()


def test_no_file_names_a_machine(repository: Path) -> None:
    found = []
    for path in tracked_files(repository):
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if any(trace.search(line) for trace in MACHINE_TRACES):
                found.append(f"{path.relative_to(repository)}:{number}: {line[:100]!r}")
    assert not found, "absolute paths or package indexes of one machine:\n" + "\n".join(found)
