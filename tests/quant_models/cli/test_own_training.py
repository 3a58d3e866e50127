# SPDX-License-Identifier: Apache-2.0
"""One's own data to one's own model with one command, which may be stopped anywhere and said again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from peritus.ir import QuantModel
from quant_models.network.config import NAMED_CONFIGS
from quant_models.network.model import M3ViT
from quant_models.network.weights import load_weights, save_weights, weights_provenance
from quant_models.training import engine, qat_stage, run
from quant_models.training.journal import METRICS_FILE
from quant_models.training.run import WEIGHTS_FILE
from tests.common.own_data import CLASSES, write_classes_file, write_folders, write_maps
from tests.quant_models.cli.small_app import NAME, SMALL
from tests.quant_models.cli.test_commands import invoke

pytestmark = pytest.mark.models

STEPS, QAT_STEPS = 24, 3
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NAMED_CONFIGS, NAME, SMALL)
        yield


def command(data: Path, output: Path) -> list[str]:
    settings = f"--validation 2 --batch 2 --steps {STEPS} --qat-steps {QAT_STEPS} --save-every 2 --threads 1"
    return ["train", NAME, "--data", f"folder:{data}", "-o", str(output), *settings.split()]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_maps(write_classes_file(tmp_path_factory.mktemp("data") / "mine"), 8)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What comes out of a command that nobody stopped."""
    output = tmp_path_factory.mktemp("whole") / "mine.safetensors"
    said = invoke(*command(data, output))
    assert "semseg_miou: 0." in said and "2 images of mine all, held out" in said
    assert "written: " in said
    return output


def products(output: Path) -> list[bytes]:
    folder = output.with_suffix(".run")
    files = (folder / "float" / WEIGHTS_FILE, folder / "qat8" / f"{NAME}.safetensors", output)
    return [file.read_bytes() for file in files]


class Killed(BaseException):
    pass


