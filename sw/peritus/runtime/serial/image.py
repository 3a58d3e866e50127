# SPDX-License-Identifier: Apache-2.0
"""What lies in the board's memory when it is switched on: the program and the weights of a bundle.

At the addresses at which the driver will want them, so that it finds them there and sends nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peritus.arch.link import BANK_WORDS, WORD_BYTES
from peritus.bundle import ALIGNMENT, Bundle
from peritus.errors import PeritusError
from peritus.runtime.driver.platform import BUFFER_ALIGNMENT
from peritus.runtime.driver.runner import FRAME_BUFFERS, IN_FLIGHT


class ImageError(PeritusError):
    """A bundle does not fit the board's memory; names the sizes."""


def memory_needed(bundle: Bundle) -> int:
    """Bytes of memory that the driver allocates to run a bundle."""
    sizes = [
        len(bundle.program),
        bundle.weights.size,
        FRAME_BUFFERS * _slot(bundle.frame.bytes),
        IN_FLIGHT * _slot(bundle.output_bytes),
        IN_FLIGHT * _slot(bundle.features.output_bytes),
    ]
    return sum(-(-size // BUFFER_ALIGNMENT) * BUFFER_ALIGNMENT for size in sizes)


def _slot(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def memory_image(bundle: Bundle, memory_bytes: int) -> NDArray[np.uint8]:
    """The memory's content at power-up, uint8 [memory_bytes]; ImageError if the bundle does not fit."""
    if (needed := memory_needed(bundle)) > memory_bytes:
        raise ImageError(f"{bundle.model} needs {needed} bytes of memory, the board has {memory_bytes}")
    image = np.zeros(memory_bytes, np.uint8)
    weights = -(-len(bundle.program) // BUFFER_ALIGNMENT) * BUFFER_ALIGNMENT
    image[: len(bundle.program)] = np.frombuffer(bundle.program, np.uint8)
    image[weights : weights + bundle.weights.size] = bundle.weights
    return image


def write_banks(image: NDArray[np.uint8], folder: Path) -> None:
    """The image as peritus_memory_bank.sv reads it in simulation: bank<n>.hex, a 64-bit word per line."""
    words = image.view("<u8").reshape(-1, BANK_WORDS)
    for index, bank in enumerate(words):
        (folder / f"bank{index}.hex").write_text(
            "".join(f"{int(word):0{2 * WORD_BYTES}x}\n" for word in bank)
        )
