# SPDX-License-Identifier: Apache-2.0
"""What is random in a model's weights is said wherever the model goes."""

import pytest

from peritus.provenance import ALL, Provenance


@pytest.mark.parametrize(
    "record",
    [
        Provenance("peritus train m3vit_tiny --seed 0"),
        Provenance("imported from net.pth", untrained=("head of semseg", "head of depth")),
        Provenance("imported from weights", filled=("experts of layers 1, 3",), untrained=("head of depth",)),
        Provenance("net", steps=("quantized on 16 images of photos", "QAT: 100 steps")),
        Provenance("untrained, seed 0", untrained=(ALL,), steps=("quantized on 4 images",)),
        Provenance("net", steps=("quantized on 4 images",)).measured((41.25, 38, -0.04)),
    ],
)
def test_text_and_record_are_the_same(record: Provenance) -> None:
    assert Provenance.parse(str(record)) == record
    assert "\n" not in str(record)


def test_warnings_survive_what_is_done_later() -> None:
    imported = Provenance("imported from net.pth", untrained=("head of semseg",)).then(
        "quantized on 16 images"
    )
    assert "head of semseg untrained: the maps mean nothing" in str(imported.warning).replace("are ", "")
    assert Provenance.parse(str(imported)).warning == imported.warning
    assert Provenance("peritus train m3vit_tiny").then("quantized").warning is None
    assert "mean nothing" in str(Provenance.parse("untrained, seed 3").warning)


def test_older_files_are_understood() -> None:
    text = "imported from weights, missing experts made from dense layers, heads untrained, seed 0"
    old = Provenance.parse(text)
    assert (old.untrained, old.filled) == (("heads",), ("experts",))


def test_other_weights_have_another_snr() -> None:
    measured = Provenance("net").measured((30.06, 28.0))
    assert measured.snr_db == (30.1, 28.0)
    assert measured.then("QAT: 100 steps").snr_db == ()


@pytest.mark.parametrize("values", ["", "high", "30.1 nan", "inf", "1e9", "30.1, 28.0"])
def test_an_snr_that_is_none_is_text(values: str) -> None:
    record = Provenance.parse(f"net; SNR after each block, dB: {values}")
    assert record.snr_db == () and record.steps == (f"SNR after each block, dB: {values}",)
