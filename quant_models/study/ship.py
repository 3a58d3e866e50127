# SPDX-License-Identifier: Apache-2.0
"""Puts trained weights where the package and the study find them: python -m quant_models.study.ship RUN ...

RUN is a folder of `peritus train`. Its int8 model and the one with 4-bit experts go into the package; float
weights (as float16), which only the study needs, into `quant_models/trained`.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from peritus.api import MODELS
from peritus.ir import QuantModel
from quant_models.network.weights import load_weights, save_weights, weights_provenance
from quant_models.study.shipped import FOLDER, float_file, int4_file
from quant_models.training.run import WEIGHTS_FILE


def ship(run: Path, models: Path = MODELS, folder: Path = FOLDER) -> list[Path]:
    """Copy what a run has made; returns the files written.

    Raises:
        WeightsError, ModelFileError: a file of the run is damaged.
    """
    weights = run / "float" / WEIGHTS_FILE
    net = load_weights(weights)
    name = net.config.name
    for target in (models, folder):
        target.mkdir(parents=True, exist_ok=True)
    written = [float_file(name, folder)]
    save_weights(net, written[0], half=True, provenance=weights_provenance(weights))
    copies = {"qat8": models / f"{name}.safetensors", "qat4": int4_file(name, models)}
    for stage, target in copies.items():
        file = run / stage / f"{name}.safetensors"
        if file.exists():
            QuantModel.load(file)
            shutil.copyfile(file, target)
            written.append(target)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description="Put the weights of training runs into the package.")
    parser.add_argument("runs", nargs="+", metavar="RUN", type=Path, help="folder of peritus train")
    for run in parser.parse_args().runs:
        for file in ship(run):
            print(f"{file}: {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
