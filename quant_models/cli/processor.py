# SPDX-License-Identifier: Apache-2.0
"""Networks on the processor, for `peritus bench`: PyTorch and ONNX Runtime, float and int8, experts
gathered."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from peritus.errors import PeritusError
from quant_models.float_onnx.pretrained import NAME, read_pretrained
from quant_models.network.model import M3ViT
from quant_models.network.threads import torch_threads
from quant_models.network.weights import load_weights
from quant_models.processor.export import export
from quant_models.processor.int8 import int8_by_onnxruntime, int8_by_pytorch
from quant_models.processor.work import Work, works

WEIGHTS = Path(__file__).resolve().parents[1] / "trained" / "m3vit_tiny.float16.safetensors"
NETWORKS: dict[str, Callable[[], M3ViT]] = {
    "m3vit_tiny": lambda: load_weights(WEIGHTS),
    NAME: lambda: read_pretrained().net,
}
THREADS = (1, 2)
WARM, CALLS, ENOUGH_S = 2, 8, 5.0  # so many calls, or for so long: of who is slow a few will do
FLOAT, INT8 = "float32", "int8, dynamic"
TOLERANCE = 1e-2  # of float maps, by PyTorch and by ONNX Runtime


class ProcessorError(PeritusError):
    """Two programs compute different maps of one network; names them."""


def rows() -> Iterator[dict[str, Any]]:
    """Milliseconds of a frame, of the fastest of CALLS calls or of ENOUGH_S (others may be at work here).

    model_name, work, by, arithmetic, threads, ms; or model_name and skipped: why there are none, or no more:
    its float weights are not here, or two programs compute different maps.
    """
    for name, read in NETWORKS.items():
        try:
            with torch.no_grad():
                for work in works(read().eval()):
                    yield from ({"model_name": name, **row} for row in _timed(work))
        except PeritusError as error:
            yield {"model_name": name, "skipped": str(error)}


def _timed(work: Work) -> Iterator[dict[str, Any]]:
    def row(by: str, arithmetic: str, threads: int, run: Callable[[], object]) -> dict[str, Any]:
        ms = _fastest(run) / work.frames
        return {"work": work.name, "by": by, "arithmetic": arithmetic, "threads": threads, "ms": ms}

    smaller = int8_by_pytorch(work.module)
    for arithmetic, module in ((FLOAT, work.module), (INT8, smaller)):
        for threads in THREADS:
            with torch_threads(threads):
                yield row("PyTorch, eager", arithmetic, threads, partial(module, work.images))
    with tempfile.TemporaryDirectory() as folder:
        files = {FLOAT: Path(folder) / "float.onnx", INT8: Path(folder) / "int8.onnx"}
        export(work.module, work.images, files[FLOAT])
        int8_by_onnxruntime(files[FLOAT], files[INT8])
        _compare(work, files[FLOAT])
        for arithmetic, path in files.items():
            for threads in THREADS:
                yield row("ONNX Runtime", arithmetic, threads, _session(path, threads, work))


def _compare(work: Work, path: Path) -> None:
    """ProcessorError unless the file computes what the module does."""
    maps = work.module(work.images)
    expected = maps if isinstance(maps, tuple) else (maps,)
    for mine, other in zip(expected, _session(path, 1, work)(), strict=True):
        if not np.allclose(other, mine.numpy(), atol=TOLERANCE, rtol=TOLERANCE):
            largest = float(np.abs(other - mine.numpy()).max())
            raise ProcessorError(
                f"ONNX Runtime's map of {work.name} differs from PyTorch's by {largest:g}, more than "
                f"{TOLERANCE:g}: neither is timed"
            )


def _fastest(run: Callable[[], object]) -> float:
    """Milliseconds of a call."""
    times: list[float] = []
    while len(times) < WARM + CALLS and sum(times[WARM:]) < 1e3 * ENOUGH_S:
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times[WARM:])


def _session(path: Path, threads: int, work: Work) -> Callable[[], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    images = work.images.numpy()
    return lambda: session.run(None, {"image": images})
