# SPDX-License-Identifier: Apache-2.0
"""What each kind of tensor costs: the stream's SNR with it alone kept float, and with it alone rounded.

The second column adds up: noise of small errors is independent, so its parts make the whole. The first says
what finer arithmetic would gain, but where a decision hangs on it (an expert, a token that grows loud), other
tokens decide otherwise, which may cost more than the finer tensor gains.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quant_models.network.model import M3ViT
from quant_models.network.noise import snr_db
from quant_models.quantization.fake_quant import QuantM3ViT
from quant_models.quantization.observe import BATCH


@dataclass(frozen=True)
class Cost:
    """Of one kind of tensor, in all blocks: SNR in dB of the last residual stream against float.

    float_db: all else is rounded. rounded_db: nothing else is.
    """

    tensor: str
    float_db: float
    rounded_db: float


def quantizers(model: QuantM3ViT) -> dict[str, list[nn.Module]]:
    """The quantizers of the backbone by kind of tensor (`norm1`, `attn.qkv.weight` ...), blocks together; and
    those of all weights and of all activations."""
    found: dict[str, list[nn.Module]] = {}
    for path, module in model.backbone.named_modules():
        kind = re.sub(r"^blocks\.\d+\.", "", path)
        activation, weight = getattr(module, "act_quant", None), getattr(module, "weight_quant", None)
        if kind.endswith("_quant") and isinstance(activation, nn.Module):
            found.setdefault(kind.removesuffix("_quant"), []).append(activation)
        elif isinstance(weight, nn.Module):
            found.setdefault(f"{kind}.weight", []).append(weight)
    weights = [kind for kind in found if kind.endswith(".weight")]
    groups = {"all weights": weights, "all activations": [kind for kind in found if kind not in weights]}
    return found | {
        group: [proxy for kind in kinds for proxy in found[kind]] for group, kinds in groups.items()
    }


@contextmanager
def kept_float(proxies: list[nn.Module]) -> Iterator[None]:
    """While the body runs, these quantizers pass on what they get."""
    before = [proxy.disable_quant for proxy in proxies]
    try:
        for proxy in proxies:
            proxy.disable_quant = True  # type: ignore[assignment]
        yield
    finally:
        for proxy, value in zip(proxies, before, strict=True):
            proxy.disable_quant = value


@torch.no_grad()
def costs(
    net: M3ViT, model: QuantM3ViT, images: Tensor, progress: Callable[[int], None] = lambda _: None
) -> tuple[float, list[Cost]]:
    """The SNR with everything rounded, and every tensor's cost, the dearest first.

    Args:
        model: the fake-quantized `net`. Weights that GPTQ has rounded stay so: `rounded_db` is 200.
        images: (B, C, H, W), pixels k/256. All tasks are run.
        progress: called with the number of finished kinds of `len(quantizers(model))`.
    """
    names = net.config.task_names
    batches = [(task, batch) for task in range(len(names)) for batch in torch.split(images, BATCH)]
    expected = torch.cat([net.features(batch, names[task]) for task, batch in batches])

    def quality() -> float:
        return snr_db(expected, torch.cat([model.backbone(x, torch.tensor(task)) for task, x in batches]))

    kinds = quantizers(model)
    every = [*kinds["all weights"], *kinds["all activations"]]
    found = []
    for done, (kind, mine) in enumerate(kinds.items()):
        with kept_float(mine):
            without = quality()
        with kept_float([proxy for proxy in every if proxy not in mine]):
            found.append(Cost(kind, without, quality()))
        progress(done + 1)
    return quality(), sorted(found, key=lambda cost: cost.rounded_db)
