# SPDX-License-Identifier: Apache-2.0
"""Checkpoint files to named tensors, without running code that they contain.

Forms: `.safetensors`; a file of torch.save; the folder that the public training script writes, with the
experts of rank n in `n.pth`; Edge-MoE's folder of `*.float32.bin`.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from peritus.schema import cause, file_fault, printable, short
from quant_models.checkpoints.edge_moe import SUFFIX, read_folder
from quant_models.checkpoints.errors import CheckpointError

Tensors = dict[str, Tensor]

WRAPPERS = ("state_dict", "model", "model_state_dict")  # under which a training script keeps the weights
BACKBONE = ("patch_embed.", "cls_token", "dist_token", "pos_embed", "blocks.", "gate_task_represent.")

# NumPy's scalars, which the public training script keeps next to the weights (best_result). Plain data.
_SCALAR: Any = np.float64(0).__reduce__()[0]
_SAFE: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    type(np.dtype(np.float64)),
    type(np.dtype(np.float32)),
]


def read_tensors(path: Path) -> Tensors:
    """Tensors of a checkpoint by the names of the public M³ViT code (`backbone.*`, `decoders.*`), float32.

    Raises:
        CheckpointError: missing, damaged, of an unknown form, or it contains more than plain data.
    """
    if path.is_dir():
        if any(path.glob(f"*{SUFFIX}")):
            return read_folder(path)
        if (path / "0.pth").is_file():
            return _named(path, _merge_ranks(path))
        raise CheckpointError(f"checkpoint folder {path} has neither *{SUFFIX} nor 0.pth")
    return _named(path, _read_file(path))


def _check_archive(path: Path) -> None:
    """Of torch.save, whose entries lie in the file as they are: what is packed may have any size."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    packed = next((e for e in entries if e.compress_type != zipfile.ZIP_STORED), None)
    if packed is not None:
        raise CheckpointError(
            f"checkpoint {path}: its entry {short(packed.filename)} is compressed, which torch.save does not "
            "do: load it where it comes from, and save it again"
        )
    size, whole = sum(entry.file_size for entry in entries), path.stat().st_size
    if size > whole:
        raise CheckpointError(f"checkpoint {path} has {whole} bytes, its entries claim {size}")


def _read_file(path: Path) -> Mapping[str, Any]:
    if fault := file_fault(path):
        raise CheckpointError(f"checkpoint {path} {fault}")
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            _check_archive(path)
            with torch.serialization.safe_globals(_SAFE), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of an odd protocol: what comes of it is checked
                content = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"checkpoint {path} is damaged or holds Python objects besides tensors, whose loading could run "
            f"code of the file; save its state_dict alone: {_reason(error)}"
        ) from error
    except Exception as error:  # of damaged files torch's unpickler raises what happens to go wrong
        raise CheckpointError(f"checkpoint {path} is truncated or damaged: {cause(error)}") from error
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping):
        raise CheckpointError(f"checkpoint {path} holds a {type(content).__name__}, expected named tensors")
    return content


def _reason(error: Exception) -> str:
    """The sentence of torch's long message that names what it found."""
    lines = str(error).splitlines()
    return next((line.strip() for line in lines if "Unsupported" in line), lines[0] if lines else "")


def _merge_ranks(folder: Path) -> Mapping[str, Any]:
    """Rank 0 has everything, the others their own experts: one behind the other."""
    merged = dict(_read_file(folder / "0.pth"))
    ranks = len(list(folder.glob("*.pth")))
    for rank in range(1, ranks):
        for key, value in _read_file(folder / f"{rank}.pth").items():
            if ".experts." in key and key in merged:
                merged[key] = torch.cat((merged[key], value))
    return merged


def _named(path: Path, content: Mapping[str, Any]) -> Tensors:
    """Strip `module.`; put the backbone of a bare backbone's state dict under `backbone.`; floats only."""
    tensors: Tensors = {}
    for key, value in content.items():
        if not isinstance(key, str):
            raise CheckpointError(f"checkpoint {path} names a tensor {short(key)}, expected a text")
        name = key
        while name.startswith("module."):
            name = name.removeprefix("module.")
        if isinstance(value, Tensor):
            tensors[name] = value.float() if value.is_floating_point() else value
    if not tensors:
        raise CheckpointError(
            f"checkpoint {path} holds no tensors, only {printable(', '.join(list(content)[:8]))}"
        )
    if not any(name.startswith("backbone.") for name in tensors):
        tensors = {
            f"backbone.{name}" if name.startswith(BACKBONE) else name: value
            for name, value in tensors.items()
        }
    return tensors
