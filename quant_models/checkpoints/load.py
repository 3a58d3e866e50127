# SPDX-License-Identifier: Apache-2.0
"""A published checkpoint as a network of ours."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from peritus.errors import PeritusError
from peritus.provenance import Provenance
from quant_models.checkpoints.edge_moe import SUFFIX
from quant_models.checkpoints.errors import ArchitectureError, MissingTensorsError, grouped
from quant_models.checkpoints.imported import Imported
from quant_models.checkpoints.infer import (
    decoder_channels,
    gate_kind,
    infer_config,
    layer_count,
    patch_grid,
)
from quant_models.checkpoints.plain_vit import TASK, as_m3vit, is_plain_vit
from quant_models.checkpoints.read import Tensors, read_tensors
from quant_models.checkpoints.upcycle import can_route, dense_neighbour, match_reference, upcycle
from quant_models.checkpoints.variant import Hints, check_options, normalization
from quant_models.network.config import M3ViTConfig, TaskConfig
from quant_models.network.model import M3ViT
from quant_models.network.state_diff import StateDiff, shorten, state_diff
from quant_models.network.weights import weights_provenance


def load_checkpoint(
    path: str | Path,
    config: M3ViTConfig | None = None,
    hints: Hints | None = None,
    *,
    fill_missing_experts: bool = False,
    resize_positions: bool = False,
    seed: int = 0,
) -> Imported:
    """Read a checkpoint of the public M³ViT code, or Edge-MoE's folder of raw tensors.

    Args:
        config: the expected network; None: inferred from the shapes and `hints`, which must say what these
        leave open.
        hints: what the file does not tell; with `config` only `layers`, `pixels` and `options`.
        fill_missing_experts: make missing expert matrices from the dense layer beside them (see `upcycle`).
        resize_positions: interpolate (bicubic) position embeddings of another patch grid.
        seed: of the new heads and of the choice of units for filled experts.
    Raises:
        CheckpointError: missing or damaged file.
        ArchitectureError: another architecture; lists missing tensors and differences in shape.
        MissingTensorsError: tensors are missing; lists them by layer and says what would help.
    """
    path, hints = Path(path), hints or Hints()
    tensors = read_tensors(path)
    notes: list[str] = []
    pooled = None
    plain = is_plain_vit(tensors)
    if plain:
        vit = as_m3vit(tensors, hints.image)
        tensors, pooled = vit.tensors, vit.pooled
        notes += vit.notes
        if vit.classes and not hints.tasks and config is None:
            host = None if pooled is None else (1, 1)
            hints = replace(hints, tasks=(TaskConfig(TASK, "classification", vit.classes, host=host),))
        if config is None:
            hints = replace(hints, layers=hints.layers or layer_count(tensors))
    if config is not None and hints.said():
        raise ArchitectureError(
            f"--config {config.name} says it already: leave out {', '.join(hints.said())}, or take "
            "--config auto"
        )
    if config is not None and hints.pixels is not None:
        mean, deviation = normalization(hints.pixels, config.in_channels)
        config = replace(config, pixel_mean=mean, pixel_std=deviation)
    if config is None:
        config = infer_config(tensors, path.name.partition(".")[0] or "imported", hints, dense=plain)
        if hints.image is None:
            notes.append(f"the patches were taken as {config.grid[0]} x {config.grid[1]}")
        regressed = [task.name for task in config.tasks if task.kind == "depth" and task.name != "depth"]
        if regressed:
            notes.append(f"one channel has no classes: {', '.join(regressed)} imported as a regressed map")
    elif hints.layers is not None and hints.layers != config.n_layers:
        config = replace(config, name=f"{config.name}_{hints.layers}_layers", n_layers=hints.layers)
    if hints.layers is None and layer_count(tensors) > config.n_layers:
        raise ArchitectureError(
            f"checkpoint {path} has {layer_count(tensors)} layers, expected {config.n_layers}: "
            f"--layers {config.n_layers} imports the first ones only"
        )
    tensors = _select_tasks(tensors, config, notes)
    tensors = _fit_positions(tensors, config, resize_positions, notes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = M3ViT(config).eval()
    if pooled is not None and config.task_names == (TASK,) and config.tasks[0].host:
        net.tail = pooled.tail(TASK, config.layer_norm_eps)
    state = net.state_dict()
    usable = {key: value for key, value in tensors.items() if not key.startswith("decoders.")}
    usable |= _our_heads(tensors, state)
    _check_architecture(path, state, usable)
    filled = _fill_experts(usable, config, seed) if fill_missing_experts else ()
    diff = state_diff(state, usable)
    needed = tuple(name for name in diff.missing if name.startswith("backbone."))
    if needed:
        raise MissingTensorsError(_missing_message(path, needed, config, fill_missing_experts), needed)
    ours = _own_provenance(path)
    edge_moe = path.is_dir() and any(path.glob(f"*{SUFFIX}"))  # its release is one network
    check_options(tensors, hints, needed=ours is None and not edge_moe)
    net.load_state_dict({key: usable[key] for key in state if key in usable}, strict=False)
    if filled:
        notes += match_reference(net, path, filled)
    net.provenance = str(_provenance(path, net, ours, filled, diff.missing))
    return Imported(
        net,
        read=tuple(key for key in state if key in usable and key not in filled),
        filled=filled,
        missing=diff.missing,
        unexpected=tuple(key for key in tensors if key not in state or key not in usable),
        notes=tuple(notes),
    )


def _provenance(
    path: Path, net: M3ViT, ours: str | None, filled: tuple[str, ...], missing: tuple[str, ...]
) -> Provenance:
    """Of the file, plus what was made anew here; ours: what a file of our own says of itself."""
    before = Provenance.parse(ours) if ours else Provenance(f"imported from {path.name}")
    heads = [
        task for task in net.config.task_names if any(n.startswith(f"decoders.{task}.") for n in missing)
    ]
    layers = sorted({int(name.split(".")[2]) for name in filled})
    experts = (f"experts of layers {', '.join(map(str, layers))}",) if layers else ()
    return replace(
        before,
        untrained=(*before.untrained, *(f"head of {task}" for task in heads)),
        filled=(*before.filled, *experts),
    )


def _own_provenance(path: Path) -> str | None:
    """What a weight file of ours says of itself; None: it is not ours."""
    if path.suffix != ".safetensors":
        return None
    try:
        return weights_provenance(path)
    except PeritusError:
        return None


def _select_tasks(tensors: Tensors, config: M3ViTConfig, notes: list[str]) -> Tensors:
    """Routers (or columns of the task embedding) of the configuration's tasks, in its order."""
    theirs = list(decoder_channels(tensors))
    wanted = config.task_names
    routers = _routers(tensors)
    if not any(".mlp.gate." in key for key in tensors):
        return tensors
    if gate_kind(tensors) != config.gate:
        raise ArchitectureError(f"the checkpoint's gates are {gate_kind(tensors)}, expected {config.gate}")
    if routers == 0:  # one router for all tasks, which it does not know
        notes.append("the checkpoint's one router per layer serves every task: copied")
        return {
            name: value
            for key, value in tensors.items()
            for name in (
                [key.replace("gate.w_gate", f"gate.{task}.w_gate") for task in range(len(wanted))]
                if key.endswith("mlp.gate.w_gate")
                else [key]
            )
        }
    if len(theirs) == routers and set(wanted) <= set(theirs):
        order = [theirs.index(name) for name in wanted]
    elif len(wanted) == routers and not (set(theirs) & set(wanted)):
        order = list(range(routers))
    else:
        raise ArchitectureError(
            f"the checkpoint routes {routers} tasks ({', '.join(theirs) or 'without names'}), "
            f"expected {', '.join(wanted)}"
        )
    dropped = [name for name in theirs if name not in wanted and len(theirs) == routers]
    if dropped:
        notes.append(f"tasks {', '.join(dropped)} were left out")
    selected: Tensors = {}
    for key, value in tensors.items():
        match = re.fullmatch(r"(.+\.mlp\.gate)\.(\d+)\.w_gate", key)
        if key == "backbone.gate_task_represent.fc1.weight":
            selected[key] = value[:, order]
        elif match is None:
            selected[key] = value
        elif int(match[2]) in order:
            selected[f"{match[1]}.{order.index(int(match[2]))}.w_gate"] = value
    return selected


