# SPDX-License-Identifier: Apache-2.0
"""Our nodes: the RTL behind FINN's stream names gives the reference's integers, in the cycles promised.

Frames follow each other without a pause, once with all streams ready and once with pauses everywhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from peritus.reference import HIDDEN_ZERO_POINT
from tests.finn.one_node import built, model_of, the_node

TOKENS = 10_000
PATIENCE = 100_000
Arrays = list[npt.NDArray[np.int64]]
D, HIDDEN, EXPERTS, TOP_K, HEADS, WIDTH = 32, 64, 4, 2, 2, 16


@dataclass(frozen=True)
class Case:
    """tokens: of a frame. feeds: the inputs of one frame."""

    op: str
    tokens: int
    attributes: dict[str, Any]
    feeds: Callable[[np.random.Generator], Arrays]


def spread(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> npt.NDArray[np.int64]:
    """Values of all sizes, corners among them."""
    wide = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), shape)
    small = wide >> rng.integers(0, bits, shape)
    corners = rng.choice([-(1 << (bits - 1)), (1 << (bits - 1)) - 1, 0, -1, 1], shape)
    rows = rng.integers(0, 8, (*shape[:-1], 1))
    return np.where(rows == 0, corners, np.where(rows == 1, np.broadcast_to(small[..., :1], shape), small))


def scales(rng: np.random.Generator, count: int, low: int = 1, high: int = 47) -> dict[str, list[int]]:
    return {
        "multiplier": rng.integers(1 << 15, 1 << 16, count).tolist(),
        "shift": rng.integers(low, high + 1, count).tolist(),
    }


def routing(rng: np.random.Generator, tokens: int) -> npt.NDArray[np.int64]:
    """Experts and scores as PeritusRouter gives them; sometimes one expert takes every token."""
    weights = rng.random((tokens, EXPERTS)) + (rng.random(EXPERTS) < 0.3)
    experts = np.argsort(-weights, axis=1)[:, :TOP_K]
    scores = rng.integers(0, 32769, (tokens, TOP_K))
    return np.stack([experts, scores], axis=-1).reshape(1, tokens, 2 * TOP_K)


def cases() -> list[Case]:
    rng = np.random.default_rng(7)
    rows = TOKENS // 4
    one: dict[str, Any] = {"numInputVectors": [1, rows], "NumChannels": D}
    frame: dict[str, Any] = {"NumTokens": 50, "NumChannels": D}
    attention: dict[str, Any] = {"NumTokens": 20, "heads": HEADS, "head_dim": WIDTH}
    return [
        Case("PeritusGelu", rows, {**one, "PE": 8}, lambda r: [spread(r, (1, rows, D), 24)]),
        Case(
            "PeritusGelu",
            rows,
            {**one, "PE": 4, "func": "relu", "inputDataType": "INT17"},
            lambda r: [spread(r, (1, rows, D), 17)],
        ),
        Case(
            "PeritusRequant",
            rows,
            {
                **one,
                **scales(rng, D),
                "PE": 8,
                "inputDataType": "INT24",
                "bias": rng.integers(-(1 << 24), 1 << 24, D).tolist(),
            },
            lambda r: [spread(r, (1, rows, D), 24)],
        ),
        Case(
            "PeritusRequant",
            rows,
            {
                **one,
                **scales(rng, D, 30, 36),
                "PE": 4,
                "inputDataType": "INT24",
                "bias": rng.integers(-(1 << 16), 1 << 16, D).tolist(),
                "zero_point": HIDDEN_ZERO_POINT,
            },
            lambda r: [spread(r, (1, rows, D), 24)],
        ),
        Case(
            "PeritusRequant",
            rows,
            {
                **one,
                **scales(rng, EXPERTS * D, 1, 24),
                "PE": 4,
                "sets": EXPERTS,
                "inputDataType": "INT24",
                "outputDataType": "INT24",
                "bias": rng.integers(-(1 << 20), 1 << 20, EXPERTS * D).tolist(),
                "zero_point": -1000,
            },
            lambda r: [spread(r, (1, rows, D), 24), r.integers(0, EXPERTS, (1, rows, 1))],
        ),
        Case(
            "PeritusLayerNorm",
            rows,
            {
                **one,
                "SIMD": 8,
                "gamma": rng.integers(-32767, 32768, D).tolist(),
                "beta": rng.integers(-(1 << 28), 1 << 28, D).tolist(),
                "shift": rng.integers(14, 31, D).tolist(),
                "epsilon": 4_000_000_000,
            },
            lambda r: [spread(r, (1, rows, D), 16)],
        ),
        Case("PeritusSoftmax", rows, {**one, "SIMD": 4}, lambda r: [spread(r, (1, rows, D), 16)]),
        Case(
            "PeritusRouter",
            rows,
            {"numInputVectors": [1, rows], "NumChannels": EXPERTS, "topk": TOP_K},
            lambda r: [spread(r, (1, rows, EXPERTS), 16)],
        ),
        Case(
            "PeritusAdd",
            rows,
            {**one, "PE": 4},
            lambda r: [spread(r, (1, rows, D), 16), spread(r, (1, rows, D), 16)],
        ),
        Case(
            "PeritusFork",
            rows,
            {**one, "PE": 4, "inputDataType": "INT16", "NumOutputStreams": 3},
            lambda r: [spread(r, (1, rows, D), 16)],
        ),
        Case(
            "PeritusEmbed",
            50,
            {**frame, "PE": 4, "prefix": 2, "position": spread(rng, (50 * D,), 16).tolist()},
            lambda r: [spread(r, (1, 48, D), 16)],
        ),
        Case(
            "PeritusScores",
            20,
            {**attention, **scales(rng, HEADS, 15, 25)},
            lambda r: [spread(r, (1, 20, HEADS * WIDTH), 8), spread(r, (1, 20, HEADS * WIDTH), 8)],
        ),
        Case(
            "PeritusValues",
            20,
            {**attention, **scales(rng, HEADS * WIDTH, 14, 18), "PE": 4, "shift2": 2},
            lambda r: weighted(r, 20),
        ),
        Case(
            "PeritusValues",  # a row takes longer to leave than to be summed
            5,
            {**attention, **scales(rng, HEADS * WIDTH, 14, 18), "NumTokens": 5, "PE": 1, "shift2": 2},
            lambda r: weighted(r, 5),
        ),
        Case(
            "MoEDispatch",
            50,
            {**frame, "experts": EXPERTS, "topk": TOP_K, "SIMD": 4},
            lambda r: [spread(r, (1, 50, D), 8), routing(r, 50)],
        ),
        Case(
            "MoEMVAU",
            rows,
            {
                "numInputVectors": [1, rows],
                "MW": D,
                "MH": HIDDEN,
                "SIMD": 16,
                "PE": 8,
                "experts": EXPERTS,
                "weights": rng.integers(-127, 128, EXPERTS * D * HIDDEN).tolist(),
            },
            lambda r: [spread(r, (1, rows, D), 8), np.sort(r.integers(0, EXPERTS, (1, rows, 1)), axis=1)],
        ),
        Case(
            "MoECombine",
            50,
            {**frame, "topk": TOP_K, "score_shift": 20, "PE": 8},
            lambda r: [spread(r, (1, 100, D), 24), sources(r, 50), spread(r, (1, 50, D), 16)],
        ),
    ]


def weighted(rng: np.random.Generator, tokens: int) -> Arrays:
    """Numerators, of which each row has a largest, factors, and values."""
    p = rng.integers(0, 256, (1, tokens, HEADS, tokens))
    shift, mantissa = (
        rng.integers(*limits, (1, tokens, HEADS, 1)) for limits in ((20, 30), (1 << 15, 1 << 16))
    )
    largest = np.eye(tokens, dtype=int)[:, None] * 255
    return [np.maximum(p, largest), (shift << 16) + mantissa, spread(rng, (1, tokens, HEADS * WIDTH), 8)]


def sources(rng: np.random.Generator, tokens: int) -> npt.NDArray[np.int64]:
    """Every token TOP_K times, in any order, with scores."""
    order = rng.permutation(np.repeat(np.arange(tokens), TOP_K))
    return np.stack([order, rng.integers(0, 32769, len(order))], axis=-1)[None]


class Played:
    """Frames of a case on the simulated node."""

    def __init__(self, case: Case, tokens: int) -> None:
        from peritus.finn.packing import pack

        self.case = case
        self.node = the_node(built(model_of(case.op, *tensors(case), **case.attributes)))
        rng = np.random.default_rng(8)
        self.frames = [case.feeds(rng) for _ in range(-(-tokens // case.tokens))]
        self.inputs = {
            f"in{i}_V": np.concatenate([pack(frame[i], stream.lanes, stream.bits) for frame in self.frames])
            for i, stream in enumerate(self.node.streams_in())
        }
        outputs = self.node.streams_out()
        self.counts = {f"out{i}_V": stream.beats * len(self.frames) for i, stream in enumerate(outputs)}
        self.engine = self.node.get_rtlsim()

    def differing(self, stall: int) -> tuple[int, int]:
        """Of all output values, those that the reference has otherwise; and the cycles."""
        from peritus.finn.packing import unpack

        self.engine.reset()
        found, cycles = self.engine.run(self.inputs, self.counts, patience=PATIENCE, stall=stall)
        expected, wrong = [self.node.compute(*frame) for frame in self.frames], 0
        for index, stream in enumerate(self.node.streams_out()):
            signed = stream.kind.startswith("INT")
            values = unpack(found[f"out{index}_V"], stream.lanes, stream.bits, signed)
            wanted = np.concatenate([outputs[index].reshape(-1) for outputs in expected])
            wrong += int(np.count_nonzero(values.reshape(-1) != wanted))
        return wrong, cycles


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.op)
def test_rtl_is_the_reference(finn: Path, case: Case) -> None:
    from peritus.finn.errors import SimulatorError

    played = Played(case, TOKENS)
    for stall in (0, 64):
        wrong, cycles = played.differing(stall)
        assert wrong == 0, f"stall {stall}"
        if stall == 0:
            promised = played.node.get_exp_cycles() * len(played.frames)
            print(
                f"{case.op}: {case.tokens * len(played.frames)} tokens, {cycles} cycles, promised {promised}"
            )
            assert abs(cycles - promised) <= 0.1 * promised
    engine = played.engine
    engine.reset()
    with pytest.raises(SimulatorError, match=r"stopped: nothing moved for 200 cycles, and .* of \d+ beats"):
        engine.run({}, played.counts, patience=200)
    played.node.close_rtlsim(engine)
    with pytest.raises(SimulatorError, match="is closed"):
        engine.reset()


def tensors(
    case: Case,
) -> tuple[list[tuple[str, tuple[int, ...], str]], list[tuple[str, tuple[int, ...], str]]]:
    """Names, shapes and types of a node's inputs and outputs, by its own word."""
    from finn.custom_op.fpgadataflow import custom_op
    from onnx import helper

    bare = helper.make_node(case.op, ["i"], ["o"], domain="finn.custom_op.fpgadataflow", **case.attributes)
    node = custom_op[case.op](bare)
    return (
        [(f"in{i}", stream.shape, stream.kind) for i, stream in enumerate(node.streams_in())],
        [(f"out{i}", stream.shape, stream.kind) for i, stream in enumerate(node.streams_out())],
    )
