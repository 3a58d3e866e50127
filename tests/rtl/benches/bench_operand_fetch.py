# SPDX-License-Identifier: Apache-2.0
"""operand_fetch: direct, gathered and scattered rows, activations and probabilities, one per cycle."""

import random
from typing import Any

import cocotb
import numpy as np

from peritus.reference import probabilities
from tests.rtl.benches.records import Record, bench_config, lanes
from tests.rtl.benches.timeline import Timeline

VECTORS = 1500
QUEUE_AT = 2  # cycles from issue to the queue's answer
MEMORY_AT, SLICE_AT, MAX_RE_AT, MAX_AT = 4, 7, 5, 7  # request, slice, request of the maximum, maximum


@cocotb.test()
async def vectors(dut: Any) -> None:
    hw = bench_config()
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    issue_record, record = Record("issue_t", hw), Record("token_t", hw)
    operand_at, sum_at = (int(cocotb.plusargs[k]) for k in ("latency", "sum_latency"))
    quiet = {
        "queue_re_o": 1,
        "act_re_o": 1,
        "score_re_o": 1,
        "max_re_o": 1,
        "token_o": 1 << (record.bits - 1),
    }
    plan = Timeline(dut, {"issue_i": 0}, quiet)
    cycle = 0
    for vector in range(VECTORS):
        while random.random() < 0.2:
            cycle += 1
        what = f"vector {vector}"
        kind = random.choice(["act", "act", "scores"])
        gather, scatter = (kind == "act" and random.random() < 0.4), random.random() < 0.4
        row, queued, score = (
            random.randrange(hw.acc_depth),
            random.randrange(hw.acc_depth),
            random.getrandbits(16),
        )
        expert = random.randrange(hw.max_experts)
        source, target = (queued if gather else row), (queued if scatter else row)
        memory = (hw.act_words if kind == "act" else hw.score_words) * hw.slices
        src_stride = random.randint(0, min(4095, (memory - 1) // max(source, 1)))
        src_base = random.randrange(memory - source * src_stride)
        dst_stride = random.randint(0, min(4095, 65535 // max(target, 1)))
        dst_base = random.randrange(65536 - target * dst_stride)
        keys = random.randint(1, hw.pk)
        flags = {name: random.getrandbits(1) for name in ("first_k", "last_k", "first_n", "swap", "fn")}
        flags |= {
            "scale2": random.getrandbits(2),
            "shift2": random.getrandbits(6),
            "dst": random.getrandbits(3),
        }
        flags |= {"lanes": random.randint(1, hw.pn), "row": row, "from_scores": kind == "scores", "valid": 1}
        # What is looked up is noise in the issue.
        noise = {name: random.getrandbits(4) for name in ("token", "score", "dst_addr")}
        issue = issue_record.pack(
            token=record.pack(**flags, **noise),
            gather=gather,
            scatter=scatter,
            expert=expert,
            src_base=src_base,
            src_stride=src_stride,
            dst_base=dst_base,
            dst_stride=dst_stride,
            keys=keys,
        )
        plan.drive(cycle, issue_i=issue)
        if gather or scatter:
            plan.expect(cycle, what, queue_re_o=1, queue_expert_o=expert, queue_index_o=row)
            plan.drive(cycle + QUEUE_AT, queue_token_i=queued, queue_score_i=score)
        else:
            plan.drive(cycle + QUEUE_AT, queue_score_i=score)  # passes through in any case
        address = src_base + source * src_stride
        if kind == "act":
            x = rng.integers(-128, 128, hw.pk)
            plan.expect(cycle + MEMORY_AT, what, act_re_o=1, act_addr_o=address)
            plan.drive(cycle + SLICE_AT, act_slice_i=lanes(x.tolist(), 8))
        else:
            top = int(rng.integers(-(1 << 14), 1 << 15))
            scores = np.maximum(top - rng.integers(0, rng.choice([3, 300, 40000]), hw.pk), -(1 << 15))
            x = np.where(np.arange(hw.pk) < keys, probabilities(scores, np.int64(top)), 0)
            scores = np.where(np.arange(hw.pk) < keys, scores, rng.integers(-(1 << 15), 1 << 15, hw.pk))
            plan.expect(cycle + MEMORY_AT, what, score_re_o=1, score_addr_o=address)
            plan.drive(cycle + SLICE_AT, score_slice_i=lanes(scores.tolist(), 16))
            plan.expect(cycle + MAX_RE_AT, what, max_re_o=1, max_addr_o=row)
            plan.drive(cycle + MAX_AT, max_i=top & 0xFFFF)
            plan.expect(cycle + operand_at + sum_at, what, prob_sum_o=int(x.sum()))
        named = queued if scatter else noise["token"]  # the streamer's, or the queue's
        token = record.pack(**flags, token=named, score=score, dst_addr=dst_base + target * dst_stride)
        plan.expect(cycle + operand_at, what, token_o=token, x_o=x)
        cycle += 1
    await plan.run()
