# SPDX-License-Identifier: Apache-2.0
"""The state of a run on disk: one .safetensors file with a checksum, written whole or not at all; no pickle.

Tensors `net.<name>` and `optimizer.<index>.<moment>`, index counting the optimizer's parameters. Metadata:
format, version, `step` (steps done), `identity` (JSON: what the run must agree on to be resumed) and `sha256`
of the same file without that entry.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from peritus.errors import PeritusError
from peritus.ir.tensor_file import TensorFileError, Tensors, pack, unpack, write_whole

STATE_FILE = "state.safetensors"
OLD_STATE_FILE = "state.pt"  # of versions before
FORMAT, VERSION = "peritus-training-state", "1"
MOST_STEPS = 10**12
MOMENTS = ("exp_avg", "exp_avg_sq")  # of AdamW
AGAIN = "delete it to begin the run again"


class StateError(PeritusError):
    """A run's saved state is unreadable or belongs to another run; names the file and the difference."""


def save_state(
    folder: Path, step: int, identity: dict[str, Any], net: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write the state after `step` steps. `identity` is what the run must agree on to be resumed."""
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "step": str(step),
        "identity": json.dumps(identity, sort_keys=True),
    }
    tensors = _tensors(net, optimizer)
    metadata["sha256"] = hashlib.sha256(pack(tensors, metadata)).hexdigest()
    write_whole(folder / STATE_FILE, pack(tensors, metadata))


def load_state(
    folder: Path, identity: dict[str, Any], net: nn.Module, optimizer: torch.optim.Optimizer
) -> int:
    """Restore a run, if the folder holds one; returns the steps already done, 0 for a new run.

    Net and optimizer change only if the whole state fits.

    Raises:
        StateError: unreadable or damaged, or of a run with other settings; names the settings that differ.
    """
    file = folder / STATE_FILE
    if (folder / OLD_STATE_FILE).exists():
        raise StateError(
            f"{folder} holds a run of an older version ({OLD_STATE_FILE}): choose another folder, or "
            "delete that file to begin again"
        )
    if not file.exists():
        return 0
    step, found, tensors = _read(file)
    # As JSON has them: tuples are lists there.
    wanted: dict[str, Any] = json.loads(json.dumps(identity))
    differences = [
        f"{key} = {found.get(key)!r} there, {wanted.get(key)!r} asked"
        for key in sorted({*found, *wanted})
        if found.get(key) != wanted.get(key)
    ]
    if differences:
        raise StateError(f"{folder} holds another run: {'; '.join(differences)}; choose another folder")
    _check_fit(file, tensors, net, optimizer)
    weights: dict[str, torch.Tensor] = {}
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        if part == "net":
            weights[rest] = torch.from_numpy(value)
        else:
            index, _, moment = rest.partition(".")
            state.setdefault(int(index), {})[moment] = torch.from_numpy(value)
    net.load_state_dict(weights)
    # The groups follow from the settings: they are not stored.
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return step


def _tensors(net: nn.Module, optimizer: torch.optim.Optimizer) -> Tensors:
    found = {f"net.{name}": value for name, value in net.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        found |= {f"optimizer.{index}.{moment}": value for moment, value in moments.items()}
    return {name: value.detach().cpu().numpy() for name, value in found.items()}


def _read(file: Path) -> tuple[int, dict[str, Any], Tensors]:
    """Step, identity and tensors of an intact file."""
    try:
        tensors, metadata = unpack(file.read_bytes(), f"training state {file}")
    except (TensorFileError, OSError) as error:
        raise StateError(f"{error}; {AGAIN}") from error
    kind = metadata.get("format"), metadata.get("version")
    if kind != (FORMAT, VERSION):
        raise StateError(
            f"{file} is no training state of this version: {kind}, must be {(FORMAT, VERSION)}; {AGAIN}"
        )
    stored = metadata.pop("sha256", "")
    if hashlib.sha256(pack(tensors, metadata)).hexdigest() != stored:
        raise StateError(
            f"training state {file} is damaged: its checksum is not that of its content; {AGAIN}"
        )
    step, text = metadata.get("step", ""), metadata.get("identity", "")
    if not (step.isascii() and step.isdigit() and len(step) < 20 and int(step) <= MOST_STEPS):
        raise StateError(f"training state {file} has step {step[:40]!r}, must be 0 to {MOST_STEPS}; {AGAIN}")
    try:
        identity = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StateError(f"training state {file} has settings that are no JSON: {error}; {AGAIN}") from error
    if not isinstance(identity, dict):
        raise StateError(f"training state {file} has settings {text[:40]!r}, must be a JSON object; {AGAIN}")
    return int(step), identity, tensors


def _check_fit(file: Path, tensors: Tensors, net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """StateError unless the file has the network's tensors, moments of its parameters alone, all finite."""
    expected = {f"net.{name}": value.cpu().numpy() for name, value in net.state_dict().items()}
    seen = {name.split(".")[1] for name in tensors if name.startswith("optimizer.")}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, parameter in enumerate(parameters):
        if str(index) in seen:  # one that no gradient has reached yet has no moments
            like = parameter.detach().cpu().numpy()
            expected |= {f"optimizer.{index}.{moment}": like for moment in MOMENTS}
            expected[f"optimizer.{index}.step"] = np.zeros((), np.float32)
    for name in sorted({*expected, *tensors}):
        found, wanted = _kind(tensors.get(name)), _kind(expected.get(name))
        if found != wanted:
            raise StateError(
                f"training state {file} does not fit the network: {name} is {found}, "
                f"must be {wanted}; {AGAIN}"
            )
        if not np.isfinite(tensors[name]).all():
            raise StateError(f"training state {file}: {name} has values that are not finite; {AGAIN}")


def _kind(value: npt.NDArray[Any] | None) -> str:
    return "absent" if value is None else f"{value.dtype} {list(value.shape)}"
