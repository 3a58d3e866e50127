# SPDX-License-Identifier: Apache-2.0
"""Picture files for the coverage-guided fuzzer: small ones of every format and mode that is read."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

from peritus.photo import read_photo
from tests.schema.temporary import file_of

SIDE = 16
KINDS = (
    ("PNG", ("RGB", "RGBA", "L", "LA", "P", "1")),
    ("JPEG", ("RGB", "L", "CMYK")),
    ("BMP", ("RGB", "P")),
    ("GIF", ("P",)),
    ("PPM", ("RGB", "L")),
    ("TIFF", ("RGB", "L", "F", "I;16", "RGBA")),
    ("WEBP", ("RGB", "RGBA")),
)


def seeds() -> Iterator[bytes]:
    ramp = Image.fromarray(np.arange(SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE))
    for form, modes in KINDS:
        for mode in modes:
            image = ramp.convert(mode) if mode != "F" else Image.fromarray(np.array(ramp, np.float32) / 255)
            file = io.BytesIO()
            image.save(file, form)
            yield file.getvalue()


def parse(data: bytes) -> None:
    """Read; what is read is an image of ours."""
    with file_of(data) as path:
        image = read_photo(path)
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
