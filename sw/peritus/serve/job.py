# SPDX-License-Identifier: Apache-2.0
"""One photo through one task of a model on a device: where its files lie, and how far it is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from peritus.report.pictures import task_file


class State(Enum):
    """Of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass
class Job:
    """step: what it is doing, or why it failed. seen: when its owner last asked for it."""

    id: str
    folder: Path
    model: str
    task: str
    device: str
    state: State = State.WAITING
    step: str = ""
    started: float = 0.0
    ended: float = 0.0
    seen: float = field(default_factory=time.monotonic)
    cancelled: bool = False

    @property
    def photo(self) -> Path:
        """As it was uploaded."""
        return self.folder / "photo"

    @property
    def result(self) -> Path:
        """Folder that `peritus run` writes."""
        return self.folder / "run"

    @property
    def picture(self) -> Path:
        """The map."""
        return self.result / f"{task_file(self.task)}.png"

    @property
    def report(self) -> Path:
        """The page."""
        return self.result / "report.html"

    @property
    def seconds(self) -> float:
        """That it has run."""
        if not self.started:
            return 0.0
        return (self.ended or time.monotonic()) - self.started
