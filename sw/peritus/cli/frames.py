# SPDX-License-Identifier: Apache-2.0
"""A bundle and an image for it, by name: for the commands that look at cycles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from peritus import api
from peritus.arch.config import load_config
from peritus.bundle import Bundle
from peritus.demo import SCENE
from peritus.photo import photo_for


def model_bundle(model: str, hw: str) -> Bundle:
    """A .bundle, or a model compiled for a configuration."""
    if Path(model).suffix == ".bundle":
        return Bundle.load(model)
    return api.compile(api.load_model(model), hw=load_config(hw))


def image_for(bundle: Bundle, photo: Path | None) -> npt.NDArray[np.uint8]:
    """A photo, by default the shipped scene, cropped and scaled to what the bundle wants."""
    return photo_for(photo or SCENE, bundle.frame.shape)
