# SPDX-License-Identifier: Apache-2.0
"""Training: same seed, same weights; interruption changes nothing; bad input is named."""

import itertools
import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from safetensors.torch import save_file

from quant_models.data.dataset import IGNORE, NO_DEPTH, DataError
from quant_models.network.config import M3VIT_MICRO, ConfigError, TaskConfig
from quant_models.network.init import new_model
from quant_models.network.moe import Decision, MoeMlp, route
from quant_models.network.weights import load_weights, save_weights
from quant_models.training import engine
from quant_models.training.batches import gather, indices_of, vary
from quant_models.training.config import TrainingConfig
from quant_models.training.engine import Interrupted, Machine, NonFiniteLossError, train
from quant_models.training.float_stage import FloatStage, start
from quant_models.training.journal import METRICS_FILE, PLOT_FILE, read
from quant_models.training.losses import balance_loss, task_loss
from quant_models.training.run import train_float, train_quantized
from quant_models.training.state import STATE_FILE, StateError
from tests.common.squares import Squares

pytestmark = pytest.mark.models

CONFIG = replace(M3VIT_MICRO, n_layers=2)


def squares(count: int, seed: int) -> Squares:
    return Squares(count, seed, CONFIG)


FLOAT = TrainingConfig("float", steps=6, batch=4, warmup=2, learning_rate=2e-3)
QAT = TrainingConfig("qat", steps=4, batch=4, warmup=1, distillation=0.5, calibration_images=8)
OFTEN = Machine(save_every=1, validate_every=3, log_every=1)


def trained(folder: Path, training: TrainingConfig = FLOAT, machine: Machine = OFTEN) -> Path:
    return train_float(CONFIG, training, squares(32, 0), squares(8, 1), folder, machine)


def quantized(folder: Path, weights: Path, training: TrainingConfig = QAT) -> Path:
    return train_quantized(CONFIG, training, weights, squares(32, 0), squares(8, 1), folder, OFTEN)


class StopAt:
    """Stands in for the batches and asks the run to stop, as Ctrl-C does, while step `stop` is computed."""

    def __init__(self, stop: int) -> None:
        self.stop, self.original = stop, engine.training_batch

    def __call__(self, data, step, batch, seed):  # type: ignore[no-untyped-def]
        if step == self.stop:
            signal.raise_signal(signal.SIGINT)
        return self.original(data, step, batch, seed)


@pytest.fixture(scope="module")
def float_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("float"))


def same_weights(a: Path, b: Path) -> bool:
    left, right = load_file(a), load_file(b)
    return left.keys() == right.keys() and all(np.array_equal(left[key], right[key]) for key in left)


def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    float_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engine, "training_batch", StopAt(2))
        with pytest.raises(Interrupted, match="step 3 of 6"):
            trained(tmp_path)
    assert same_weights(trained(tmp_path), float_run)

    def journal(folder: Path) -> list[dict[str, float]]:
        return [
            {k: v for k, v in line.items() if k != "images_per_s"} for line in read(folder / METRICS_FILE)[0]
        ]

    assert journal(tmp_path) == journal(float_run.parent)


def test_a_killed_run_loses_no_more_than_the_steps_since_its_last_save(
    float_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def batches(data, step, batch, seed, original=engine.training_batch):  # type: ignore[no-untyped-def]
        if step == 5:
            raise Killed
        return original(data, step, batch, seed)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "training_batch", batches)
        with pytest.raises(Killed):
            trained(tmp_path, machine=replace(OFTEN, save_every=2))
    assert [line["step"] for line in read(tmp_path / METRICS_FILE)[0]][-1] == 5  # one more than was saved
    assert same_weights(trained(tmp_path, machine=replace(OFTEN, save_every=2)), float_run)
    steps = [line["step"] for line in read(tmp_path / METRICS_FILE)[0] if "loss" in line]
    assert steps == [1, 2, 3, 4, 5, 6]


@pytest.mark.long
def test_quantization_aware_training_resumes_to_the_same_integers(
    float_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = quantized(tmp_path / "whole", float_run)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "training_batch", StopAt(1))
        with pytest.raises(Interrupted, match="step 2 of 4"):
            quantized(tmp_path / "parts", float_run)
    assert same_weights(quantized(tmp_path / "parts", float_run), whole)
    untouched = quantized(tmp_path / "one", float_run, replace(QAT, steps=1, learning_rate=1e-12))
    assert not same_weights(whole, untouched)  # it did train


