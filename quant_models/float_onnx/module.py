# SPDX-License-Identifier: Apache-2.0
"""A PyTorch module of any plain vision transformer, read by way of ONNX."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

import torch
from onnx import ModelProto
from torch import nn

from quant_models.checkpoints.imported import Imported
from quant_models.checkpoints.variant import Hints
from quant_models.float_onnx.graph import OnnxError, as_graph
from quant_models.float_onnx.read import read_graph

OPSET = 18


def read_module(net: nn.Module, shape: tuple[int, int, int], hints: Hints) -> Imported:
    """A plain vision transformer that somebody else wrote, as a network of ours.

    Args:
        net: takes images (1, C, H, W), scaled as `hints.pixels` says, and returns a tensor or a tuple of
        them.
        shape: C, H, W.
        hints: as of `read_float_onnx`.
    Raises:
        OnnxError: PyTorch cannot export the module, or it is no plain vision transformer; names the node.
    """
    name = type(net).__name__
    return read_graph(as_graph(_exported(net, shape, name), None), name, hints)


def _exported(net: nn.Module, shape: tuple[int, int, int], name: str) -> ModelProto:
    training = net.training
    registration = logging.getLogger("torch.onnx")
    level = registration.level
    registration.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                net.eval(), (torch.zeros(1, *shape),), dynamo=True, opset_version=OPSET, verbose=False
            )
    except Exception as error:  # whatever the module and the exporter say
        cause: BaseException = error
        while cause.__cause__ is not None:  # the exporter wraps what the module said several times
            cause = cause.__cause__
        raise OnnxError(f"{name} cannot be exported to ONNX: {str(cause).strip()[:300]}") from error
    finally:
        registration.setLevel(level)
        net.train(training)
    assert program is not None
    return program.model_proto
