# SPDX-License-Identifier: Apache-2.0
"""One line in a user's own tests: does a network still fit, and run bit for bit, fast and faithful enough?

report = check("net.safetensors", hw="zcu104", max_cycles=500_000, images=["photo.jpg"])
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peritus import api
from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.errors import PeritusError
from peritus.image import check_image
from peritus.ir import execute
from peritus.photo import photo_for
from peritus.report import same_as_graph
from peritus.resources import how_to_install
from peritus.runtime import Result

Image = NDArray[np.uint8]
# name "maps" -> f(weights file, images, pixels): float32 [images, rows, columns, channels] by task.
FLOAT_REFERENCE = "peritus.float_reference"


class CheckFailed(PeritusError, AssertionError):
    """A network is not what was asked; names the task, the value and the limit."""


class CheckError(PeritusError):
    """What was asked cannot be answered; says what is missing."""


@dataclass(frozen=True)
class TaskReport:
    """Of one task over all images. cycles: the slowest frame's. snr_db: of all maps against the float
    network's, None where none was given."""

    task: str
    cycles: int
    milliseconds: float
    snr_db: float | None


def check(
    model: str | Path,
    *,
    hw: str | HwConfig,
    images: Sequence[str | Path | Image] = (),
    device: str = "rtl",
    max_cycles: int | None = None,
    min_snr: float | None = None,
    float_weights: str | Path | None = None,
    pixels: str | None = None,
) -> list[TaskReport]:
    """Compile a network and run every task of it, every integer compared with the integer graph's.

    Args:
        model: a quantized model or QONNX file, or the name of a shipped one (peritus.load_model).
        hw: the configuration.
        images: files, or uint8 [height, width, channels] of the network's size; files are cropped and scaled
            to it. None: one of noise.
        device: that runs; rtl is the accelerator, cycle by cycle.
        max_cycles: of a frame. min_snr: in dB, of the maps against those of `float_weights`.
        float_weights: the float network, .safetensors or .onnx; needs the extra `models`.
        pixels: how a float .onnx wants its pixels scaled.
    Raises:
        CheckFailed: an integer differs, a frame takes more cycles, or a map is farther from the float one.
        CheckError: an SNR is asked for without a float network, or the device counts no cycles.
        Any other PeritusError: the model does not load, or not fit.
    """
    if isinstance(images, (str, Path)):
        raise CheckError(f"images is {str(images)!r}, expected a list: [{str(images)!r}]")
    for name, limit in (("max_cycles", max_cycles), ("min_snr", min_snr)):
        if limit is not None and not isinstance(limit, (int, float)):
            raise CheckError(f"{name} is {limit!r}, expected a number")
    if min_snr is not None and math.isnan(min_snr):
        raise CheckError("min_snr is no number: give decibels")
    if min_snr is not None and float_weights is None:
        raise CheckError("min_snr compares with the float network: give its weights (--float FILE)")
    loaded = api.load_model(model)
    bundle = api.compile(loaded, hw=hw)
    pictures = [_picture(image, bundle) for image in images] or [_noise(bundle)]
    exact = None if float_weights is None else _float_maps(Path(float_weights), np.stack(pictures), pixels)
    reports = []
    with api.open_device(device, hw=hw) as opened:
        opened.load(bundle)
        for task in bundle.tasks:
            results = opened.run_batch(pictures, [task.name] * len(pictures), features=True)
            for number, (picture, result) in enumerate(zip(pictures, results, strict=True)):
                expected = execute(loaded.graph, picture, task.name)
                if not same_as_graph(result, expected):
                    raise CheckFailed(
                        f"task {task.name}, image {number}: {device} differs from the integer graph"
                    )
            snr = None if exact is None else _snr(exact, task.name, results)
            reports.append(_judge(task.name, results, bundle.hw, snr, device, max_cycles, min_snr))
    return reports


def _judge(
    task: str,
    results: list[Result],
    hw: HwConfig,
    snr: float | None,
    device: str,
    max_cycles: int | None,
    min_snr: float | None,
) -> TaskReport:
    counted = [result.perf.cycles for result in results if result.perf.cycles is not None]
    if not counted and max_cycles is not None:
        raise CheckError(f"the {device} device counts no cycles: leave max_cycles out, or take rtl")
    cycles = max(counted, default=0)
    if max_cycles is not None and cycles > max_cycles:
        raise CheckFailed(f"task {task}: {cycles:,} cycles, at most {max_cycles:,} were asked")
    if min_snr is not None and snr is not None and not snr >= min_snr:
        raise CheckFailed(f"task {task}: maps of {snr:.1f} dB, at least {min_snr:g} dB were asked")
    return TaskReport(task, cycles, cycles / hw.clock_mhz / 1000, snr)


def _snr(exact: dict[str, NDArray[np.float32]], task: str, results: list[Result]) -> float:
    if task not in exact:
        raise CheckError(f"the float network has no task {task!r}, it has {', '.join(exact)}")
    found = np.stack([result.dequantized() for result in results]).astype(np.float64)
    wanted = exact[task].astype(np.float64)
    if found.shape != wanted.shape:
        raise CheckError(f"task {task}: the float network's maps are {wanted.shape}, ours {found.shape}")
    signal, noise = float(np.square(wanted).sum()), float(np.square(wanted - found).sum())
    return 10 * math.log10(max(signal, 1e-300) / max(noise, 1e-300))


def _float_maps(path: Path, images: Image, pixels: str | None) -> dict[str, NDArray[np.float32]]:
    for entry in entry_points(group=FLOAT_REFERENCE):
        maps: dict[str, NDArray[np.float32]] = entry.load()(path, images, pixels)
        return maps
    raise CheckError(f"nothing here runs float networks: {how_to_install('models')}")


def _picture(image: str | Path | Image, bundle: Bundle) -> Image:
    if isinstance(image, np.ndarray):
        return check_image(image, *bundle.frame.shape)
    return photo_for(Path(image), bundle.frame.shape)


def _noise(bundle: Bundle) -> Image:
    return np.random.default_rng(0).integers(0, 256, bundle.frame.shape, dtype=np.uint8)
