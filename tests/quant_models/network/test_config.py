# SPDX-License-Identifier: Apache-2.0
"""Model configurations: derived values, and errors that name value and limit."""

from dataclasses import replace
from typing import Any

import pytest

from quant_models.network.config import M3VIT_MICRO, M3VIT_TINY, ConfigError, TaskConfig, named_config


def test_tiny_is_the_published_shape() -> None:
    assert (M3VIT_TINY.n_tokens, M3VIT_TINY.grid) == (129, (8, 16))
    assert [layer for layer in range(12) if M3VIT_TINY.is_moe(layer)] == [1, 3, 5, 7, 9, 11]


def test_experts_in_any_layers() -> None:
    config = replace(M3VIT_MICRO, moe_layers=(0, 1, 3))
    assert [config.is_moe(layer) for layer in range(4)] == [True, True, False, True]
    assert replace(M3VIT_MICRO, n_layers=6).expert_layers == (1, 3, 5)
    assert replace(M3VIT_MICRO, moe_layers=()).expert_layers == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top_k": 5}, "top_k = 5 exceeds n_experts = 4"),
        ({"top_k": 0}, r"top_k = 0, must be an integer of 1\.\.65535"),
        ({"image_width": 65}, "image_width = 65 is not a multiple of patch_size = 16"),
        ({"head_dim": 16}, r"n_heads \* head_dim = 32, must equal d_model = 64"),
        ({"head_upscale": 3}, "head_upscale = 3 does not divide patch_size = 16"),
        ({"moe_layers": (1, 4)}, r"moe_layers = \(1, 4\), must be ascending layers of 0\.\.3"),
        ({"moe_layers": (3, 1)}, r"moe_layers = \(3, 1\), must be ascending"),
        ({"moe_layers": (1, 1)}, r"moe_layers = \(1, 1\), must be ascending"),
        ({"gate": "hard"}, "unknown gate kind 'hard'"),
        ({"tasks": ()}, r"0 tasks, must be 1\.\.16"),
        ({"tasks": (TaskConfig("a", "depth", 1),) * 2}, "not distinct"),
        ({"pixel_std": (1.0, 0.0, 1.0)}, "must be positive"),
        ({"pixel_mean": (0.0,)}, "needs 3 finite values"),
    ],
)
def test_impossible_configurations(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(M3VIT_MICRO, **changes)


def test_tasks_are_checked() -> None:
    with pytest.raises(ConfigError, match="channels = 0"):
        TaskConfig("depth", "depth", 0)
    with pytest.raises(ConfigError, match="2 class names for 3 channels"):
        TaskConfig("semseg", "segmentation", 3, ("road", "sky"))


def test_unknown_names() -> None:
    with pytest.raises(ConfigError, match=r"unknown model 'm3vit_huge'; known: m3vit_tiny, m3vit_micro"):
        named_config("m3vit_huge")
    with pytest.raises(ConfigError, match=r"unknown task 'normals'; m3vit_micro has semseg, depth"):
        M3VIT_MICRO.task_index("normals")
