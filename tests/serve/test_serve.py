# SPDX-License-Identifier: Apache-2.0
"""The server: from photo to map in a real browser, and whatever else may come."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from peritus.demo import SCENE
from peritus.serve import app as served
from peritus.serve.errors import ServeError
from peritus.serve.job import Job, State
from peritus.serve.jobs import MAX_KEPT, MAX_WAITING, Jobs
from peritus.serve.process import COMMAND
from tests.pages.browser import opened

pytest.importorskip("starlette.testclient", reason="not installed: starlette, httpx")
from starlette.requests import Request
from starlette.testclient import TestClient

JOB = "/jobs?model=m3vit_micro&task=depth&device=iss"
SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")
BABBLER = (sys.executable, "-c", "print('x' * 100_000 + 'error: no such luck\\x1b[2J'); raise SystemExit(1)")
LONGEST_S = 60.0


def photo() -> bytes:
    return SCENE.read_bytes()


@contextmanager
def running(limit_s: float = LONGEST_S, **options: Any) -> Iterator[TestClient]:
    with TestClient(
        served.make_app("nano", limit_s=limit_s, **options), base_url="http://127.0.0.1"
    ) as client:
        yield client


def ended(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    until = time.monotonic() + LONGEST_S
    while job["state"] in ("waiting", "running"):
        assert time.monotonic() < until
        time.sleep(0.05)
        job = client.get(f"/jobs/{job['id']}").json()
    return job


def folder_of(client: TestClient) -> Path:
    return Path(client.app.state.jobs._folder)  # type: ignore[attr-defined]


def test_from_photo_to_map_and_report() -> None:
    with running() as client:
        assert client.get("/choices").json()["models"]["m3vit_micro"] == ["semseg", "depth"]
        answer = client.post(JOB, content=photo())
        assert answer.status_code == 202
        job = ended(client, answer.json())
        assert job["state"] == "done", job
        picture = Image.open(io.BytesIO(client.get(f"/jobs/{job['id']}/map").content))
        assert picture.size == (64, 32)
        report = client.get(f"/jobs/{job['id']}/report")
        assert (
            "m3vit_micro on nano" in report.text
            and "frame-ancestors 'self'" in report.headers["content-security-policy"]
        )
        folder = folder_of(client)
        assert folder.is_dir()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("query", "content", "said"),
    [
        (JOB, b"no picture at all", "cannot be read"),
        (JOB, b"", "cannot be read"),
        (JOB, b"<svg xmlns='http://www.w3.org/2000/svg'/>", "cannot be read"),
        (JOB.replace("depth", "dreams"), photo(), "unknown model, task or device"),
        (JOB.replace("m3vit_micro", "../../etc/passwd"), photo(), "unknown model, task or device"),
        (JOB.replace("iss", "serial"), photo(), "unknown model, task or device"),
        ("/jobs", photo(), "unknown model, task or device"),
    ],
)
def test_bad_uploads_leave_nothing(query: str, content: bytes, said: str) -> None:
    with running() as client:
        answer = client.post(query, content=content)
        assert answer.status_code == 400 and said in answer.json()["error"]
        assert list(folder_of(client).iterdir()) == []


def test_a_huge_photo_is_refused_before_it_is_all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "MAX_UPLOAD", 1 << 16)

    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield bytes(1 << 12)

    with running() as client:
        for content in (bytes(1 << 17), endless()):  # one says its length, one does not
            answer = client.post(JOB, content=content)
            assert answer.status_code == 400 and "photo of" in answer.json()["error"]
        assert list(folder_of(client).iterdir()) == []


def test_an_upload_that_stands_still_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(served, "UPLOAD_S", 0.05)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(LONGEST_S)
        return {}

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    with pytest.raises(ServeError, match="has not arrived after"):
        asyncio.run(served._receive(request, tmp_path / "photo"))


def test_a_picture_of_too_many_pixels() -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((9000, 9000), np.uint8)).save(file, "PNG")
    with running() as client:
        answer = client.post(JOB, content=file.getvalue())
        assert answer.status_code == 400 and "pixels" in answer.json()["error"]


def test_other_sites_start_nothing() -> None:
    with running() as client:
        answer = client.post(JOB, content=photo(), headers={"Origin": "http://evil.example"})
        assert answer.status_code == 400 and "other pages" in answer.json()["error"]
        assert client.get("/choices", headers={"Host": "evil.example"}).status_code == 400
        assert client.post(JOB, content=photo(), headers={"Origin": "http://127.0.0.1"}).status_code == 202


@pytest.mark.parametrize(
    "path", ["/static/app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/jobs/none", "/jobs/none/map"]
)
def test_nothing_else_is_read(path: str) -> None:
    with running() as client:
        assert client.get(path).status_code in (400, 404)


def test_two_users_wait_for_each_other_and_see_only_their_own() -> None:
    with running(command=SLEEPER) as client:
        first, second = (client.post(JOB, content=photo()).json() for _ in range(2))
        assert first["id"] != second["id"] and len(first["id"]) >= 20
        until = time.monotonic() + 5
        while client.get(f"/jobs/{first['id']}").json()["state"] != "running":
            assert time.monotonic() < until
        found = client.get(f"/jobs/{second['id']}").json()
        assert (found["state"], found["before"]) == ("waiting", 1)
        assert client.get(f"/jobs/{second['id']}/report").status_code == 400
        client.delete(f"/jobs/{first['id']}")
        assert ended(client, first)["step"] == "cancelled"


def test_the_queue_is_bounded() -> None:
    with running(command=SLEEPER) as client:
        answers = [client.post(JOB, content=photo()).status_code for _ in range(MAX_WAITING + 2)]
        assert answers.count(503) >= 1 and answers[-1] == 503


def test_who_waits_can_leave_the_queue(tmp_path: Path) -> None:
    """Cancelled, or with the tab closed: at once, while another one runs."""
    jobs = Jobs("nano", tmp_path / "jobs", limit_s=60, abandoned_s=0.5, command=SLEEPER)

    def submitted() -> Job:
        name, folder = jobs.new_folder()
        return jobs.submit(name, folder, "m3vit_micro", "depth", "iss")

    try:
        first = submitted()
        waiting = [submitted() for _ in range(MAX_WAITING - 1)]
        jobs.cancel(waiting[0])
        assert (waiting[0].state, waiting[0].step) == (State.FAILED, "cancelled")
        until = time.monotonic() + 1
        while time.monotonic() < until:  # only the first one's tab is open
            jobs.find(first.id)
            time.sleep(0.05)
        jobs.check_room()
        assert first.state is State.RUNNING
        assert all("nobody was waiting" in job.step for job in waiting[1:])
        assert [entry.name for entry in (tmp_path / "jobs").iterdir()] == [first.id]
    finally:
        jobs.close()


def test_a_job_has_its_time_and_its_process_ends() -> None:
    with running(limit_s=0.5, command=SLEEPER) as client:
        job = ended(client, client.post(JOB, content=photo()).json())
        assert job["state"] == "failed" and "not done after 0.5 s" in job["step"]
        assert [entry.name for entry in folder_of(client).iterdir()] == []


def test_a_closed_tab_ends_its_job(tmp_path: Path) -> None:
    jobs = Jobs("nano", tmp_path / "jobs", limit_s=60, abandoned_s=0.3, command=SLEEPER)
    name, folder = jobs.new_folder()
    job = jobs.submit(name, folder, "m3vit_micro", "depth", "iss")
    until = time.monotonic() + 10
    while job.state in (State.WAITING, State.RUNNING):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert "nobody was waiting" in job.step and not folder.exists()
    jobs.close()


def test_what_a_command_says_is_harmless_and_short() -> None:
    with running(command=BABBLER) as client:
        job = ended(client, client.post(JOB, content=photo()).json())
        assert job["step"] == "no such luck\\x1b[2J"


def test_old_jobs_are_forgotten(tmp_path: Path) -> None:
    jobs = Jobs("nano", tmp_path / "jobs", limit_s=60, command=BABBLER)
    made = []
    for _ in range(MAX_KEPT + 2):
        name, folder = jobs.new_folder()
        made.append(jobs.submit(name, folder, "m3vit_micro", "depth", "iss"))
        while made[-1].state in (State.WAITING, State.RUNNING):
            time.sleep(0.02)
    jobs.close()
    assert len(jobs._jobs) <= MAX_KEPT and not (tmp_path / "jobs").exists()


@contextmanager
def command() -> Iterator[tuple[str, Path]]:
    """peritus serve, as one starts it; its address, and the folder of its folder."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--hw", "nano", "--port", "0"],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": folder, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0], Path(folder)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)
        assert list(Path(folder).glob("peritus-serve-*")) == []


