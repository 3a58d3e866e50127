# SPDX-License-Identifier: Apache-2.0
"""M³ViT on the processor, for `peritus bench`: PyTorch and ONNX Runtime, experts gathered."""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from peritus.demo import SCENE
from peritus.photo import photo_for
from quant_models.network.model import M3ViT
from quant_models.network.moe import Decision, MoeMlp
from quant_models.network.weights import load_weights
from quant_models.quantization.quantize import to_float

WEIGHTS = Path(__file__).resolve().parents[1] / "trained" / "m3vit_tiny.float16.safetensors"
MODEL = "m3vit_tiny"
THREADS = (1, 2)
WARM, FRAMES = 2, 10


def rows() -> Iterator[dict[str, Any]]:
    """Milliseconds of one task, the fastest of FRAMES (others may be at work here).

    Nothing where the float weights are not: in a wheel.
    """
    if not WEIGHTS.is_file():
        return
    net = load_weights(WEIGHTS).eval()
    config = net.config
    image = photo_for(SCENE, (config.image_height, config.image_width, config.in_channels))
    batch = to_float(image[None], config)
    task = config.task_names[0]
    before = torch.get_num_threads()
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        for threads in THREADS:
            torch.set_num_threads(threads)
            yield _row(task, "PyTorch, eager", "float32", threads, _fastest(lambda: net(batch, task)))
        torch.set_num_threads(before)
        exported, smaller = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        expected = net(batch, task).numpy()
        export(net, batch, task, exported)
        _quantize(exported, smaller)
        for arithmetic, path in (("float32", exported), ("int8, dynamic", smaller)):
            for threads in THREADS:
                run = _session(path, threads, batch.numpy())
                if arithmetic == "float32" and not np.allclose(run(), expected, atol=1e-2, rtol=1e-2):
                    raise AssertionError("ONNX Runtime's float map is not PyTorch's")
                yield _row(task, "ONNX Runtime", arithmetic, threads, _fastest(run))


def _row(task: str, by: str, arithmetic: str, threads: int, ms: float) -> dict[str, Any]:
    return {
        "model_name": MODEL, "work": task, "by": by, "arithmetic": arithmetic, "threads": threads, "ms": ms,
    }  # fmt: skip


def _fastest(run: Callable[[], object]) -> float:
    for _ in range(WARM):
        run()
    times = []
    for _ in range(FRAMES):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times)


def _mix(moe: MoeMlp, tokens: Tensor, indices: Tensor, scores: Tensor) -> Tensor:
    """MoeMlp.mix without lists of Python, whose lengths a trace would keep as constants."""
    out = torch.zeros_like(tokens)
    for expert in range(moe.n_experts):
        rows, places = (indices == expert).nonzero(as_tuple=True)
        mixed = moe.experts(tokens[rows], expert) * scores[rows, places][:, None]
        out = out.index_add(0, rows, mixed)
    return out


def _decide(moe: MoeMlp, x: Tensor, task: int, task_embedding: Tensor | None) -> Decision:
    """MoeMlp.decide without the stable sort, which ONNX does not have; ties are rare in float."""
    logits = moe.logits(x, task, task_embedding)
    indices = logits.topk(moe.top_k, dim=-1).indices
    return Decision(task, logits, logits, indices, logits.softmax(dim=-1).gather(-1, indices))


class _OneTask(nn.Module):
    def __init__(self, net: M3ViT, task: str) -> None:
        super().__init__()
        self.net, self.task = net, task

    def forward(self, image: Tensor) -> Tensor:
        out: Tensor = self.net(image, self.task)
        return out


def export(net: M3ViT, batch: Tensor, task: str, path: Path) -> None:
    """One task of a float network as ONNX, experts gathered; the network is as before behind it."""
    layers = [module for module in net.modules() if isinstance(module, MoeMlp)]
    for layer in layers:
        layer.mix = partial(_mix, layer)  # type: ignore[method-assign]
        layer.decide = partial(_decide, layer)  # type: ignore[method-assign]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of indices that repeat or are negative: these do neither
            torch.onnx.export(
                _OneTask(net, task).eval(),
                (batch,),
                str(path),
                input_names=["image"],
                opset_version=17,
                dynamo=False,
            )
    finally:
        for layer in layers:
            del layer.mix, layer.decide


def _quantize(source: Path, target: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    logger, level = logging.getLogger(), logging.getLogger().level
    logger.setLevel(logging.ERROR)  # of tensors whose shape it cannot infer, and does not need
    try:
        quantize_dynamic(source, target, per_channel=True)
    finally:
        logger.setLevel(level)


def _session(path: Path, threads: int, image: np.ndarray) -> Callable[[], Any]:  # type: ignore[type-arg]
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"image": image})[0]
