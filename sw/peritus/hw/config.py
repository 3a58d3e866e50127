# SPDX-License-Identifier: Apache-2.0
"""The typed hardware configuration: single source of truth for widths, array shape and buffer sizes."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from peritus.errors import PeritusError

BURST_BEATS = 16  # beats of every weight burst: the longest that AXI3 and AXI4 ports share
RESIDUAL_BITS = 20  # residual storage: 16-bit value plus room for top-k unsaturated MoE contributions
ACC_BITS = 27  # accumulator plus bias, one operand of a 27x18 multiplier
ADDRESS_BITS = 40  # AXI addresses
PARAM_BLOCK_WORDS = 5  # weight words of one parameter block: bias (2), m1, m2, s1|s2
CASCADE = 8  # products summed along one DSP cascade (two-MAC packing bound with uint8 operands)
# Cycles of the shortest pass: covers the read-modify-write of accumulators (4), row sums and row maxima, and
# the way from stage 1 to stage 2 of the epilogue, whose parameters change together with a pass.
MIN_PASS = 16
# Upper bounds on the pipeline, which the compiler's hazard analysis relies on and core.sv checks: cycles from
# issuing a row to its result (also a row maximum) being readable; between two updates of one residual word.
RESULT_LATENCY = 72
UPDATE_LATENCY = 16
ABI_VERSION = 1


class ConfigError(PeritusError):
    """A hardware configuration is unknown or breaks a rule; names the field, value and limit."""


def config_file() -> Path:
    """hw_configs.toml: beside the package in a wheel, at the repository root in a checkout."""
    here = Path(__file__).resolve()
    for candidate in (here.parents[1] / "data" / "hw_configs.toml", here.parents[3] / "hw_configs.toml"):
        if candidate.is_file():
            return candidate
    raise ConfigError(f"hw_configs.toml not found beside {here.parents[1]} or {here.parents[3]}")


@dataclass(frozen=True)
class DdrConfig:
    """Memory system assumed in simulation (not part of the hardware or of its hash).

    read_latency: cycles from address to first data beat of an idle port.
    bytes_per_cycle: sustained read bandwidth over all ports together.
    """

    read_latency: int
    bytes_per_cycle: float


@dataclass(frozen=True)
class HwConfig:
    """One accelerator configuration.

    pk: input channels per cycle; pn: output channels per cycle (the array has pk*pn int8 MACs).
    pack_macs: two int8 MACs per multiplier (DSP48E2), see rtl/compute/mac.sv.
    axi_ports, axi_data_bytes: read masters and their width; port 0 also writes.
    act_words: activation memory, words of pn int8. kv_words: keys and values, words of pn int8.
    score_words: attention scores, words of pn int16. residual_words: words of pn x RESIDUAL_BITS.
    acc_depth: accumulator rows = most tokens in one pass.
    weight_store_words: weight ring, words of 2*pn bytes.
    program_depth, fetch_depth: instructions held on chip. max_experts, max_top_k: router.
    max_d_words: largest model width d in words of pn channels (LayerNorm parameter store).
    clock_mhz: the clock assumed when cycles are turned into time, and built for (peritus.hw.pl_clock:
        a Zynq cannot make every clock).
    """

    name: str
    pk: int
    pn: int
    pack_macs: bool
    axi_ports: int
    axi_data_bytes: int
    act_words: int
    kv_words: int
    score_words: int
    residual_words: int
    acc_depth: int
    weight_store_words: int
    program_depth: int
    fetch_depth: int
    max_experts: int
    max_top_k: int
    max_d_words: int
    clock_mhz: float
    ddr: DdrConfig

    def __post_init__(self) -> None:
        def need(ok: bool, field: str, rule: str) -> None:
            if not ok:
                raise ConfigError(f"hardware {self.name}: {field} = {getattr(self, field)}, must be {rule}")

        need(self.pk in (8, 16, 32), "pk", "8, 16 or 32")
        need(self.pn <= 64, "pn", "at most 64")
        need(self.pn % self.pk == 0 and self.slices in (1, 2, 4), "pn", "1, 2 or 4 times pk")
        need(self.axi_ports in (1, 2, 4), "axi_ports", "1, 2 or 4")
        need(self.axi_data_bytes in (8, 16), "axi_data_bytes", "8 or 16")
        need(self.pn % self.axi_data_bytes == 0, "axi_data_bytes", "a divisor of pn")
        need(
            self.stripe_words >= 1 and self.stripe_bytes % self.weight_word_bytes == 0,
            "pn",
            "at most 8 * axi_data_bytes",
        )
        ring_stripes = self.weight_store_words // self.stripe_words
        need(
            self.weight_store_words % self.stripe_words == 0 and ring_stripes % self.axi_ports == 0,
            "weight_store_words",
            "a whole number of stripes per port",
        )
        need(self.weight_store_words >= 4 * self.tile_words, "weight_store_words", "at least four tiles")
        need(1 <= self.max_top_k <= 4, "max_top_k", "1..4")
        need(self.max_top_k <= self.max_experts <= min(64, self.pn), "max_experts", "max_top_k..min(64, pn)")
        need(8 <= self.acc_depth <= 4095, "acc_depth", "8..4095")
        need(self.max_d_words * self.pn <= 1024, "max_d_words", "at most 1024/pn")
        for field in ("act_words", "kv_words", "score_words", "residual_words"):
            need(16 <= getattr(self, field) <= 65536, field, "16..65536")

    @property
    def slices(self) -> int:
        """Slices of pk elements in a word of pn."""
        return self.pn // self.pk

    @property
    def weight_word_bytes(self) -> int:
        """Bytes of one weight word: two rows of a tile."""
        return 2 * self.pn

    @property
    def tile_words(self) -> int:
        """Weight words of one stationary tile of pk x pn int8."""
        return self.pk // 2

    @property
    def stripe_bytes(self) -> int:
        """Bytes of one stripe = one burst; the weight stream alternates ports every stripe."""
        return BURST_BEATS * self.axi_data_bytes

    @property
    def stripe_words(self) -> int:
        """Weight words per stripe."""
        return self.stripe_bytes // self.weight_word_bytes

    @property
    def macs_per_cycle(self) -> int:
        """int8 multiply-accumulates of the array per cycle."""
        return self.pk * self.pn

    @property
    def hash64(self) -> int:
        """Identity of the hardware: what a bundle is compiled for and what CONFIG_HASH reads.

        First 64 bits of SHA-256 over all that shapes the hardware, the ABI and the instruction layout.
        """
        from peritus.program.isa import layout_fingerprint

        shape = {k: v for k, v in asdict(self).items() if k not in ("ddr", "clock_mhz")}
        text = json.dumps([ABI_VERSION, layout_fingerprint(), shape], sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def config_names() -> list[str]:
    """Names of all configurations, in file order."""
    return list(tomllib.loads(config_file().read_text()))


def load_config(name: str) -> HwConfig:
    """The configuration `name` of hw_configs.toml; ConfigError for an unknown name, field or value."""
    table = tomllib.loads(config_file().read_text())
    if name not in table:
        raise ConfigError(f"unknown hardware {name!r}; known: {', '.join(table)}")
    entry = dict(table[name])
    known = {f.name for f in fields(HwConfig)} - {"name"}
    if set(entry) != known:
        raise ConfigError(f"hardware {name}: fields {sorted(set(entry) ^ known)} are unknown or missing")
    return HwConfig(name=name, **{**entry, "ddr": DdrConfig(**entry["ddr"])})
