# SPDX-License-Identifier: Apache-2.0
"""Modules of the formats that are damaged. Imports none of ours: a fuzzer instruments what it imports."""

from __future__ import annotations

# Each has valid(), KINDS, damaged(kind, rng) and judge(damaged); and what GUIDED says.
FORMATS = {
    "bundle": "tests.schema.bundles",
    "model": "tests.schema.models",
    "toml": "tests.schema.tomls",
    "weights": "tests.schema.weight_files",
    "frames": "tests.schema.frames",
    "run": "tests.schema.runs",
}
# Each has seeds(), parse(data), and repaired(data) if the files have a checksum.
GUIDED = FORMATS | {
    "image": "tests.schema.pictures",
    "checkpoint": "tests.quant_models.checkpoints.files",
    "journal": "tests.quant_models.training.files",
    "qonnx": "tests.frontends.files",
}
