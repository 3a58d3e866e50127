# SPDX-License-Identifier: Apache-2.0
"""Float networks for other programs: their maps are PyTorch's, for any routing; rows of `peritus bench`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'models'")

from quant_models.cli import processor  # noqa: E402
from quant_models.float_onnx.graph import OnnxError  # noqa: E402
from quant_models.float_onnx.pretrained import read_pretrained  # noqa: E402
from quant_models.network.model import M3ViT  # noqa: E402
from quant_models.network.noise import snr_db  # noqa: E402
from quant_models.network.weights import load_weights  # noqa: E402
from quant_models.processor.export import export  # noqa: E402
from quant_models.processor.int8 import int8_by_pytorch  # noqa: E402
from quant_models.processor.work import BATCH, works  # noqa: E402

pytestmark = pytest.mark.models


@pytest.fixture
def net(repository: Path) -> Iterator[M3ViT]:
    with torch.no_grad():
        yield load_weights(repository / "quant_models/trained/m3vit_micro.float16.safetensors").eval()


def test_the_export_routes_by_its_input(net: M3ViT, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    for work in works(net):
        other = torch.rand(work.images.shape) * 0.2
        before = work.module(other)
        export(work.module, work.images, tmp_path / "net.onnx")
        expected = before if isinstance(before, tuple) else (before,)
        after = work.module(other)  # as it was
        assert all(map(torch.equal, after if isinstance(after, tuple) else (after,), expected))
        session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
        found = session.run(None, {"image": other.numpy()})
        for mine, theirs in zip(expected, found, strict=True):
            assert float(abs(torch.from_numpy(theirs) - mine).max()) < 1e-3


def test_works_are_a_task_all_tasks_and_a_batch(net: M3ViT) -> None:
    found = list(works(net))
    assert [work.name for work in found] == ["semseg", "semseg + depth", f"{BATCH} × semseg"]
    one, both, batch = (work.module(work.images) for work in found)
    assert torch.allclose(one, both[0], atol=1e-5) and batch.shape == (BATCH, *one.shape[1:])


def test_every_matrix_is_int8(net: M3ViT) -> None:
    work = next(iter(works(net)))
    smaller = int8_by_pytorch(work.module)
    kinds = {type(part).__name__ for part in smaller.modules()}
    assert "ExpertLinear" not in kinds and "NonDynamicallyQuantizableLinear" not in kinds
    assert not any(type(part) is torch.nn.Linear for part in smaller.modules())
    noise = snr_db(work.module(work.images), smaller(work.images))
    assert 10 < noise < 60  # int8, and the same network


def test_rows_and_what_is_not_there(net: M3ViT, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = {"micro": lambda: net, "another": lambda: read_pretrained(tmp_path).net}
    monkeypatch.setattr(processor, "NETWORKS", networks)
    monkeypatch.setattr(processor, "CALLS", 1)
    *found, skipped = processor.rows()
    assert len(found) == 3 * 2 * 2 * 2 and all(row["ms"] > 0 for row in found)
    assert len({(row["work"], row["by"], row["arithmetic"], row["threads"]) for row in found}) == len(found)
    assert skipped["model_name"] == "another" and "make build/real/.installed" in skipped["skipped"]


def test_maps_that_differ_are_not_timed(net: M3ViT, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "NETWORKS", {"micro": lambda: net})
    monkeypatch.setattr(processor, "CALLS", 1)
    monkeypatch.setattr(processor, "TOLERANCE", -1.0)
    *_, last = processor.rows()
    assert "differs from PyTorch's" in last["skipped"]


def test_a_package_that_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(OnnxError, match=r"make build/real/\.installed"):
        read_pretrained(tmp_path)
