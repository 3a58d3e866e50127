# SPDX-License-Identifier: Apache-2.0
"""What the tensors of an M³ViT do not tell: how it was built and trained (VITA-Group/M3ViT, NeurIPS 2022).

Its code takes the number of heads, experts per token and the image from a YAML file, and more from the
command line. Tensors are the same with each of them, and the network is another one: whatever they leave
open is asked for, never assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from torch import Tensor

from peritus.schema import cause, read_text
from quant_models.checkpoints.errors import ArchitectureError, CheckpointError
from quant_models.network.config import TaskConfig

MAX_YAML = 1 << 16  # bytes of a configuration file
Pixels = Literal["k256", "k255", "half", "imagenet"]
PIXELS: Mapping[str, str] = {
    "k256": "k/256",
    "k255": "k/255, as torchvision's ToTensor",
    "half": "(k/255 - 0.5) / 0.5, as timm's and Hugging Face's ViT",
    "imagenet": "(k/255 - mean) / deviation of ImageNet, as the public code for NYUDv2 and PASCAL-Context",
}
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Of the public training script. They change what the network computes and leave no tensor behind.
OPTIONS: Mapping[str, str] = {
    "gate_input_ahead": "routers read the tokens before the block's norm",
    "regu_experts_fromtask": "each task may choose among a part of the experts only",
    "expert_prune": "experts with a low score are dropped",
}
PLAIN = "plain"  # none of them
# How the public configurations normalize pixels, by `train_db_name`.
_PIXELS_OF: Mapping[str, Pixels] = {"NYUD": "imagenet", "PASCALContext": "imagenet"}


@dataclass(frozen=True)
class Hints:
    """What the file does not tell. None and () mean: not said.

    layers: import only the first ones; also how many there are, where that is not 12. image: height, width.
    heads: of attention. top_k: experts per token. tasks: in the order of the routers, or by the names of the
    checkpoint's decoders. pixels: what the network was trained on, of PIXELS. options: those of OPTIONS that
    it was trained with, or (PLAIN,) for none.
    """

    layers: int | None = None
    image: tuple[int, int] | None = None
    heads: int | None = None
    top_k: int | None = None
    tasks: tuple[TaskConfig, ...] = ()
    pixels: Pixels | None = None
    options: tuple[str, ...] | None = None

    def said(self) -> list[str]:
        """Those that a named configuration says already."""
        values = {"--image": self.image, "--heads": self.heads, "--top-k": self.top_k, "--tasks": self.tasks}
        return [name for name, value in values.items() if value]


def normalization(pixels: Pixels, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of pixels k/256, per channel, that give what the network was trained on."""
    if pixels == "k256":
        return (0.0,) * channels, (1.0,) * channels
    scale = 255 / 256
    if pixels == "k255":
        return (0.0,) * channels, (scale,) * channels
    if pixels == "half":
        return (0.5 * scale,) * channels, (0.5 * scale,) * channels
    if channels != len(IMAGENET_MEAN):
        raise ArchitectureError(f"--pixels imagenet has 3 channels, the checkpoint {channels}")
    return tuple(v * scale for v in IMAGENET_MEAN), tuple(v * scale for v in IMAGENET_DEVIATION)


def check_options(tensors: Mapping[str, Tensor], hints: Hints, *, needed: bool) -> None:
    """Refuse routers that the network here does not have.

    Args:
        needed: the options must be said; False for files whose variant is known.
    Raises:
        ArchitectureError: the gate's scores are renormalized, an option changes the routers, or none was
        said.
    """
    noisy = next((key for key in tensors if key.endswith(".w_noise")), None)
    if noisy is not None:
        raise ArchitectureError(
            f"{noisy}: the gates are of type 'noisy', whose scores are renormalized over the chosen experts; "
            "here they are the softmax over all experts, as with type 'noisy_vmoe'"
        )
    if not any(".mlp.gate." in key for key in tensors):
        return
    known = ", ".join(OPTIONS)
    if hints.options is None:
        if needed:
            raise ArchitectureError(
                f"no tensor says whether the network was trained with {known}, which change its "
                "routers: give "
                f"--options {PLAIN} if with none of them, else their names"
            )
        return
    for name in hints.options:
        if name not in (*OPTIONS, PLAIN):
            raise ArchitectureError(f"unknown option {name!r}: expected {PLAIN}, or of {known}")
        if name != PLAIN:
            raise ArchitectureError(
                f"the network was trained with {name}, which is not supported: {OPTIONS[name]}"
            )


def read_yaml(path: Path, hints: Hints) -> Hints:
    """The hints of a configuration file of the public code; what `hints` says already wins, as there.

    Raises:
        CheckpointError: no such file, no YAML, or no `backbone_kwargs` in it.
    """
    import yaml  # type: ignore[import-untyped]

    try:
        content = yaml.safe_load(read_text(path, MAX_YAML))
    except RecursionError as error:
        raise CheckpointError(f"configuration {path} cannot be read: lists in lists without end") from error
    except (ValueError, yaml.YAMLError) as error:  # ValueError: no text; a 30th of February
        raise CheckpointError(f"configuration {path} cannot be read: {cause(error)}") from error
    backbone = content.get("backbone_kwargs") if isinstance(content, dict) else None
    if not isinstance(backbone, dict):
        raise CheckpointError(f"configuration {path} has no backbone_kwargs")
    size = backbone.get("img_size")
    image = tuple(size) if isinstance(size, list) and len(size) == 2 else None
    return replace(
        hints,
        image=hints.image
        or (image and (_count(path, "img_size", image[0]), _count(path, "img_size", image[1]))),
        heads=hints.heads or _count(path, "num_heads", backbone.get("num_heads")),
        top_k=hints.top_k or _count(path, "moe_top_k", backbone.get("moe_top_k")),
        pixels=hints.pixels or _PIXELS_OF.get(str(content.get("train_db_name"))),
    )


def _count(path: Path, key: str, value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise CheckpointError(f"configuration {path}: {key} = {value!r}, must be an integer of at least 1")
    return value


def parse_pixels(text: str) -> Pixels:
    """The value of --pixels.

    Raises:
        ArchitectureError: not of PIXELS.
    """
    for known in get_args(Pixels):
        if text == known:
            found: Pixels = known
            return found
    raise ArchitectureError(f"--pixels {text!r}, expected one of {', '.join(PIXELS)}")
