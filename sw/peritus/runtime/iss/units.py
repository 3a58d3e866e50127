# SPDX-License-Identifier: Apache-2.0
"""The instructions other than GEMM."""

from __future__ import annotations

import numpy as np

from peritus import reference as ref
from peritus.arch.config import HwConfig
from peritus.arch.isa import Instruction
from peritus.arch.memories import Memory
from peritus.arch.params import PARAM_BLOCK_WORDS, Params
from peritus.reference.arithmetic import I64
from peritus.runtime.iss.memories import Bytes, ProgramError, State, WeightStream
from peritus.runtime.iss.trace import WriteRecord


def load_image(instruction: Instruction, index: int, image: Bytes, state: State, hw: HwConfig) -> WriteRecord:
    """Scatter the linear image into patch vectors, beat by beat, each byte minus 128."""
    py, ky, px, beat = (
        axis.reshape(-1)
        for axis in np.indices(
            (instruction.keys, instruction.k_tiles, instruction.tokens, instruction.n_tiles)
        )
    )
    width = hw.axi_data_bytes
    size = len(py) * width
    if size > len(image):
        raise ProgramError(f"reads {size} image bytes, the image has {len(image)}")
    chunk = ky * instruction.n_tiles + beat
    row = py * instruction.tokens + px
    byte = (instruction.dst_base + row * instruction.dst_stride) * hw.pn + chunk * width
    pixels = (image[:size] ^ 0x80).view(np.int8).reshape(-1, width)
    address, lane = byte // hw.pn, byte % hw.pn
    state.act.read(address)  # checks the range
    lanes = byte[:, None] + np.arange(width)
    state.act.data.reshape(-1)[lanes] = pixels
    data = np.zeros((len(address), hw.pn), np.int32)
    np.put_along_axis(data, lane[:, None] + np.arange(width), pixels.astype(np.int32), axis=1)
    return WriteRecord(index, Memory.ACT, address, data, lane, np.full_like(lane, width), row, chunk)


def res_init(
    instruction: Instruction, index: int, state: State, stream: WeightStream, hw: HwConfig
) -> WriteRecord:
    """Residual words straight from the weight stream."""
    row, word = _row_major(instruction)
    values = stream.take(len(row) * hw.weight_word_bytes).view("<i2").reshape(-1, hw.pn).astype(np.int64)
    address = instruction.dst_base + row * instruction.dst_stride + word
    state.residual.write(address, values)
    return _whole_words(index, Memory.RESIDUAL, address, values, row, word, hw)


def keep(instruction: Instruction, state: State, stream: WeightStream, hw: HwConfig) -> None:
    """Words of the weight stream into the resident memory."""
    row, word = _row_major(instruction)
    address = instruction.dst_base + row * instruction.dst_stride + word
    check_resident(int(address.max()), hw)
    state.resident[address] = stream.take(len(row) * hw.weight_word_bytes).reshape(-1, hw.weight_word_bytes)


def check_resident(last: int, hw: HwConfig) -> None:
    """ProgramError unless the last word is one of the resident memory's."""
    if last >= hw.resident_words:
        raise ProgramError(f"reaches word {last}, the resident memory has {hw.resident_words}")


def copy(instruction: Instruction, index: int, state: State, hw: HwConfig) -> WriteRecord:
    """Residual words to other rows of the residual memory, as they are."""
    row, word = _row_major(instruction)
    values = state.residual.read(instruction.src_base + row * instruction.src_stride + word)
    address = instruction.dst_base + row * instruction.dst_stride + word
    state.residual.write(address, values)
    return _whole_words(index, Memory.RESIDUAL, address, values.astype(np.int64), row, word, hw)


def layernorm(
    instruction: Instruction, index: int, state: State, stream: WeightStream, hw: HwConfig
) -> WriteRecord:
    """Normalize rows of the residual memory into the activation memory."""
    words, width = instruction.n_tiles, instruction.width
    params = Params(stream.take(words * PARAM_BLOCK_WORDS * hw.weight_word_bytes), hw.pn)
    row, word = _row_major(instruction)
    x = state.residual.read(instruction.src_base + row * instruction.src_stride + word)
    x = x.reshape(instruction.tokens, words * hw.pn)
    out = np.zeros(x.shape, np.int64)  # padding lanes stay zero
    used = slice(0, width)
    out[:, used] = ref.layernorm(
        x[:, used], params.gamma[used], params["bias"][used], params["shift1"][used], instruction.imm
    )
    address = instruction.dst_base + row * instruction.dst_stride + word
    values = out.reshape(-1, hw.pn)
    state.act.write(address, values)
    return _whole_words(index, Memory.ACT, address, values, row, word, hw)


def store(instruction: Instruction, state: State, hw: HwConfig) -> Bytes:
    """Residual words as int16, saturated, in the order in which they are written to external memory."""
    y, sy, x, beat = (
        axis.reshape(-1)
        for axis in np.indices(
            (instruction.keys, instruction.k_tiles, instruction.tokens, instruction.n_tiles)
        )
    )
    lanes_per_beat = hw.axi_data_bytes // 2
    token = instruction.src_base + (y * instruction.tokens + x) * instruction.src_stride
    lane = token * hw.pn + (sy * instruction.n_tiles + beat) * lanes_per_beat
    state.residual.read(lane // hw.pn)  # checks the range
    values = state.residual.data.reshape(-1)[lane[:, None] + np.arange(lanes_per_beat)]
    return ref.saturate(values, 16).astype("<i2").reshape(-1).view(np.uint8)


def _row_major(instruction: Instruction) -> tuple[I64, I64]:
    row, word = np.indices((instruction.tokens, instruction.n_tiles))
    return row.reshape(-1), word.reshape(-1)


def _whole_words(
    index: int, memory: Memory, address: I64, values: I64, row: I64, word: I64, hw: HwConfig
) -> WriteRecord:
    lanes = np.full(len(address), hw.pn, dtype=np.int64)
    return WriteRecord(
        index, memory, address, values.astype(np.int32), np.zeros(len(address), np.int64), lanes, row, word
    )
