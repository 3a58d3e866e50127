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
from peritus.image import check_image, fit_image, with_channels
from peritus.photo import read_photo


def model_bundle(model: str, hw: str) -> Bundle:
    """A .bundle, or a model compiled for a configuration."""
    if Path(model).suffix == ".bundle":
        return Bundle.load(model)
    return api.compile(api.load_model(model), hw=load_config(hw))


def image_for(bundle: Bundle, photo: Path | None) -> npt.NDArray[np.uint8]:
    """A photo, by default the shipped scene, cropped and scaled to what the bundle wants."""
    image = fit_image(read_photo(photo or SCENE), bundle.image_height, bundle.image_width)
    return check_image(with_channels(image, bundle.frame.channels), *bundle.frame.shape)