def _routers(tensors: Tensors) -> int:
    """How many tasks the routers tell apart; 0 for one router that knows no task."""
    embedding = tensors.get("backbone.gate_task_represent.fc1.weight")
    if embedding is not None:
        return embedding.shape[1]
    found = [re.fullmatch(r".+\.mlp\.gate\.(\d+)\.w_gate", key) for key in tensors]
    return 1 + max((int(match[1]) for match in found if match), default=-1)


def _fit_positions(tensors: Tensors, config: M3ViTConfig, resize: bool, notes: list[str]) -> Tensors:
    """Position embeddings for the configuration's grid, (1, prefix + rows * columns, d)."""
    key = "backbone.pos_embed"
    positions = tensors.get(key)
    if positions is None or positions.ndim != 3 or positions.shape[1] == config.n_tokens:
        return tensors
    prefix = config.prefix_tokens
    if not resize:
        raise ArchitectureError(
            f"pos_embed has {positions.shape[1] - prefix} patches, the network {config.n_tokens - prefix} "
            f"({config.grid[0]} x {config.grid[1]}): --resize-positions interpolates them"
        )
    rows, columns = patch_grid(positions.shape[1] - prefix)
    grid = positions[:, prefix:].reshape(1, rows, columns, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=config.grid, mode="bicubic", antialias=True)
    patches = grid.flatten(2).transpose(1, 2)
    notes.append(f"pos_embed was interpolated from {rows} x {columns} to {config.grid[0]} x {config.grid[1]}")
    return tensors | {key: torch.cat((positions[:, :prefix], patches), dim=1)}


