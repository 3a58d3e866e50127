# SPDX-License-Identifier: Apache-2.0
"""What lies in a run's folder: its lock, its journal, its state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from quant_models.training.journal import DAMAGED_FILE, METRICS_FILE, Journal, plot, read
from quant_models.training.lock import LOCK_FILE, RunFolderError, locked
from quant_models.training.state import OLD_STATE_FILE, STATE_FILE, StateError, load_state, save_state

pytestmark = pytest.mark.models


# --- lock ---


def test_a_folder_has_one_owner_who_is_named(tmp_path: Path) -> None:
    with locked(tmp_path / "run"):
        with (
            pytest.raises(
                RunFolderError, match=rf"in use by process {os.getpid()} on .* since .*choose another"
            ),
            locked(tmp_path / "run"),
        ):
            pass
        with locked(tmp_path / "other"):
            pass
    with locked(tmp_path / "run"):
        pass


def test_a_dead_owner_holds_nothing(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from quant_models.training.lock import locked\n"
        "with locked(Path(sys.argv[1])): print('mine', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None and owner.stdout.readline() == "mine\n"
            with pytest.raises(RunFolderError, match=f"in use by process {owner.pid} on"), locked(tmp_path):
                pass
        finally:
            owner.kill()
            owner.wait(30)
    assert f"process {owner.pid}" in (tmp_path / LOCK_FILE).read_text()  # it could not tidy up
    with locked(tmp_path):
        pass


def test_an_owner_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / LOCK_FILE).write_bytes(b"\x1b[2J\xff" + b"x" * 1000)
        with pytest.raises(RunFolderError, match=r"in use by \\x1b\[2J") as caught, locked(tmp_path):
            pass
        assert len(str(caught.value)) < 500 + len(str(tmp_path))


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunFolderError, match="file/run cannot be used: Not a directory"),
        locked(tmp_path / "file" / "run"),
    ):
        pass


# --- journal ---


def line(step: int) -> str:
    return json.dumps({"step": step, "loss": step / 2})


DAMAGED = (
    '{"step": 3, "lo',
    "[" * 3000,
    '{"step": "3", "loss": 1.0}',
    '{"step": NaN, "loss": 1.0}',
    '{"step": true, "loss": 1.0}',
    '{"step": -1, "loss": 1.0}',
    '{"step": 3, "loss": [1.0]}',
    '{"step": 3, "loss": null}',
    '{"step": 3, "$\\\\frac$": 1.0}',
    '{"loss": 1.0}',
    "3",
    "\x00\x01",
)


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_line_is_kept_aside_and_costs_no_other(tmp_path: Path, damaged: str) -> None:
    file, said = tmp_path / METRICS_FILE, []
    file.write_text("\n".join([line(1), line(2), damaged, line(4), line(5), line(6)]) + "\n")
    journal = Journal(tmp_path, 5, said.append)
    journal.write(6, loss=3)
    assert file.read_text().splitlines() == [line(step) for step in (1, 2, 4, 5)] + [line(6)]
    assert (tmp_path / DAMAGED_FILE).read_text() == damaged + "\n"
    (warning,) = said
    assert "1 of 6 lines are damaged" in warning and str(tmp_path / DAMAGED_FILE) in warning
    Journal(tmp_path, 6, said.append)
    assert len(said) == 1  # the journal is whole again
    file.write_bytes(file.read_bytes() + b"\xff\xfe\n")
    Journal(tmp_path, 6, said.append)
    assert (tmp_path / DAMAGED_FILE).read_bytes() == damaged.encode() + b"\n\xff\xfe\n"  # added, not replaced


def test_losses_that_were_not_finite_are_drawn(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0, print)
    for step, value in enumerate((1.0, float("nan"), float("inf"), 0.5)):
        journal.write(step, loss=value)
    assert len(read(journal.file)[0]) == 4
    assert plot(tmp_path) is not None


# --- state ---

IDENTITY = {"stage": "float", "shape": (1, 2), "rate": 0.1}


def trained(seed: int, steps: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    net = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(net.parameters(), fused=True)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.autograd.backward(net(torch.randn(4, 3)).square().sum())
        optimizer.step()
    return net, optimizer


def test_state_comes_back_bit_for_bit_and_the_same_state_is_the_same_file(tmp_path: Path) -> None:
    net, optimizer = trained(0, 3)
    save_state(tmp_path, 3, IDENTITY, net, optimizer)
    first = (tmp_path / STATE_FILE).read_bytes()
    again, moments = trained(1, 0)
    assert load_state(tmp_path, dict(reversed(IDENTITY.items())), again, moments) == 3
    assert moments.state_dict()["state"].keys() == {0, 1}
    save_state(tmp_path, 3, IDENTITY, again, moments)
    assert (tmp_path / STATE_FILE).read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == [STATE_FILE]


def test_other_states_are_refused(tmp_path: Path) -> None:
    save_state(tmp_path, 3, IDENTITY, *trained(0, 3))
    with pytest.raises(StateError, match=r"another run: rate = 0\.1 there, 0\.2 asked; choose another"):
        load_state(tmp_path, IDENTITY | {"rate": 0.2}, *trained(0, 0))
    with pytest.raises(StateError, match="another run: more = None there, 1 asked"):
        load_state(tmp_path, IDENTITY | {"more": 1}, *trained(0, 0))
    net = nn.Linear(3, 3)
    with pytest.raises(StateError, match=r"net\.bias is float32 \[2\], must be float32 \[3\]"):
        load_state(tmp_path, IDENTITY, net, torch.optim.AdamW(net.parameters()))
    bytes_before = {name: value.copy() for name, value in load_file(tmp_path / STATE_FILE).items()}
    assert bytes_before.keys() >= {"net.weight", "optimizer.0.exp_avg_sq", "optimizer.1.step"}


def test_a_run_of_an_older_version_is_not_begun_again_in_silence(tmp_path: Path) -> None:
    (tmp_path / OLD_STATE_FILE).write_bytes(b"PK")
    with pytest.raises(StateError, match=r"older version \(state\.pt\): choose another folder"):
        load_state(tmp_path, IDENTITY, *trained(0, 0))
