# SPDX-License-Identifier: Apache-2.0
"""The compiler's passes: layouts, weight segments, memory plan, waiting flags, limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from peritus import ir
from peritus.arch.config import RESULT_LATENCY, HwConfig, load_config
from peritus.arch.isa import Dest, Instruction, Opcode, StatSource, StreamSource
from peritus.compiler import CapacityError, CompileError, compile_model
from peritus.compiler.hazards import hazard_flags
from peritus.compiler.layout import Layout, padded_channels
from peritus.compiler.lower import lower
from peritus.compiler.memory_plan import lifetimes, plan_memory
from peritus.compiler.segments import affine_segment
from peritus.compiler.step import Memory, Region, Step
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.report import same_result
from peritus.runtime.iss.device import IssDevice

MICRO = Dims(layers=2)


@pytest.fixture(scope="module")
def nano() -> HwConfig:
    return load_config("nano")


@pytest.fixture(scope="module")
def model() -> ir.QuantModel:
    return random_model(MICRO)


def test_layout_of_padded_heads() -> None:
    layout = Layout.keys(2, 3, 4)
    assert layout.positions.tolist() == [0, 1, 2, 4, 5, 6] and layout.words == 2
    assert layout.tiles(2) == 4 and Layout.dense(5, 4).tiles(2) == 3


@pytest.mark.parametrize(
    ("width", "queries", "keys", "values"),
    [
        (32, [0, 32, 64], [0, 64, 128], [0, 32, 64]),  # two heads in a word
        (48, [0, 64, 128], [0, 64, 128], [0, 64, 128]),  # one head, so as not to need two words
        (80, [0, 96, 192], [0, 128, 256], [0, 80, 160]),  # each in two words, as by itself
        (96, [0, 96, 192], [0, 128, 256], [0, 96, 192]),
    ],
)
def test_where_heads_begin(width: int, queries: list[int], keys: list[int], values: list[int]) -> None:
    """Slices of 32, words of 64."""
    layouts = Layout.queries(3, width, 32, 64), Layout.keys(3, width, 64), Layout.values(3, width, 64)
    for layout, expected in zip(layouts, (queries, keys, values), strict=True):
        assert [int(layout.head(head, 3)[0]) for head in range(3)] == expected


def test_affine_segment_bytes() -> None:
    """Two input slices, two output words; the parameter block precedes each word's last tile."""
    weight = np.arange(1, 19, dtype=np.int8).reshape(6, 3)
    affine = ir.Affine(
        weight,
        np.arange(6, dtype=np.int32) - 1,
        ir.Requant(np.arange(6, dtype=np.uint16) + 40000, np.arange(6, dtype=np.uint8) + 3),
    )
    layouts = Layout.dense(3, 4), Layout.dense(6, 4)
    raw = affine_segment(affine, None, *layouts, 2, 4)
    assert raw.size == 2 * (2 * 2 * 4 + 8 * 4)
    first_tile = raw[:8].view(np.int8).reshape(2, 4)
    assert (first_tile == weight[:4, :2].T).all()
    params = raw[8:40]
    assert params[:16].view("<i4").tolist() == [-1, 0, 1, 2]
    assert params[16:24].view("<u2").tolist() == [40000, 40001, 40002, 40003]
    assert params[24:28].tolist() == [3, 4, 5, 6] and params[28:].tolist() == [1] * 4
    assert raw[40:48].view(np.int8).reshape(2, 4).tolist() == [weight[:4, 2].tolist(), [0] * 4]
    second = raw[48:]
    assert second[:8].view(np.int8).reshape(2, 4).tolist() == [[13, 16, 0, 0], [14, 17, 0, 0]]
    assert second[8:24].view("<i4").tolist() == [3, 4, 0, 0]
    assert second[24:32].view("<u2").tolist() == [40004, 40005, 0, 0]  # padding lanes compute zero
    # With a factor by channel behind the function: its shift beside the first one, its multiplier at the end.
    stage2 = ir.Requant(np.arange(6, dtype=np.uint16) + 50000, np.arange(6, dtype=np.uint8) + 20)
    whole = affine_segment(affine, stage2, *layouts, 2, 4).reshape(2, -1)
    assert whole.shape == (2, 2 * 2 * 4 + 10 * 4)
    assert (np.delete(whole[0], range(36, 48)) == np.delete(raw[:48], range(36, 40))).all()
    assert whole[0, 36:40].tolist() == [20, 21, 22, 23]
    assert whole[0, 40:48].view("<u2").tolist() == [50000, 50001, 50002, 50003]


