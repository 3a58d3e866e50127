# SPDX-License-Identifier: Apache-2.0
"""The queue behind the page: one job at a time, each a process of its own that can be ended at any time.

A job is what one would type: peritus compile, once for each model, and peritus run. Everything lies in one
folder, which goes when the server does.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from peritus.errors import PeritusError
from peritus.schema import cause, file_name
from peritus.serve.errors import QueueFull, ServeError
from peritus.serve.job import Job, State
from peritus.serve.process import COMMAND, run_command

MAX_WAITING = 8  # jobs
MAX_KEPT = 16  # finished jobs whose results can still be looked at
ABANDONED_S = 60.0  # nobody has asked for so long: the tab is closed
CANCELLED, ABANDONED = "cancelled", "nobody was waiting for it any more"


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
        """QueueFull if no job can be taken; jobs that nobody waits for any more take no room."""
        with self._changed:
            for job in [job for job in self._waiting if self._abandoned(job)]:
                self._waiting.remove(job)
                self._failed(job, ABANDONED)
            if len(self._waiting) >= MAX_WAITING:
                raise QueueFull(f"{MAX_WAITING} jobs wait already: try again when one has ended")

    def submit(self, name: str, folder: Path, model: str, task: str, device: str) -> Job:
        """Put a job whose photo is in its folder into the queue; QueueFull."""
        job = Job(name, folder, model, task, device)
        with self._changed:
            self.check_room()
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
        with self._changed:
            job.cancelled = True
            if job in self._waiting:
                self._waiting.remove(job)
                self._failed(job, CANCELLED)

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
            except (PeritusError, OSError) as error:
                self._failed(job, cause(error))
            else:
                job.state, job.ended = State.DONE, time.monotonic()
            self._forget()

    def _failed(self, job: Job, why: str) -> None:
        """Nothing is left of it but the reason."""
        shutil.rmtree(job.folder, ignore_errors=True)
        job.step, job.ended = why, time.monotonic()
        job.state = State.FAILED  # last: from now on others may look

    def _abandoned(self, job: Job) -> bool:
        return time.monotonic() - job.seen > self._abandoned_s

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
        run_command(self._command, arguments, job.folder, lambda: self._check(job))

    def _check(self, job: Job) -> None:
        """ServeError if a job that runs should end."""
        if self._closing or job.cancelled:
            raise ServeError(CANCELLED)
        if job.seconds > self._limit_s:
            raise ServeError(f"not done after {self._limit_s:g} s")
        if self._abandoned(job):
            raise ServeError(ABANDONED)

    def _forget(self) -> None:
        """Jobs that ended long ago, with their files."""
        with self._changed:
            ended = [job for job in self._jobs.values() if job.state in (State.DONE, State.FAILED)]
            old = sorted(ended, key=lambda job: job.ended)[: max(0, len(ended) - MAX_KEPT)]
            for job in old:
                del self._jobs[job.id]
        for job in old:
            shutil.rmtree(job.folder, ignore_errors=True)
