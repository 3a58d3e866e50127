# SPDX-License-Identifier: Apache-2.0
"""The queue behind the page: one job at a time, each a process of its own that can be ended at any time.

A job is what one would type: peritus compile, once for each model, and peritus run. Everything lies in one
folder, which goes when the server does.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO

from peritus.errors import PeritusError
from peritus.schema import cause, file_name

MAX_WAITING = 8  # jobs
MAX_KEPT = 16  # finished jobs whose results can still be looked at
ABANDONED_S = 60.0  # nobody has asked for so long: the tab is closed
STEP_S = 0.1  # between two looks at a process
MAX_SAID = 4000  # bytes at the end of what a process says
COMMAND = (sys.executable, "-c", "import sys; sys.argv[0] = 'peritus'; from peritus.cli import app; app()")


class ServeError(PeritusError):
    """What was asked for cannot be done; says why. Text for the one who asked."""


class QueueFull(ServeError):
    """As many jobs wait as may."""


class State(Enum):
    """Of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass
class Job:
    """One photo through one task of a model on a device. step: what it is doing, or why it failed.

    seen: when its owner last asked for it.
    """

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
        return self.result / f"{file_name(self.task)}.png"

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


class Jobs:
    """The queue and its worker.

    Args:
        folder: ours alone; removed by close(). limit_s: of a job. abandoned_s: after which a job that nobody
        asks for ends. command: that runs `peritus`.
    """

    def __init__(
        self,
        hw: str,
        folder: Path,
        *,
        limit_s: float,
        abandoned_s: float = ABANDONED_S,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._hw, self._folder = hw, folder
        self._limit_s, self._abandoned_s, self._command = limit_s, abandoned_s, tuple(command)
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._worker = threading.Thread(target=self._work, name="peritus serve", daemon=True)
        self._worker.start()

    def new_folder(self) -> tuple[str, Path]:
        """The name of a job to be, which nobody guesses, and its folder."""
        name = secrets.token_urlsafe(16)
        folder = self._folder / name
        folder.mkdir(parents=True)
        return name, folder

    def discard(self, folder: Path) -> None:
        """Of a job that does not come to be."""
        shutil.rmtree(folder, ignore_errors=True)

    def check_room(self) -> None:
        """QueueFull if no job can be taken."""
        with self._changed:
            if len(self._waiting) >= MAX_WAITING:
                raise QueueFull(f"{MAX_WAITING} jobs wait already: try again when one has ended")

    def submit(self, name: str, folder: Path, model: str, task: str, device: str) -> Job:
        """Put a job whose photo is in its folder into the queue; QueueFull."""
        self.check_room()
        job = Job(name, folder, model, task, device)
        with self._changed:
            self._jobs[name] = job
            self._waiting.append(job)
            self._changed.notify_all()
        return job

    def find(self, name: str) -> Job:
        """A job by its name, of which that is the proof of ownership; ServeError if there is none."""
        with self._changed:
            job = self._jobs.get(name)
        if job is None:
            raise ServeError("there is no such job; it may have been removed since it ended")
        job.seen = time.monotonic()
        return job

    def before(self, job: Job) -> int:
        """Jobs that come first."""
        with self._changed:
            waiting = list(self._waiting)
            running = any(other.state is State.RUNNING for other in self._jobs.values())
        return waiting.index(job) + running if job in waiting else 0

    def cancel(self, job: Job) -> None:
        """End it, whatever it is doing."""
        job.cancelled = True

    def close(self) -> None:
        """End what runs and remove everything."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._worker.join(timeout=10)
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- the worker ---

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if self._closing:
                    return
                job = self._waiting.popleft()
                job.state, job.started = State.RUNNING, time.monotonic()
            try:
                self._run(job)
                job.state = State.DONE
            except (PeritusError, OSError) as error:
                job.state, job.step = State.FAILED, cause(error)
                shutil.rmtree(job.folder, ignore_errors=True)
            finally:
                job.ended = time.monotonic()
            self._forget()

    def _run(self, job: Job) -> None:
        bundle = self._folder / f"{file_name(job.model)}.bundle"
        if not bundle.is_file():
            job.step = f"compiling {job.model} for {self._hw}"
            draft = job.folder / bundle.name
            self._peritus(job, "compile", job.model, "--hw", self._hw, "-o", str(draft))
            draft.replace(bundle)
        job.step = f"running {job.task} on {job.device}; a simulator that is new takes minutes to build"
        self._peritus(
            job, "run", str(bundle), "--image", str(job.photo), "--resize", "--task", job.task,
            "--device", job.device, "-o", str(job.result), "--timeout", f"{self._limit_s:g}",
        )  # fmt: skip
        if not job.report.is_file():
            raise ServeError("the run has ended, but left no report")
        job.step = ""

    def _peritus(self, job: Job, *arguments: str) -> None:
        """A command to its end, or to the end of its time; ServeError with what it says."""
        with (job.folder / "said").open("w+b") as said:
            process = subprocess.Popen(
                [*self._command, *arguments],
                cwd=job.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = self._wait(job, process)
            finally:
                _end(process)
            if code:
                raise ServeError(_last_words(said) or f"peritus {arguments[0]} ended with {code}")

    def _wait(self, job: Job, process: subprocess.Popen[bytes]) -> int:
        while (code := process.poll()) is None:
            now = time.monotonic()
            if self._closing or job.cancelled:
                raise ServeError("cancelled")
            if now - job.started > self._limit_s:
                raise ServeError(f"not done after {self._limit_s:g} s")
            if now - job.seen > self._abandoned_s:
                raise ServeError("nobody was waiting for it any more")
            time.sleep(STEP_S)
        return code

    def _forget(self) -> None:
        """Jobs that ended long ago, with their files."""
        with self._changed:
            ended = [job for job in self._jobs.values() if job.state in (State.DONE, State.FAILED)]
            old = sorted(ended, key=lambda job: job.ended)[: max(0, len(ended) - MAX_KEPT)]
            for job in old:
                del self._jobs[job.id]
        for job in old:
            shutil.rmtree(job.folder, ignore_errors=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """With its children, if it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


def _last_words(said: IO[bytes]) -> str:
    """What a command says it failed for."""
    said.seek(0, os.SEEK_END)
    said.seek(max(0, said.tell() - MAX_SAID))
    text = said.read().decode(errors="replace").strip()
    return text.rpartition("error: ")[2]