def test_padded_channels() -> None:
    nano, zcu104 = load_config("nano"), load_config("zcu104")
    assert [padded_channels(c, 4, zcu104) for c in (1, 2, 19)] == [2, 2, 20]
    assert padded_channels(1, 1, zcu104) == 8 and padded_channels(3, 1, nano) == 4


def test_live_buffers_never_overlap(model: ir.QuantModel, nano: HwConfig) -> None:
    steps = lower(model.graph, nano)
    plan = plan_memory(steps, nano)
    spans = lifetimes(steps)
    buffers = list(spans)
    shared = 0
    for i, a in enumerate(buffers):
        assert plan.base[a] >= 0 and plan.base[a] + a.words <= a.memory.words(nano)
        for b in buffers[i + 1 :]:
            if a.memory is not b.memory:
                continue
            apart = plan.base[a] + a.words <= plan.base[b] or plan.base[b] + b.words <= plan.base[a]
            alive_together = spans[a][0] <= spans[b][1] and spans[b][0] <= spans[a][1]
            assert apart or not alive_together, (a.name, b.name)
            shared += not apart
    assert shared > 10  # words are reused


@pytest.mark.parametrize(
    ("memory", "buffer", "need"),
    [
        ("act_words", "patches", 768),
        ("kv_words", "v_0", 144),
        ("score_words", "one query", 2),
        ("residual_words", "logits", 128),
    ],
)
def test_capacity_error_says_which_how_much_and_how_much_there_is(
    model: ir.QuantModel, nano: HwConfig, memory: str, buffer: str, need: int
) -> None:
    have = need - 1
    small = replace(nano)
    object.__setattr__(small, memory, have)  # below what a valid configuration may have
    with pytest.raises(
        CapacityError,
        match=rf"hardware nano: {memory} with .*{buffer}.* needs {need} words, there are {have}",
    ) as e:
        compile_model(model, small)
    assert (e.value.need, e.value.have) == (need, have)


@pytest.mark.parametrize(
    ("dims", "limits", "message"),
    [
        (replace(MICRO, experts=5), {}, "node 'router_1' needs 5 experts, there are 4"),
        (replace(MICRO, top_k=3), {}, r"node 'router_1' needs 3 experts per token \(top_k\), there are 2"),
        (replace(MICRO, d=136, heads=1), {}, "node 'norm1_0' needs 17 words of 8 channels, there are 16"),
        (MICRO, {"program_depth": 20}, "program_depth needs 42 entries, there are 20"),
        (MICRO, {"fetch_depth": 20}, "fetch_depth needs 33 entries, there are 20"),
        (
            replace(MICRO, task_channels=(1,) * 17),
            {"program_depth": 999},
            "task table needs 17 tasks, there are 16",
        ),
    ],
)
def test_other_limits(dims: Dims, limits: dict[str, int], message: str, nano: HwConfig) -> None:
    with pytest.raises(CapacityError, match=message):
        compile_model(random_model(dims), replace(nano, **limits))  # type: ignore[arg-type]


def replaced(graph: ir.Graph, name: str, **changes: object) -> ir.Graph:
    nodes = tuple(replace(n, **changes) if n.name == name else n for n in graph.nodes)
    return replace(graph, nodes=nodes)


