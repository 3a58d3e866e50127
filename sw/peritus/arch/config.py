# SPDX-License-Identifier: Apache-2.0
"""The typed hardware configuration: single source of truth for widths, array shape and buffer sizes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import ceil
from pathlib import Path
from typing import Any

from peritus.arch.isa import layout_fingerprint
from peritus.arch.params import param_layout
from peritus.errors import PeritusError
from peritus.resources import resource
from peritus.schema import CLOSED, Flag, Name, Real, SchemaError, Whole, cause, checked, read_toml

BURST_BEATS = 16  # beats of every weight burst: the longest that AXI3 and AXI4 ports share
RESIDUAL_BITS = 20  # residual storage: 16-bit value plus room for top-k unsaturated MoE contributions
ACC_BITS = 27  # accumulator plus bias, one operand of a 27x18 multiplier
ADDRESS_BITS = 40  # AXI addresses
MAX_LATENCY = 1 << 20  # cycles, of the memory that is simulated; its bandwidth is a multiple of the least
MIN_BANDWIDTH, MAX_BANDWIDTH = 2**-16, 4096
CASCADE = 8  # products summed along one DSP cascade (two-MAC packing bound with uint8 operands)
# Cycles of the shortest pass: covers the read-modify-write of accumulators (4), row sums and row maxima, and
# the way from stage 1 to stage 2 of the epilogue, whose parameters change together with a pass.
MIN_PASS = 16
# Upper bounds on the pipeline, which the compiler's hazard analysis relies on and peritus_core.sv checks:
# cycles from issuing a row to its result (also a row maximum) being readable; between two updates of one
# residual word.
RESULT_LATENCY = 72
UPDATE_LATENCY = 16
# Weights: cycles from the last beat of a stripe to its first word at the output of the ring (its port has the
# turn); from the start of a stream of resident words to the first; and words that either reads ahead.
RING_LATENCY = 10
RESIDENT_LATENCY = 6
PREFETCH_WORDS = 8
ABI_VERSION = 1
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")  # it becomes a part of files' names


class ConfigError(PeritusError):
    """A hardware configuration is unknown or breaks a rule; names the field, value and limit."""


@dataclass(frozen=True)
class DdrConfig:
    """Memory system assumed in simulation (not part of the hardware or of its hash).

    read_latency: cycles from address to first data beat of an idle port.
    bytes_per_cycle: sustained read bandwidth over all ports together.
    """

    __pydantic_config__ = CLOSED
    read_latency: Whole
    bytes_per_cycle: Real


@dataclass(frozen=True)
class HwConfig:
    """One accelerator configuration.

    pk: input channels per cycle; pn: output channels per cycle (the array has pk*pn int8 MACs).
    pack_macs: two int8 MACs per multiplier (DSP48E2), see rtl/compute/peritus_mac.sv.
    dsp_ratio: clock of the multipliers over that of the fabric, 1 or 2: then a multiplier has two rows.
    int4: 4-bit weights are tiles of 4 bits in the weight stream; else they travel as int8.
    axi_ports, axi_data_bytes: read masters and their width; port 0 also writes.
    act_words: activation memory, words of pn int8. kv_words: keys and values, words of pn int8.
    score_words: attention scores, words of pn int16. residual_words: words of pn x RESIDUAL_BITS.
    resident_words: weights kept on chip from job to job, words of 2*pn bytes; 0: none. resident_block_words:
        of them in block RAM; the others are in UltraRAM, where a device has it.
    acc_depth: accumulator rows = most tokens in one pass.
    weight_store_words: weight ring, words of 2*pn bytes.
    program_depth, fetch_depth: instructions held on chip. max_experts, max_top_k: router.
    max_d_words: largest model width d in words of pn channels (LayerNorm parameter store).
    clock_mhz: the clock assumed when cycles are turned into time, and built for (peritus.arch.pl_clock:
        a Zynq cannot make every clock).
    """

    __pydantic_config__ = CLOSED
    name: Name
    pk: Whole
    pn: Whole
    pack_macs: Flag
    dsp_ratio: Whole
    int4: Flag
    axi_ports: Whole
    axi_data_bytes: Whole
    act_words: Whole
    kv_words: Whole
    score_words: Whole
    residual_words: Whole
    resident_words: Whole
    resident_block_words: Whole
    acc_depth: Whole
    weight_store_words: Whole
    program_depth: Whole
    fetch_depth: Whole
    max_experts: Whole
    max_top_k: Whole
    max_d_words: Whole
    clock_mhz: Real
    ddr: DdrConfig

    def __post_init__(self) -> None:
        def need(ok: bool, field: str, rule: str) -> None:
            if not ok:
                raise ConfigError(f"hardware {self.name}: {field} = {getattr(self, field)}, must be {rule}")

        need(bool(_NAME.fullmatch(self.name)), "name", "a small letter, then those, digits, _, 64 in all")
        need(self.pk in (8, 16, 32, 64), "pk", "8, 16, 32 or 64")
        need(8 <= self.pn <= 64, "pn", "8..64")
        need(self.dsp_ratio in (1, 2), "dsp_ratio", "1 or 2")
        paired = self.pack_macs and self.pk >= 2 * CASCADE
        need(
            self.dsp_ratio == 1 or paired, "dsp_ratio", f"1 without pack_macs or with pk below {2 * CASCADE}"
        )
        need(self.pn % self.pk == 0 and self.slices in (1, 2, 4), "pn", "1, 2 or 4 times pk")
        need(self.axi_ports in (1, 2, 4), "axi_ports", "1, 2 or 4")
        need(self.axi_data_bytes in (8, 16), "axi_data_bytes", "8 or 16")
        need(self.pn % self.axi_data_bytes == 0, "axi_data_bytes", "a divisor of pn")
        need(
            self.stripe_words >= 1 and self.stripe_bytes % self.weight_word_bytes == 0,
            "pn",
            "at most 8 * axi_data_bytes",
        )
        beats = self.weight_word_bytes // self.axi_data_bytes
        need(self.axi_ports <= beats, "axi_ports", f"at most the {beats} beats of a weight word")
        ring_stripes = self.weight_store_words // self.stripe_words
        need(
            self.weight_store_words % self.stripe_words == 0 and ring_stripes % self.axi_ports == 0,
            "weight_store_words",
            "a whole number of stripes per port",
        )
        need(self.weight_store_words >= 4 * self.tile_words, "weight_store_words", "at least four tiles")
        need(self.weight_store_words <= 65536, "weight_store_words", "at most 65536")
        need(ring_stripes < 1 << 14, "weight_store_words", f"below {(1 << 14) * self.stripe_words}")
        need(1 <= self.max_top_k <= 4, "max_top_k", "1..4")
        least = max(2, self.max_top_k)
        need(least <= self.max_experts <= min(64, self.pn), "max_experts", "2, max_top_k..min(64, pn)")
        need(8 <= self.acc_depth <= 4094, "acc_depth", "8..4094")
        need(2 <= self.max_d_words <= 1024 // self.pn, "max_d_words", "2..1024/pn")
        own = {
            "weight_store_words",
            "max_d_words",
            "resident_words",
            "resident_block_words",
        }  # rules of their own, above
        memories = [field.name for field in fields(self) if field.name.endswith("_words")]
        for field in (name for name in memories if name not in own):
            need(16 <= getattr(self, field) <= 65536, field, "16..65536")
        kept = self.resident_words == 0 or 16 <= self.resident_words <= 32760
        need(kept, "resident_words", "0, or 16..32760")
        rest = self.resident_words - self.resident_block_words
        parts = all(part == 0 or part >= 16 for part in (self.resident_block_words, rest))
        need(parts, "resident_block_words", "0, or 16..resident_words, and leave none or 16")
        for field in ("program_depth", "fetch_depth"):
            need(16 <= getattr(self, field) <= 32768, field, "16..32768")
        need(1e-3 <= self.clock_mhz <= 10_000, "clock_mhz", "0.001 to 10,000")
        latency, rate = self.ddr.read_latency, self.ddr.bytes_per_cycle
        need(1 <= latency < MAX_LATENCY, "ddr", f"of a read_latency of 1 to {MAX_LATENCY - 1} cycles")
        need(
            MIN_BANDWIDTH <= rate <= MAX_BANDWIDTH,
            "ddr",
            f"of {MIN_BANDWIDTH:g} to {MAX_BANDWIDTH} bytes_per_cycle",
        )

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

    def tile_bytes(self, int4: bool | int) -> int:
        """Bytes of one stationary tile, of int8 or of int4 weights."""
        return self.pk * self.pn // (2 if int4 else 1)

    @property
    def rows_per_word(self) -> int:
        """Rows of a tile that a weight word may hold, at most."""
        return 4 if self.int4 else 2

    def mac_stage(self, position: int) -> int:
        """Cycles by which the swap comes later at a position of the cascade than at position 0."""
        return (position + self.dsp_ratio - 1) // self.dsp_ratio

    @property
    def stripe_bytes(self) -> int:
        """Bytes of one stripe = one burst; the weight stream alternates ports every stripe."""
        return BURST_BEATS * self.axi_data_bytes

    @property
    def ahead_pace(self) -> int:
        """Cycles between requests for the job behind, so that the running one's result has its bandwidth."""
        left = max(1.0, self.ddr.bytes_per_cycle - self.axi_data_bytes)
        return min(255, ceil(self.stripe_bytes / left))

    @property
    def stripe_words(self) -> int:
        """Weight words per stripe."""
        return self.stripe_bytes // self.weight_word_bytes

    @property
    def macs_per_cycle(self) -> int:
        """int8 multiply-accumulates of the array per cycle."""
        return self.pk * self.pn

    def table(self) -> dict[str, Any]:
        """All but the name, as in a file: parse_config(hw.name, hw.table()) == hw."""
        return {field: value for field, value in asdict(self).items() if field != "name"}

    @property
    def hash64(self) -> int:
        """Identity of the hardware: what a bundle is compiled for and what CONFIG_HASH reads.

        First 64 bits of SHA-256 over all that shapes the hardware, the ABI, the layout of instructions and
        that of parameters.
        """
        shape = {k: v for k, v in asdict(self).items() if k not in ("ddr", "clock_mhz")}
        text = json.dumps([ABI_VERSION, layout_fingerprint(), param_layout(), shape], sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def config_names() -> list[str]:
    """Names of the shipped configurations, smallest array first."""
    return sorted((path.stem for path in resource("configs").glob("*.toml")), key=_size)


def _size(name: str) -> tuple[int, int, str]:
    hw = load_config(name)
    return hw.macs_per_cycle, hw.act_words, name


def load_config(hw: str | Path | HwConfig) -> HwConfig:
    """A shipped configuration by name (configs/NAME.toml), any other by its file, MY.toml, or `hw` itself.

    Raises:
        ConfigError: no such configuration or file; a field that is unknown, missing, of the wrong type or
        outside its range. Names it and the limit.
    """
    if isinstance(hw, HwConfig):
        return hw
    if not isinstance(hw, (str, Path)):
        raise ConfigError(f"hardware is a {type(hw).__name__}, expected a name, a file MY.toml or a HwConfig")
    text = str(hw)
    if text.endswith(".toml"):
        return _parse(Path(text))
    path = resource("configs") / f"{text}.toml"
    if not _NAME.fullmatch(text) or not path.is_file():
        raise ConfigError(f"unknown hardware {text!r}; known: {', '.join(config_names())}, or a file MY.toml")
    return _parse(path)


def _parse(path: Path) -> HwConfig:
    try:
        table = read_toml(path)
    except SchemaError as error:
        raise ConfigError(f"hardware file {path}: {error}") from error
    return parse_config(path.stem, table)


def parse_config(name: str, table: Mapping[str, Any]) -> HwConfig:
    """The configuration that a table describes, as in a file; ConfigError as `load_config`."""
    if "name" in table:
        raise ConfigError(f"hardware {name}: name is no field, the file's name is it")
    try:
        return checked(HwConfig, {"name": name, **table})
    except SchemaError as error:
        raise ConfigError(f"hardware {cause(name)}: {error}") from error
