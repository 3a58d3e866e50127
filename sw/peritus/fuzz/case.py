# SPDX-License-Identifier: Apache-2.0
"""One test: a network, the hardware, the memory beside it, and what is asked of the device in which order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from peritus.arch.config import ConfigError, HwConfig, load_config, parse_config
from peritus.arch.isa import MAX_TASKS
from peritus.errors import PeritusError
from peritus.fuzz.extremes import EXTREMES
from peritus.ir.random_model import Dims
from peritus.reference import ACTIVATIONS, HIDDEN_ZERO_POINT
from peritus.runtime.rtl.power_up import PowerUp
from peritus.runtime.rtl.simulation import DdrParameters
from peritus.schema import CLOSED, Count, Flag, Name, SchemaError, Text, checked, read_json, read_text, short

IMAGES = ("noise", "black", "white", "grey", "checks", "ramp", "photo")
ROUTINGS = ("even", "skewed", "idle", "single", "ties")
JOBS = ("run", "batch", "reset", "abandon", "other")
# What a file may ask for: in each dimension, of the network as a whole, and of the case.
LARGEST = {"layers": 16, "upscale": 16, "patch": 64, "experts": 64, "classes": 1000, "prefix": 64}
LARGEST_OTHER = 1024
MAX_WEIGHTS, MAX_TOKENS = 1 << 24, 4096
MAX_MODES, MAX_IMAGES = 1000, 64
Asked = tuple[Name, tuple[Name, ...], Count, Flag]  # what, images, task, features
DRAWS = 200  # of a hardware, until one keeps its rules


class CaseError(PeritusError):
    """A file is no case."""


@dataclass(frozen=True)
class Case:
    """seed: what it was drawn from. hw: name and table of the configuration.

    dims: of the network, and model_seed of its weights; extremes: names of peritus.fuzz.extremes, applied to
    it in order. modes: so many instructions of the program get another function or stage 2, which no network
    has. ddr: DdrParameters. power_up: of the RTL. jobs: (what, images, task, features): "run" and "batch"
    compare results; "reset" resets; "abandon" starts a stream and leaves it; "other" loads another network,
    runs it, and comes back.
    """

    __pydantic_config__ = CLOSED
    seed: Count
    hw: dict[Name, Any]
    dims: dict[Name, Any]
    model_seed: Count
    extremes: tuple[Name, ...] = ()
    modes: Count = 0
    ddr: dict[Name, Any] = field(default_factory=dict)
    power_up: Text = "zeros"
    jobs: tuple[Asked, ...] = ()

    @property
    def hardware(self) -> HwConfig:
        """The configuration."""
        table = dict(self.hw)
        return parse_config(table.pop("name"), table)

    @property
    def network(self) -> Dims:
        """The dimensions."""
        tuples: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in self.dims.items()}
        return Dims(**tuples)

    def save(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Case:
        """What `save` has written; CaseError for anything else."""
        try:
            case = checked(cls, read_json(read_text(path)))
            case._check()
        except (ValueError, PeritusError) as error:  # SchemaError is a ValueError
            raise CaseError(f"{path} is no case of peritus fuzz: {error}") from error
        return case

    def _check(self) -> None:
        """What the types of the fields do not say: PeritusError."""
        if not isinstance(self.hw.get("name"), str):
            raise SchemaError("hw has no name")
        _ = self.hardware
        checked(DdrParameters, self.ddr)
        PowerUp.of(self.power_up)
        _check_dims(checked(Dims, self.dims))
        images = [image for _, images, _, _ in self.jobs for image in images]
        if not self.jobs or not all(images for _, images, _, _ in self.jobs):
            raise SchemaError("a case has jobs, and each of them images")
        if len(images) > MAX_IMAGES or self.modes > MAX_MODES or len(self.extremes) > MAX_MODES:
            raise SchemaError(
                f"{len(images)} images, {self.modes} modes, {len(self.extremes)} extremes: "
                f"at most {MAX_IMAGES}, {MAX_MODES} and {MAX_MODES}"
            )
        fields = DdrParameters.__dataclass_fields__
        for what, names, known in (
            ("extreme", self.extremes, EXTREMES),
            ("image", images, IMAGES),
            ("job", [what for what, *_ in self.jobs], JOBS),
            ("number of the memory", self.ddr, fields),
        ):
            if unknown := sorted(set(names) - set(known)):
                raise SchemaError(f"{what} {short(unknown[0])} is none of {', '.join(known)}")


def _check_dims(dims: Dims) -> None:
    """Of a network that can be made, in a moment: SchemaError names the field."""
    for name, value in asdict(dims).items():
        limit = LARGEST.get(name, LARGEST_OTHER)
        if isinstance(value, int) and value > limit:
            raise SchemaError(f"dims.{name} = {value}, at most {limit}")
    for name, whole, part in (
        ("height", dims.height, "patch"),
        ("width", dims.width, "patch"),
        ("d", dims.d, "heads"),
    ):
        if whole % getattr(dims, part):
            raise SchemaError(f"dims.{name} = {whole}, must be a multiple of {part} = {getattr(dims, part)}")
    if dims.activation not in ACTIVATIONS:
        raise SchemaError(f"dims.activation {short(dims.activation)} is none of {', '.join(ACTIVATIONS)}")
    if dims.zero_point not in (0, HIDDEN_ZERO_POINT):
        raise SchemaError(f"dims.zero_point {dims.zero_point} is neither 0 nor {HIDDEN_ZERO_POINT}")
    channels, most = dims.task_channels, LARGEST["classes"]
    if not 1 <= len(channels) <= MAX_TASKS or max(channels) > most:
        raise SchemaError(f"dims.task_channels: expected 1 to {MAX_TASKS}, each at most {most}")
    experts = dims.experts * dims.expert_hidden
    weights = dims.layers * dims.d * (4 * dims.d + 2 * max(dims.hidden, experts))
    tokens = dims.prefix + dims.height * dims.width // dims.patch**2
    if weights > MAX_WEIGHTS or tokens > MAX_TOKENS:
        raise SchemaError(
            f"a network of {weights} weights and {tokens} tokens, at most {MAX_WEIGHTS} and {MAX_TOKENS}"
        )


def draw_hardware(seed: int) -> HwConfig:
    """A small configuration that keeps all rules: array, ports, memories, ring."""
    rng = np.random.default_rng([seed, 1])
    base = load_config("nano")
    for _ in range(DRAWS):
        pk = int(rng.choice([8, 8, 16]))
        pn = pk * int(rng.choice([1, 2, 4]))
        table: Mapping[str, Any] = {
            "pk": pk,
            "pn": pn,
            "pack_macs": bool(rng.integers(2)),
            "int4": bool(rng.integers(4)),
            "axi_ports": int(rng.choice([1, 2, 4])),
            "axi_data_bytes": int(rng.choice([8, 16])),
            "act_words": int(rng.integers(512, 2048)) * 8 // pn,
            "kv_words": int(rng.integers(256, 1024)),
            "score_words": int(rng.integers(32, 256)),
            "residual_words": int(rng.integers(200, 1024)),
            "resident_words": int(rng.choice([0, 16, 64, 400])),
            "resident_block_words": int(rng.choice([0, 16, 48])),
            "acc_depth": int(rng.choice([16, 24, 32, 64, 100])),
            "weight_store_words": 64 * int(rng.integers(2, 12)),
            "max_experts": int(rng.integers(2, min(pn, 16) + 1)),
            "max_top_k": int(rng.integers(1, 3)),
            "max_d_words": int(rng.integers(8, 17)),
            "program_depth": 512,
            "fetch_depth": 512,
        }
        try:
            return replace(base, name="fuzz", **table)
        except ConfigError:
            continue
    raise AssertionError(f"no hardware within {DRAWS} draws of seed {seed}")


def draw(seed: int, hw: HwConfig) -> Case:
    """A case for a configuration; the network may be too large for it (peritus.fuzz.play says so)."""
    rng = np.random.default_rng([seed, 2])

    def flip(probability: float) -> bool:
        return bool(rng.random() < probability)

    return Case(
        seed=seed,
        hw={"name": hw.name, **hw.table()},
        dims=_draw_dims(rng, hw),
        model_seed=int(rng.integers(1 << 30)),
        extremes=tuple(str(name) for name in rng.choice(sorted(EXTREMES), int(rng.integers(0, 7)))),
        modes=int(rng.integers(1, 13)) if flip(0.4) else 0,
        ddr=_draw_ddr(rng) if flip(0.5) else {},
        power_up=str(rng.choice(["zeros", "ones", f"random:{int(rng.integers(1, 1 << 30))}"])),
        jobs=tuple(_draw_job(rng) for _ in range(int(rng.integers(1, 4)))),
    )


def _draw_dims(rng: np.random.Generator, hw: HwConfig) -> dict[str, Any]:
    patch = int(rng.choice([4, 8, 14, 16], p=[0.4, 0.3, 0.15, 0.15]))
    heads = int(rng.integers(1, 5))
    experts = int(rng.integers(1, hw.max_experts + 1))
    layers = int(rng.integers(1, 4))
    dims = Dims(
        height=patch * int(rng.integers(1, 5)),
        width=patch * int(rng.integers(1, 6)),
        patch=patch,
        d=heads * int(rng.integers(2, 17)),
        heads=heads,
        layers=layers,
        hidden=int(rng.integers(4, 100)),
        experts=experts,
        top_k=int(rng.integers(1, min(hw.max_top_k, experts) + 1)),
        expert_hidden=int(rng.integers(4, 70)),
        upscale=int(rng.choice([1, 2, 4])),
        task_channels=tuple(int(c) for c in rng.integers(1, 9, rng.integers(1, 4))),
        routing=rng.choice(ROUTINGS),
        expert_bits=int(rng.choice([4, 8])),  # type: ignore[arg-type]
        activation=str(rng.choice(["gelu", "relu"])),
        prefix=int(rng.choice([0, 1, 1, 2, 5])),
        channels=int(rng.choice([1, 3, 3])),
        moe_layers=tuple(int(n) for n in range(layers) if rng.random() < 0.5),
    )
    if dims.prefix and rng.random() < 0.3:
        dims = replace(dims, classes=int(rng.integers(2, 12)))
    dims = replace(dims, zero_point=int(rng.choice([0, HIDDEN_ZERO_POINT])))
    return {key: str(v) if isinstance(v, np.str_) else v for key, v in asdict(dims).items()}


def _draw_ddr(rng: np.random.Generator) -> dict[str, Any]:
    refreshed = bool(rng.integers(2))
    return {
        "read_latency": int(rng.integers(1, 200)),
        "bytes_per_cycle": float(rng.choice([1.0, 3.0, 8.0, 42.0])),
        "write_latency": int(rng.integers(1, 100)),
        "jitter": int(rng.choice([0, 7, 60])),
        "refresh_period": 900 if refreshed else 0,
        "refresh_cycles": 100 if refreshed else 0,
        "outstanding": int(rng.choice([1, 2, 16])),
        "stall": float(rng.choice([0.0, 0.1, 0.4])),
        "seed": int(rng.integers(1, 1 << 20)),
    }


def _draw_job(rng: np.random.Generator) -> tuple[str, tuple[str, ...], int, bool]:
    what = str(rng.choice(JOBS, p=[0.4, 0.3, 0.1, 0.1, 0.1]))
    count = int(rng.integers(2, 5)) if what in ("batch", "abandon") else 1
    images = tuple(str(name) for name in rng.choice(IMAGES, count))
    return what, images, int(rng.integers(16)), bool(rng.integers(2))
