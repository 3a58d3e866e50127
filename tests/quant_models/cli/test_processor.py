# SPDX-License-Identifier: Apache-2.0
"""The float network as ONNX, experts gathered: the map is PyTorch's, for any routing."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.models


def test_the_export_routes_by_its_input(tmp_path: Path, repository: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    import torch

    from quant_models.cli.processor import export
    from quant_models.network.weights import load_weights

    net = load_weights(repository / "quant_models/trained/m3vit_micro.float16.safetensors").eval()
    config = net.config
    shape = 1, config.in_channels, config.image_height, config.image_width
    first, second = torch.rand(shape), torch.rand(shape) * 0.2
    task = config.task_names[0]
    with torch.no_grad():
        before = net(second, task)
        export(net, first, task, tmp_path / "net.onnx")
        assert torch.equal(net(second, task), before)  # as it was
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"image": second.numpy()})
    assert float(abs(torch.from_numpy(found) - before).max()) < 1e-3