def test_unmappable_graphs_name_the_node(model: ir.QuantModel, nano: HwConfig) -> None:
    graph = model.graph
    cases = [
        (
            replaced(graph, "attention_0", inputs=("q_0", "norm1_0", "v_0")),
            "'attention_0': input 'norm1_0' must come",
        ),
        (
            replaced(graph, "attention_0", inputs=("k_0", "k_0", "v_0")),
            "'k_0': keys or values cannot be read as",
        ),
        (
            replaced(graph, "proj_0", inputs=("v_0",)),
            "'v_0': keys or values cannot be read as anything else",
        ),
        (
            replaced(graph, "attention_0", inputs=("q_0", "k_0", "k_0")),
            "'k_0': keys or values cannot be read as anything else, also not as one another",
        ),
    ]
    for broken, message in cases:
        with pytest.raises(CompileError, match=message):
            lower(broken, nano)
    moe = next(n for n in graph.nodes if n.name == "experts_1")
    twice = replace(moe, name="again", inputs=("norm2_1", "router_1", "experts_1"))
    nodes = tuple(m for n in graph.nodes for m in ((n, twice) if n is moe else (n,)))
    nodes = tuple(replace(n, inputs=("again",)) if n.name == "norm" else n for n in nodes)
    chained = replace(graph, features="again", nodes=nodes)
    with pytest.raises(CompileError, match="'again': its residual 'experts_1' is an unsaturated sum"):
        lower(chained, nano)


def test_predication_by_task(model: ir.QuantModel, nano: HwConfig) -> None:
    bundle = compile_model(model, nano)
    masks = dict(zip(bundle.labels, (i.task_mask for i in bundle.instructions), strict=True))
    assert masks["router_1 gate task0"] == 1 and masks["router_1 gate task1"] == 2
    assert masks["head_task0"] == masks["head_task0 store"] == 1 and masks["head_task1"] == 2
    assert masks["experts_1 expert 0 hidden"] == 3 and masks["features store"] == 0xFFFF
    assert [f.task_mask for f in bundle.fetches].count(1) == 2


# --- waiting flags ---


def gemm(label: str, tokens: int, k: int, n: int, **fields: object) -> Step:
    regions = {key: fields.pop(key) for key in ("source", "keys", "destination") if key in fields}
    instruction = Instruction(Opcode.GEMM, tokens=tokens, k_tiles=k, n_tiles=n, **fields)  # type: ignore[arg-type]
    return Step(label, instruction, **regions)  # type: ignore[arg-type]


def chain(tokens: int, k1: int, k2: int, hw: HwConfig) -> bool:
    """Does the second of two linear layers wait? Its first slice is in word 0 of two words."""
    x = Region.whole("x", Memory.ACT, tokens, 4)
    y = Region.whole("y", Memory.ACT, tokens, 2)
    z = Region.whole("z", Memory.ACT, tokens, 1)
    steps = [
        gemm("a", tokens, k1, 2, source=x, destination=y),
        gemm("b", tokens, k2, 1, source=y, destination=z),
    ]
    return hazard_flags(steps, hw)[1].wait_stream


