# SPDX-License-Identifier: Apache-2.0
"""What follows the last block and is not ours, a decoder or a mean over tokens: it stays on the host.

A small float ONNX graph with one input, `features` (1, tokens, d) float32, the dequantized residual stream
after the last block, and one output per task that has no head, by the task's name: float32 [rows, columns,
channels]. ONNX Runtime executes it, wherever the frame came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from peritus.errors import PeritusError
from peritus.onnx_session import OnnxSession, probe

FEATURES = "features"  # the input
SECONDS = 60.0  # of one task of one frame


class TailError(PeritusError):
    """The host's part cannot be executed, or gives something else than its tasks say; names both."""


@dataclass(frozen=True)
class HostTail:
    """model: the bytes of the ONNX graph, constants inside."""

    model: bytes

    def open(self) -> TailSession:
        """Ready to execute; opened once, however often it is asked for.

        Raises:
            TailError: ONNX Runtime is not installed, or refuses the graph.
        """
        return _opened(self.model)


class TailSession:
    """One ONNX Runtime session; `run` may be called from any thread."""

    def __init__(self, model: bytes) -> None:
        try:
            probe(model)
            self._session = OnnxSession(model)
        except ImportError as error:
            raise TailError(
                "this network ends in a part that the host computes, which needs ONNX Runtime: pip install "
                "onnxruntime"
            ) from error
        except Exception as error:  # onnxruntime's own classes, one per cause
            raise TailError(f"ONNX Runtime refuses the host's part: {error}") from error
        if self._session.inputs != [FEATURES]:
            raise TailError(f"the host's part reads {self._session.inputs}, must read {FEATURES!r} alone")
        self.tasks: tuple[str, ...] = tuple(self._session.outputs)

    def run(
        self, features: npt.NDArray[np.float32], task: str, shape: Sequence[int]
    ) -> npt.NDArray[np.float32]:
        """The map of a task, float32 `shape` [rows, columns, channels], of features [tokens, d].

        Raises:
            TailError: there is no such map, or it has another shape.
        """
        if task not in self.tasks:
            raise TailError(f"the host's part computes {', '.join(self.tasks)}, not {task!r}")
        try:
            (found,) = self._session.run([task], {FEATURES: features[None].astype(np.float32)}, SECONDS)
        except Exception as error:  # as above
            raise TailError(f"the host's part fails: {error}") from error
        values: npt.NDArray[np.float32] = np.asarray(found, np.float32)
        if values.shape != tuple(shape):
            raise TailError(f"the host computes {task!r} of shape {values.shape}, must be {tuple(shape)}")
        return values


@lru_cache(maxsize=2)
def _opened(model: bytes) -> TailSession:
    return TailSession(model)
