# SPDX-License-Identifier: Apache-2.0
"""Hooks of the documentation site: what differs between pages read in the repository and on the site.

An example of a report is made anew.
CONTRIBUTING.md and CHANGELOG.md lie at the root and become pages; links from docs/ to source files, which
the site does not have, become their paths.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

AT_THE_ROOT = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
EXAMPLE, EXAMPLE_MODEL, EXAMPLE_HW = "examples/report.html", "m3vit_tiny_int4", "zcu104"
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#:]+)(?P<anchor>#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that lie at the root."""
    root = Path(config.config_file_path).parent
    for name, page in AT_THE_ROOT.items():
        text = (root / name).read_text().replace("](docs/", "](")
        for other, other_page in AT_THE_ROOT.items():
            text = text.replace(f"]({other})", f"]({other_page})")
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, EXAMPLE, content=_report()))
    return files


def _report() -> str:
    """The page that `peritus report` makes of a shipped network."""
    from peritus import api
    from peritus.cli.frames import image_for
    from peritus.pages import of_bundle
    from peritus.pages.page import page

    bundle = api.compile(api.load_model(EXAMPLE_MODEL), hw=EXAMPLE_HW)
    tasks = [bundle.tasks[0].name]
    command = f"peritus report {EXAMPLE_MODEL} --hw {EXAMPLE_HW} --task {tasks[0]}"
    return page(of_bundle(bundle, image_for(bundle, None), tasks, name=EXAMPLE_MODEL, command=command))


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links that leave docs/ become the path of the file, which must exist."""
    root = Path(config.config_file_path).parent
    folder = posixpath.dirname(f"docs/{page.file.src_uri}")

    def replace(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, match["target"]))
        if path.startswith("docs/"):
            return match[0]
        if not (root / path).exists():
            raise PluginError(f"{page.file.src_uri}: link to {path}, which does not exist")
        name = Path(path).name
        if name in AT_THE_ROOT:
            back = posixpath.relpath(AT_THE_ROOT[name], posixpath.dirname(page.file.src_uri) or ".")
            return f"[{match['text']}]({back}{match['anchor'] or ''})"
        return f"`{path}`"

    return markdown if page.file.src_uri in AT_THE_ROOT.values() else LINK.sub(replace, markdown)
