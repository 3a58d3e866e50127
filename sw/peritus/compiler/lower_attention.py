# SPDX-License-Identifier: Apache-2.0
"""Attention: per head and block of queries, scores (keys stationary), then P . V (values stationary).

The query block is what the score memory and the accumulators hold: a long sequence takes more blocks, not
more memory. Heads lie as their readers can address them (`Layout`): queries by slices, keys by words, values
packed. A product with values has whole words: lanes of other heads in them get the factor 0.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from peritus.arch.isa import Dest, Instruction, Opcode, Scale2, StatSource, StreamSource
from peritus.arch.memories import Memory
from peritus.compiler import segments
from peritus.compiler.context import Context, Place
from peritus.compiler.errors import CompileError
from peritus.compiler.layout import Layout
from peritus.compiler.step import Region
from peritus.ir.ops import Attention, Requant


def lower_attention(context: Context, node: Attention) -> None:
    """Append the steps of one attention; CapacityError if not even one query's scores fit."""
    hw = context.hw
    tokens, channels = context.types[node.name].shape  # of a copy: they do not attend to one another
    heads, width = node.heads, channels // node.heads
    layouts = (
        Layout.queries(heads, width, hw.pk, hw.pn),
        Layout.keys(heads, width, hw.pn),
        Layout.values(heads, width, hw.pn),
    )
    queries, keys, values = (
        _operand(context, node, index, layout, memory)
        for index, (layout, memory) in enumerate(
            zip(layouts, (Memory.ACT, Memory.KV, Memory.KV), strict=True)
        )
    )
    words = -(-width // hw.pn)  # of a head's keys, values and result
    query_slices = -(-width // hw.pk)
    lanes = [layouts[2].head(head, heads) for head in range(heads)]
    first_words = [int(found[0]) // hw.pn for found in lanes]
    # The result of a head has words of its own, and in them the lanes of its values.
    within = [Layout(found - first * hw.pn, words) for found, first in zip(lanes, first_words, strict=True)]
    apart = [head * words * hw.pn + layout.positions for head, layout in enumerate(within)]
    layout = Layout(np.concatenate(apart), heads * words)
    result = context.places[node.name] = Place.new(node.name, Memory.ACT, tokens * context.copies, layout)
    score_words = -(-tokens // hw.pn)
    what = f"score_words with one query of node {node.name!r}"
    context.limit(what, score_words, hw.score_words, "words", "score_words")
    block = min(hw.score_words // score_words, hw.acc_depth, tokens)
    scores = Region.whole(f"{node.name} scores", Memory.SCORE, block, score_words)
    score_step = Instruction(
        Opcode.GEMM,
        k_tiles=query_slices,
        n_tiles=score_words,
        stat_src=StatSource.KEYS,
        keys=tokens,
        dst=Dest.SCORES,
    )
    value_step = Instruction(
        Opcode.GEMM,
        k_tiles=-(-tokens // hw.pk),
        n_tiles=words,
        stream_src=StreamSource.SCORES,
        stat_src=StatSource.VALUES,
        keys=tokens,
        params=1,
        scale2=Scale2.RECIP,
        shift2=node.shift2,
        dst=Dest.ACT,
    )
    for copy, head in product(range(context.copies), range(heads)):
        copied = f" of copy {copy}" if context.copies > 1 else ""
        row = copy * tokens
        channel = slice(head * width, (head + 1) * width)
        stage1 = Requant(node.value.multiplier[channel], node.value.shift[channel])
        segment = segments.value_segment(stage1, within[head], hw.pn)
        slice_word, first_slice = divmod(head * query_slices, hw.slices)
        query_words = -(-(first_slice + query_slices) // hw.slices)
        multiplier, shift = int(node.score.multiplier[head]), int(node.score.shift[head])
        for first, count, suffix in context.blocks(tokens, block):
            context.step(
                f"{node.name} head {head}{copied} scores{suffix}",
                replace(score_step, tokens=count, imm_mult=multiplier, imm_shift=shift),
                source=queries.rows_from(row + first).columns(slice_word, query_words),
                keys=keys.rows_from(row).columns(head * words, words),
                destination=scores,
                source_slice=first_slice,
            )
            context.step(
                f"{node.name} head {head}{copied} values{suffix}",
                replace(value_step, tokens=count),
                source=scores,
                keys=values.rows_from(row).columns(first_words[head], words),
                destination=result.region.rows_from(row + first).columns(head * words, words),
                segment=segment,
            )


def _operand(context: Context, node: Attention, index: int, layout: Layout, memory: Memory) -> Region:
    """Rows of q, k or v; each must come from a Linear, which has put it where and how attention wants it."""
    place = context.places[node.inputs[index]]
    same = place.layout.words == layout.words and (place.layout.positions == layout.positions).all()
    if place.region.buffer.memory is not memory or not same:
        raise CompileError(
            f"node {node.name!r}: input {node.inputs[index]!r} must come from a Linear of its own"
        )
    return place.region