def dies(original: Callable[..., Any], at: int = 0) -> Callable[..., Any]:
    """The function, which dies instead of the call number `at`."""
    calls = iter(range(at + 1))

    def call(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == at:
            raise Killed
        return original(*args, **kwargs)

    return call


def test_a_command_stopped_in_every_stage_makes_the_same_files(
    data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed once in each stage, one after the other in one folder, then left alone."""
    from quant_models.cli import train  # not before the commands have been loaded

    output = tmp_path / "mine.safetensors"
    places: list[tuple[Any, str, int]] = [
        (engine, "training_batch", 5),  # between two saves of float training
        (engine, "score", 0),  # in its last validation
        (run, "save_weights", 0),  # done, but its weights not written
        (train.typer, "echo", 0),  # between the stages
        (qat_stage, "fake_quantize", 0),  # while ranges are searched
        (engine, "training_batch", 1),  # in quantization-aware training
        (engine, "save_state", 1),  # at its end, before its last save
        (run, "integer_model", 0),  # while the integer model is made
        (train, "integer_scores", 0),  # in the last evaluation
        (train, "write_whole", 0),  # while the product is written
    ]
    for module, name, at in places:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, dies(getattr(module, name), at))
            with pytest.raises(Killed):
                invoke(*command(data, output))
        assert not output.exists()
    invoke(*command(data, output))
    assert products(output) == products(whole)
    invoke(*command(data, output))  # and once more, though all is done
    assert products(output) == products(whole)


def test_sigterm_saves_and_the_same_command_goes_on(data: Path, whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine.safetensors"
    journal = output.with_suffix(".run") / "float" / METRICS_FILE
    program = [sys.executable, "-m", "tests.quant_models.cli.small_app", *command(data, output)]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        deadline = time.monotonic() + 120
        while not (journal.exists() and journal.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert f"of {STEPS}; run the same command to go on" in said
    assert not output.exists()
    invoke(*command(data, output))
    assert products(output) == products(whole)


def test_the_model_is_ones_own(data: Path, whole: Path, tmp_path: Path) -> None:
    model = QuantModel.load(whole)
    assert [(t.name, t.classes) for t in model.graph.tasks] == [("semseg", CLASSES), ("depth", ())]
    assert "--data folder --images 6 (" in model.provenance
    weights = whole.with_suffix(".run") / "float" / WEIGHTS_FILE
    for file in (whole, weights):
        assert "8 images of mine all" in invoke("evaluate", file, "--data", f"folder:{data}", "--workers", 1)
    other = write_maps(write_classes_file(tmp_path / "other"), 1)
    (other / "classes.txt").write_text("a\nb\nc\n")
    message = invoke("evaluate", whole, "--data", f"folder:{other}", "--workers", 1, expect=1)
    assert "other all has no class 'ground'; it has a, b, c" in message


def test_changed_data_are_another_run(data: Path, whole: Path, tmp_path: Path) -> None:
    other = write_maps(write_classes_file(tmp_path / "mine"), 8, seed=1)
    message = invoke(*command(other, whole), expect=1)
    assert "holds another run: data = 'mine all, training, 6 images," in message


def test_one_writes_where_one_can(data: Path, tmp_path: Path) -> None:
    for output, message in (
        (tmp_path / "mine.onnx", "must be a file that ends in .safetensors"),
        (tmp_path / "no" / "mine.safetensors", "does not exist or cannot be written"),
    ):
        assert message in invoke(*command(data, output), expect=1)
    assert "neither --run nor --output" in invoke("train", NAME, expect=1)


def test_classes_by_folder(tmp_path: Path) -> None:
    root, output = write_folders(tmp_path / "pets", ("cat", "dog", "owl"), 4), tmp_path / "pets.safetensors"
    small = ["--validation", "3", "--batch", "3", "--steps", "2", "--qat-steps", "1", "--threads", "1"]
    assert "classes_top1: " in invoke("train", NAME, "--data", f"imagefolder:{root}", "-o", output, *small)
    task = QuantModel.load(output).graph.tasks[0]
    assert (task.kind, task.classes) == ("classification", ("cat", "dog", "owl"))
    for file in (output, output.with_suffix(".run") / "float" / WEIGHTS_FILE):
        said = invoke("evaluate", file, "--data", f"imagefolder:{root}", "--workers", 1)
        assert "classes_top1" in said and "12 images of pets all" in said


def test_training_goes_on_from_weights_that_there_are(data: Path, whole: Path, tmp_path: Path) -> None:
    """With --from the weights are the file's: a step as small as none changes nothing that one sees."""
    first, output = whole.with_suffix(".run") / "float" / WEIGHTS_FILE, tmp_path / "more.safetensors"
    few = ["--validation", "2", "--batch", "2", "--steps", "1", "--learning-rate", "1e-12", "--threads", "1"]
    invoke("train", NAME, "--from", first, "--data", f"folder:{data}", "-o", output, *few)
    before, after = load_weights(first), load_weights(output)
    for name, value in before.state_dict().items():
        assert torch.allclose(value, after.state_dict()[name], atol=1e-6), name
    assert weights_provenance(output).split("; begun with ") == [
        weights_provenance(output).split("; ")[0],
        weights_provenance(first),
    ]
    both = invoke(
        "train", NAME, "--from", first, "--weights", first, "-o", output, "--qat-steps", 1, expect=1
    )
    assert "--from begins float training, --weights leaves it out: give one of them" in both
    other = tmp_path / "other.safetensors"
    save_weights(M3ViT(replace(SMALL, d_model=2 * SMALL.d_model, n_heads=2 * SMALL.n_heads)), other)
    message = invoke("train", NAME, "--from", other, "--data", f"folder:{data}", "-o", output, expect=1)
    assert "d_model" in message
    changed = invoke(
        "train", NAME, "--from", output, "--data", f"folder:{data}", "-o", output, *few, expect=1
    )
    assert "holds another run: origin" in changed