def test_training_learns(tmp_path: Path) -> None:
    training = replace(FLOAT, steps=60, batch=8)
    net = start(CONFIG, squares(32, 0), 0)
    scores = train(FloatStage(net, training), training, squares(64, 0), squares(16, 1), tmp_path, Machine())
    assert scores["semseg_miou"] > 0.8
    assert scores["depth_rmse"] < 9  # 18 for a constant
    assert (tmp_path / PLOT_FILE).stat().st_size > 5000
    lines = [json.loads(line) for line in (tmp_path / METRICS_FILE).read_text().splitlines()]
    assert lines[-1]["validation_semseg_miou"] == scores["semseg_miou"]


def test_bfloat16_trains(float_run: Path, tmp_path: Path) -> None:
    half = trained(tmp_path / "half", machine=replace(OFTEN, bf16=True))
    assert not same_weights(half, float_run)
    first, second = (read(folder / METRICS_FILE)[0][0]["loss"] for folder in (half.parent, float_run.parent))
    assert first == pytest.approx(second, rel=0.05)


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="device 'tpu'"):
        Machine("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="finds no such device"):
            Machine("cuda")


def test_float_weights_are_known_by_their_content(float_run: Path, tmp_path: Path) -> None:
    """The library writes metadata in random order: quantization goes on with whatever it wrote."""
    quantized(tmp_path / "run", float_run)
    with safe_open(str(float_run), framework="pt") as file:
        metadata = file.metadata()
    other = tmp_path / "other.safetensors"
    while not other.exists() or other.read_bytes() == float_run.read_bytes():
        save_file(
            {key: torch.from_numpy(value) for key, value in load_file(float_run).items()}, other, metadata
        )
    whole = (tmp_path / "run" / f"{CONFIG.name}.safetensors").read_bytes()
    assert quantized(tmp_path / "run", other).read_bytes() == whole
    save_weights(new_model(CONFIG), other)
    with pytest.raises(StateError, match="holds another run: origin = "):
        quantized(tmp_path / "run", other)


def test_a_folder_keeps_its_run(float_run: Path) -> None:
    with pytest.raises(StateError, match=r"learning_rate = 0\.002 there, 0\.1 asked"):
        trained(float_run.parent, replace(FLOAT, learning_rate=0.1))


def test_an_unreadable_state_is_named(tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_bytes(b"PK no such thing")
    with pytest.raises(StateError, match=STATE_FILE):
        trained(tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    data = squares(16, 0)
    data.targets["depth"] = np.full_like(data.targets["depth"], np.nan)
    net = start(CONFIG, squares(16, 0), 0)
    with pytest.raises(NonFiniteLossError, match="loss is nan at step 0"):
        train(FloatStage(net, FLOAT), FLOAT, data, squares(8, 1), tmp_path)


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = start(CONFIG, squares(16, 0), 0)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    monkeypatch.setattr(
        torch.nn.utils, "clip_grad_norm_", lambda parameters, norm: torch.tensor(float("inf"))
    )
    with pytest.raises(NonFiniteLossError, match="gradient is inf at step 0"):
        train(FloatStage(net, FLOAT), FLOAT, squares(16, 0), squares(8, 1), tmp_path)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not (tmp_path / STATE_FILE).exists()


def test_a_stop_in_the_last_step_stops_the_command_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engine, "training_batch", StopAt(FLOAT.steps - 1))
        with pytest.raises(Interrupted, match="step 6 of 6; run the same command to go on"):
            trained(tmp_path)
    assert not (tmp_path / "float.safetensors").exists()


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As SIGHUP under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with engine._stop_requested() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop
            signal.raise_signal(signal.SIGTERM)
            assert stop
    finally:
        signal.signal(signal.SIGHUP, before)


def test_data_without_a_task_are_refused(tmp_path: Path) -> None:
    data = squares(8, 0)
    data.tasks = data.tasks[:1]
    with pytest.raises(DataError, match="no targets for task 'depth'"):
        train(FloatStage(start(CONFIG, squares(8, 0), 0), FLOAT), FLOAT, data, data, tmp_path)
    data.tasks = (TaskConfig("semseg", "segmentation", 19), CONFIG.tasks[1])
    with pytest.raises(DataError, match="19 channels, m3vit_micro expects a segmentation with 8"):
        train(FloatStage(start(CONFIG, squares(8, 0), 0), FLOAT), FLOAT, data, data, tmp_path)


@pytest.mark.parametrize(
    ("field", "value"), [("steps", 0), ("learning_rate", float("nan")), ("expert_bits", 5), ("stage", "ptq")]
)
def test_bad_settings_are_named(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field):
        replace(FLOAT, **{field: value})  # type: ignore[arg-type]


def test_every_image_comes_once_per_epoch() -> None:
    steps = [indices_of(step, 6, 20, seed=3) for step in range(10)]
    seen = np.concatenate(steps)
    for epoch in np.split(seen, 3):
        assert sorted(epoch) == list(range(20))
    assert not np.array_equal(seen[:20], seen[20:40])


def test_variation_mirrors_image_and_targets_together() -> None:
    batch = gather(squares(16, 0), np.arange(16))
    batch.targets["semseg"][:, :, : CONFIG.image_width // 2] = 7
    varied = vary(batch, seed=1)
    left = varied.targets["semseg"][:, :, 0] == 7
    assert 0 < int(left.all(dim=1).sum()) < 16
    scaled = varied.images * 256
    assert torch.equal(scaled, scaled.round())
    assert float(scaled.max()) <= 255


def test_pixels_without_label_do_not_count() -> None:
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    target = torch.zeros(2, 8, 8, dtype=torch.int64)
    half = target.clone()
    half[:, 4:] = IGNORE
    changed = logits.clone()
    changed[:, :, 3] += 5  # far from the labelled half: interpolation reaches one pixel
    assert torch.equal(task_loss("segmentation", logits, half), task_loss("segmentation", changed, half))
    depth = torch.full((2, 8, 8), 3.0)
    depth[:, 4:] = NO_DEPTH
    assert float(task_loss("depth", torch.full((2, 1, 4, 4), 3.0), depth)) == 0
    assert float(task_loss("depth", torch.zeros(2, 1, 4, 4), torch.zeros(2, 8, 8))) == 0


def test_balance_loss_prefers_even_routing() -> None:
    random = torch.Generator().manual_seed(0)
    even = torch.randn(400, 8, generator=random)
    skewed = even + torch.arange(8) * 2.0

    def loss(logits: torch.Tensor) -> float:
        return float(balance_loss(Decision(0, logits, logits, *route(logits, 2))))

    assert loss(even) < 0.2 < 1 < loss(skewed)
    everyone = Decision(0, even, even, *route(even, 8))
    assert np.isfinite(float(balance_loss(everyone)))


def test_router_noise_is_only_for_training() -> None:
    net = new_model(CONFIG)
    images = torch.rand(2, 3, 32, 64)
    assert torch.equal(net(images, "depth"), net(images, "depth"))
    net.train()
    assert not torch.equal(net(images, "depth"), net(images, "depth"))


@pytest.mark.parametrize("gate", ["multi_gate", "task_conditioned"])
def test_all_tasks_at_once_are_the_tasks_one_by_one(gate: str) -> None:
    net = new_model(replace(M3VIT_MICRO, gate=gate), seed=1)  # type: ignore[arg-type]
    images = torch.rand(3, 3, 32, 64, generator=torch.Generator().manual_seed(2))
    together = net.all_tasks(images)
    for task in net.config.task_names:
        torch.testing.assert_close(together[task], net(images, task), rtol=1e-4, atol=1e-4)


def test_mix_is_the_sum_over_chosen_experts() -> None:
    net = new_model(CONFIG)
    moe = net.backbone.layers[1].mlp
    assert isinstance(moe, MoeMlp)
    tokens = torch.randn(10, CONFIG.d_model, generator=torch.Generator().manual_seed(0))
    indices, scores = route(moe.logits(tokens, 0, None), CONFIG.top_k)
    expected = torch.zeros_like(tokens)
    for token, slot in itertools.product(range(10), range(CONFIG.top_k)):
        expert = int(indices[token, slot])
        expected[token] += scores[token, slot] * moe.experts(tokens[token : token + 1], expert)[0]
    torch.testing.assert_close(moe.mix(tokens, indices, scores), expected, rtol=1e-4, atol=1e-5)


def test_weights_come_back_from_the_run(float_run: Path) -> None:
    net = load_weights(float_run, CONFIG)
    images = gather(squares(2, 5), np.arange(2)).images
    assert net(images, "depth").shape == (2, 1, 8, 16)
