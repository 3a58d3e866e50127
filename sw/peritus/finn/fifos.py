# SPDX-License-Identifier: Apache-2.0
"""FINN's FIFOs between nodes: as deep as their attributes ask, and a whole frame where paths part.

A path then never waits for another within a frame, whatever the folding. FINN's own InsertFIFO takes the
shape of a node's first output for all of them; ours differ.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from finn.util.basic import getHWCustomOp
from onnx import TensorProto, helper

from peritus.finn.frontend.dataflow import DOMAIN

SHALLOW = 2  # beats that FINN's streams have without a FIFO


def insert_fifos(model: Any) -> Any:
    """A StreamingFIFO on every edge that needs more than two beats.

    A depth of more than two in the producer's `outFIFODepths` or the reader's `inFIFODepths` is taken as it
    is; without one, an output of a node with several has room for a frame.
    """
    for node in list(model.graph.node):
        custom = getHWCustomOp(node)
        for index, tensor in enumerate(node.output):
            reader = model.find_consumer(tensor)
            if reader is None or "StreamingFIFO" in (
                node.op_type.split("_")[0],
                reader.op_type.split("_")[0],
            ):
                continue
            place = list(reader.input).index(tensor)
            depth = max(
                _depth(custom, "outFIFODepths", index), _depth(getHWCustomOp(reader), "inFIFODepths", place)
            )
            if depth <= SHALLOW and len(node.output) > 1:
                depth = math.prod(custom.get_folded_output_shape(index)[:-1])
            if depth <= SHALLOW:
                continue
            shape, kind = custom.get_normal_output_shape(index), custom.get_output_datatype(index)
            buffered = f"{tensor}.buffered"
            fifo = helper.make_node(
                "StreamingFIFO",
                [tensor],
                [buffered],
                name=f"{tensor}.fifo",
                domain=DOMAIN,
                backend="fpgadataflow",
                depth=depth,
                folded_shape=list(custom.get_folded_output_shape(index)),
                normal_shape=list(shape),
                dataType=kind.name,
            )
            info = helper.make_tensor_value_info(buffered, TensorProto.FLOAT, [int(n) for n in shape])
            model.graph.value_info.append(info)
            model.set_tensor_datatype(buffered, kind)
            reader.input[place] = buffered
            position = list(model.graph.node).index(node)
            model.graph.node.insert(position + 1, fifo)
    return model


def _depth(custom: Any, name: str, index: int) -> int:
    depths = np.asarray(custom.get_nodeattr(name)).reshape(-1)
    return int(depths[min(index, len(depths) - 1)]) if len(depths) else SHALLOW
