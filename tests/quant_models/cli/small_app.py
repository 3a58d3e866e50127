# SPDX-License-Identifier: Apache-2.0
"""The commands with a network called m3vit_micro that is trained and exported in seconds, as a process."""

from dataclasses import replace

from peritus.cli import app
from quant_models.network.config import M3VIT_MICRO, NAMED_CONFIGS

NAME = M3VIT_MICRO.name
SMALL = replace(M3VIT_MICRO, n_layers=2, image_height=16, image_width=32, d_model=32, head_dim=16)

if __name__ == "__main__":
    NAMED_CONFIGS[NAME] = SMALL
    app()