def _our_heads(tensors: Tensors, state: dict[str, Tensor]) -> Tensors:
    """Decoders that are ours, whole; the public ones have a norm of the same name, and nothing else."""
    heads: Tensors = {}
    for task in decoder_channels(tensors):
        names = [key for key in state if key.startswith(f"decoders.{task}.")]
        if names and all(key in tensors and tensors[key].shape == state[key].shape for key in names):
            heads |= {key: tensors[key] for key in names}
    return heads


def _check_architecture(path: Path, state: dict[str, Tensor], usable: Tensors) -> None:
    diff = state_diff(state, usable)
    if diff.reshaped:
        raise ArchitectureError(
            f"checkpoint {path} is of another architecture: {StateDiff((), (), diff.reshaped)}"
        )
    if not any(key.startswith("backbone.") for key in usable):
        raise ArchitectureError(
            f"checkpoint {path} is no M³ViT: it has {shorten(usable)}, expected "
            "backbone.patch_embed.proj.weight, backbone.blocks.0.attn.qkv.weight, ..."
        )


def _fill_experts(tensors: Tensors, config: M3ViTConfig, seed: int) -> tuple[str, ...]:
    """Add missing experts to `tensors`; their names.

    Only where both matrices are missing, and the router, its norm and a dense neighbour are there.
    """
    filled: list[str] = []
    for layer in filter(config.is_moe, range(config.n_layers)):
        mlp = f"backbone.blocks.{layer}.mlp"
        source = dense_neighbour(layer, tensors)
        present = any(f"{mlp}.experts.{matrix}.weight" in tensors for matrix in ("htoh4", "h4toh"))
        if present or source is None or not can_route(tensors, config, layer):
            continue
        experts = upcycle(tensors, config, layer, source, seed)
        missing = [key for key in experts if key not in tensors]
        tensors |= {key: experts[key] for key in missing}
        filled += missing
    return tuple(filled)


def _missing_message(path: Path, missing: tuple[str, ...], config: M3ViTConfig, filled: bool) -> str:
    """Names by layer, and the options that would help."""
    advice = []
    if not filled and any(".mlp.experts." in name for name in missing):
        advice.append("--fill-missing-experts makes experts from the dense layer beside them")
    norms = {name for name in missing if re.fullmatch(r"backbone\.blocks\.\d+\.norm1\.weight", name)}
    whole = next(
        (n for n in range(config.n_layers) if f"backbone.blocks.{n}.norm1.weight" in norms), config.n_layers
    )
    if 0 < whole < config.n_layers:
        advice.append(f"--layers {whole} imports the first {whole} layers only")
    lines = "\n  ".join((*grouped(missing), *advice))
    return f"checkpoint {path} lacks {len(missing)} tensors of {config.name}:\n  {lines}"
