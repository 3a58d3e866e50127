# SPDX-License-Identifier: Apache-2.0
"""What a task's map is, for networks, graphs and bundles alike."""

from typing import Literal

# "segmentation": class logits of each pixel, argmax is the label. "depth": one regressed map.
# "classification": class logits of the whole image, a map of one pixel. "embedding": vectors that are no
# picture.
TaskKind = Literal["segmentation", "depth", "classification", "embedding"]
