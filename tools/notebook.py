# SPDX-License-Identifier: Apache-2.0
"""Execute a notebook from the repository's root and write it with its results; an error in a cell fails."""

from pathlib import Path
from typing import Annotated, Any

import nbclient
import nbformat
import typer

ROOT = Path(__file__).resolve().parent.parent
CELL_S = 1200  # a cell's limit: the largest one builds a simulator


def main(
    notebook: Annotated[Path, typer.Argument(help="The notebook.")],
    output: Annotated[Path, typer.Option(help="Folder to write to.")],
) -> None:
    """Execute a notebook."""
    content: Any = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    client = nbclient.NotebookClient(content, timeout=CELL_S, resources={"metadata": {"path": str(ROOT)}})
    client.execute()
    for cell in content.cells:
        cell.metadata.pop("execution", None)  # times of day
    output.mkdir(parents=True, exist_ok=True)
    nbformat.write(content, output / notebook.name)  # type: ignore[no-untyped-call]
    print(f"{notebook.name}: {sum(cell.cell_type == 'code' for cell in content.cells)} cells executed")


if __name__ == "__main__":
    typer.run(main)