def test_a_tab_that_is_closed_in_the_midst_of_its_upload() -> None:
    host = "127.0.0.1"
    with command() as (address, folder):
        head = f"POST {JOB} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n\r\n"
        with socket.create_connection((host, int(address.rpartition(":")[2])), timeout=10) as line:
            line.sendall(head.encode() + photo()[:5000])
            until = time.monotonic() + 10
            while not list(folder.glob("peritus-serve-*/*/photo")):
                assert time.monotonic() < until, "the upload does not begin"
                time.sleep(0.02)
        while list(folder.glob("peritus-serve-*/*")):
            assert time.monotonic() < until, "something is left of the upload"
            time.sleep(0.02)


# What a browser does when a file is dropped.
DROP = """(data) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "scene.png", { type: "image/png" }));
  for (const name of ["dragover", "drop"])
    document.getElementById("drop").dispatchEvent(new DragEvent(name, { dataTransfer, cancelable: true }));
}"""


def test_the_whole_way_in_a_browser(tmp_path: Path) -> None:
    with opened() as (screen, complaints, requests), command() as (address, _):
        screen.goto(address)
        screen.wait_for_selector("#model option[value=m3vit_micro]", state="attached")
        screen.select_option("#model", "m3vit_micro")
        screen.select_option("#task", "depth")
        screen.evaluate(DROP, base64.b64encode(photo()).decode())
        screen.click("#run")
        screen.wait_for_selector("#result:not([hidden])")
        assert "done in" in screen.inner_text("#status")
        assert screen.evaluate("document.getElementById('map').decode().then(() => true)")
        assert screen.evaluate("document.getElementById('map').naturalWidth") == 64
        report = screen.frame_locator("#report")
        report.locator("html[data-drawn='2']").wait_for(state="attached")
        assert complaints == []
        outside = [url for url in requests if not url.startswith((address, "blob:", "data:"))]
        assert outside == []
        # What is no picture is said on the page.
        (tmp_path / "note.png").write_text("no picture")
        screen.set_input_files("#photo", str(tmp_path / "note.png"))
        screen.click("#run")
        screen.wait_for_selector("#status.failed")
        assert "cannot be read" in screen.inner_text("#status")
