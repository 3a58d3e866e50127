# SPDX-License-Identifier: Apache-2.0
"""Writes the quantized models that the package ships: python -m quant_models.ship [--output DIR] [NAME ...]

They are untrained: deterministic random weights, calibrated on procedural images.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from quant_models.config import NAMED_CONFIGS, named_config
from quant_models.init import new_model, procedural_images
from quant_models.quantize import quantize

SEED = 0
CALIBRATION_IMAGES = 4
PROVENANCE = f"untrained, seed {SEED}, calibrated on {CALIBRATION_IMAGES} procedural images"
DEFAULT_OUTPUT = Path(__file__).resolve().parent.parent / "sw" / "peritus" / "models"


def write(name: str, folder: Path) -> Path:
    """Quantize one named model and write `<folder>/<name>.safetensors`."""
    config = named_config(name)
    # One more seed than the routers saw, so that calibration and initialization do not share images.
    images = procedural_images(config, CALIBRATION_IMAGES, seed=SEED + 1)
    file = folder / f"{name}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    quantize(new_model(config, SEED), images, PROVENANCE).save(file)
    file.chmod(0o644)
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the shipped quantized models.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: {', '.join(NAMED_CONFIGS)}")
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="folder (default: the package's)")
    arguments = parser.parse_args()
    for name in arguments.names or NAMED_CONFIGS:
        file = write(name, arguments.output)
        print(f"{file}: {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
