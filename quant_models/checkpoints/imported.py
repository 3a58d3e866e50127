# SPDX-License-Identifier: Apache-2.0
"""What reading a published network gives."""

from __future__ import annotations

from dataclasses import dataclass

from quant_models.network.model import M3ViT


@dataclass(frozen=True, eq=False)
class Imported:
    """A network, and where its tensors come from, by name.

    read: from the checkpoint. filled: experts made from a dense layer. missing: not in the checkpoint and
    newly initialized: the heads, unless the checkpoint has ours. unexpected: in the checkpoint and not used:
    its own decoders, and whatever only its training needs. notes: what was changed or assumed.
    """

    net: M3ViT
    read: tuple[str, ...]
    filled: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    notes: tuple[str, ...]