def test_waits_only_where_the_distance_is_short(nano: HwConfig) -> None:
    assert chain(tokens=9, k1=1, k2=2, hw=nano)  # word 1 comes back after two passes of 16 cycles
    assert not chain(tokens=RESULT_LATENCY, k1=1, k2=2, hw=nano)
    assert not chain(tokens=9, k1=RESULT_LATENCY // 16, k2=1, hw=nano)


def test_keys_sync_unless_something_long_lies_between(nano: HwConfig) -> None:
    x = Region.whole("x", Memory.ACT, 9, 8)
    q, k = Region.whole("q", Memory.ACT, 9, 1), Region.whole("k", Memory.KV, 9, 1)
    s = Region.whole("s", Memory.SCORE, 9, 2)

    def flags(query_tiles: int) -> tuple[bool, bool]:
        steps = [
            gemm("k", 9, 8, 1, source=x, destination=k, dst=Dest.KV),
            gemm("q", 9, query_tiles, 1, source=x, destination=q),
            gemm("s", 9, 1, 2, source=q, keys=k, destination=s, stat_src=StatSource.KEYS, keys_count=9),
        ]
        flag = hazard_flags(steps, nano)[2]
        return flag.sync, flag.wait_stream

    def gemm(label: str, tokens: int, k_tiles: int, n: int, **fields: object) -> Step:
        count = fields.pop("keys_count", 0)
        regions = {key: fields.pop(key) for key in ("source", "keys", "destination") if key in fields}
        instruction = Instruction(
            Opcode.GEMM, tokens=tokens, k_tiles=k_tiles, n_tiles=n, keys=count, **fields
        )  # type: ignore[arg-type]
        return Step(label, instruction, **regions)  # type: ignore[arg-type]

    assert flags(query_tiles=1) == (True, False)
    assert flags(query_tiles=8) == (False, True)  # queries themselves are read at once


def test_probabilities_wait_for_the_row_maximum(nano: HwConfig) -> None:
    s, o = Region.whole("s", Memory.SCORE, 9, 2), Region.whole("o", Memory.ACT, 9, 1)
    q = Region.whole("q", Memory.ACT, 9, 4)
    steps = [
        gemm("s", 9, 8, 2, source=q, destination=s, dst=Dest.SCORES),
        gemm("p", 9, 2, 1, source=s, destination=o, stream_src=StreamSource.SCORES),
    ]
    assert hazard_flags(steps, nano)[1].wait_stream
    assert not hazard_flags([replace_tokens(step, 100) for step in steps], nano)[1].wait_stream


def replace_tokens(step: Step, tokens: int) -> Step:
    return replace(step, instruction=replace(step.instruction, tokens=tokens))


def test_tiny_sized_model_needs_no_waiting_on_zcu104() -> None:
    dims = Dims(128, 256, 16, 192, 3, 2, 768, 16, 2, 384, 4, (19, 1))
    bundle = compile_model(random_model(dims), load_config("zcu104"))
    assert not any(i.sync or i.wait_stream for i in bundle.instructions)


def test_useful_macs_of_a_job(nano: HwConfig) -> None:
    """Against a count from the dimensions."""
    bundle = compile_model(random_model(MICRO), nano)
    n, d = 9, 64
    attention = 4 * n * d * d + 2 * n * n * d
    dense, moe = 2 * n * d * 128, n * d * 4 + 2 * 2 * n * d * 64
    expected = 8 * 768 * d + 2 * attention + dense + moe + 8 * d * 16 * 8
    assert bundle.tasks[0].macs == expected
    assert bundle.tasks[0].macs - bundle.tasks[1].macs == 8 * d * 16 * 7


def test_image_of_the_wrong_size_is_refused_by_the_device(nano: HwConfig, model: ir.QuantModel) -> None:
    from peritus.bundle import BundleConfigError, BundleTaskError
    from peritus.image import ImageError
    from peritus.runtime import NotLoaded, UnknownDeviceError, open_device

    with open_device("reference", nano) as device:
        with pytest.raises(NotLoaded):
            device.run(random_image(MICRO), task="task0")
        device.load(compile_model(model, nano))
        with pytest.raises(ImageError, match=r"\(31, 64, 3\)"):
            device.run(random_image(MICRO)[1:], task="task0")
        with pytest.raises(BundleTaskError, match="unknown task 'pose'; random has task0, task1"):
            device.run(random_image(MICRO), task="pose")
        with pytest.raises(BundleConfigError, match=r"compiled for edge .*the device is nano"):
            device.load(compile_model(model, load_config("edge")))
        assert device.run(random_image(MICRO), task="task0").outputs["task0"].shape == (8, 16, 8)
    with pytest.raises(UnknownDeviceError, match="unknown device 'fpga'; known: iss, hls, rtl"):
        open_device("fpga", nano)


def test_weights_of_every_job_are_kept(model: ir.QuantModel, nano: HwConfig) -> None:
    """In program order while there is room; experts', gates' and heads' never; and the same is computed."""
    keeping = replace(nano, name="keeping", resident_words=400)
    usual, bundle = compile_model(model, nano), compile_model(model, keeping)
    keep, *rest = bundle.instructions
    assert keep.opcode is Opcode.KEEP and keep.cold_only and len(rest) == len(usual.instructions)
    assert keep.tokens * keep.n_tiles <= 400
    resident = [i for i in rest if i.stat_src is StatSource.RESIDENT]
    assert resident and not any(i.expert_valid or i.dst is Dest.ROUTER for i in resident)
    bases = [i.stat_base for i in resident]
    assert bases == sorted(bases) and bases[0] == 0
    warm = sum(entry.stripes for entry in bundle.fetches if not entry.cold_only)
    assert warm < sum(entry.stripes for entry in usual.fetches)
    image = random_image(MICRO)
    with IssDevice(nano) as one, IssDevice(keeping) as other:
        one.load(usual)
        other.load(bundle)
        for task in usual.tasks:  # the first one is cold
            found = other.run(image, task=task.name, features=True)
            assert same_result(found, one.run(image, task=task.name, features=True))
