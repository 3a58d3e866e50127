# SPDX-License-Identifier: Apache-2.0
"""The state of a run on disk: written whole or not at all, read without executing anything."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from peritus.errors import PeritusError

STATE_FILE = "state.pt"


class CheckpointError(PeritusError):
    """A run's saved state is unreadable or belongs to another run; names the file and the difference."""


def save_state(
    folder: Path, step: int, identity: dict[str, Any], net: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write the state after `step` steps. `identity` is what the run must agree on to be resumed."""
    partial = folder / f"{STATE_FILE}.part"
    state = {
        "step": step,
        "identity": json.dumps(identity, sort_keys=True),
        "net": net.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / STATE_FILE)


def load_state(
    folder: Path, identity: dict[str, Any], net: nn.Module, optimizer: torch.optim.Optimizer
) -> int:
    """Restore a run, if the folder holds one; returns the steps already done, 0 for a new run.

    Raises:
        CheckpointError: unreadable, or of a run with other settings; names the settings that differ.
    """
    file = folder / STATE_FILE
    if not file.exists():
        return 0
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        found = json.loads(state["identity"])
    except (
        OSError,
        RuntimeError,
        KeyError,
        EOFError,
        ValueError,
        UnpicklingError,
        zipfile.BadZipFile,
    ) as error:
        raise CheckpointError(f"{file} is no readable training state: {error}") from error
    differences = [
        f"{key} = {found.get(key)!r} there, {identity.get(key)!r} asked"
        for key in sorted({*found, *identity})
        if found.get(key) != json.loads(json.dumps(identity.get(key)))
    ]
    if differences:
        raise CheckpointError(f"{folder} holds another run: {'; '.join(differences)}; choose another folder")
    net.load_state_dict(state["net"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
