# SPDX-License-Identifier: Apache-2.0
"""Mixture-of-Experts vision transformers on FPGAs.

    model = peritus.load_model("m3vit_tiny")
    bundle = peritus.compile(model, hw="zcu104")
    with peritus.open_device("rtl", hw="zcu104") as device:
        device.load(bundle)
        result = device.run(image, task="semseg", features=True)

Errors that come from input or from a device are `peritus.errors.PeritusError`.
"""

from peritus.api import compile, load_bundle, load_model, model_names, open_device  # noqa: A004 (peritus.compile)
from peritus.arch.config import load_config

__all__ = ["compile", "load_bundle", "load_config", "load_model", "model_names", "open_device"]
