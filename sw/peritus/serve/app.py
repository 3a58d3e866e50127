# SPDX-License-Identifier: Apache-2.0
"""What the server answers: the page, its choices, and jobs. For this machine only, and no other page."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peritus import api
from peritus.photo import read_photo
from peritus.serve.errors import QueueFull, ServeError
from peritus.serve.job import Job, State
from peritus.serve.jobs import Jobs

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

FOLDER = Path(__file__).resolve().parent
MAX_UPLOAD = 32 << 20  # bytes of a photo
UPLOAD_S = 60.0  # that a photo may take to arrive
DEVICES = {"iss": "instruction set simulator", "hls": "C++ twin, fast", "rtl": "RTL, every cycle"}
HOSTS = ["127.0.0.1", "localhost"]
STATIC = {"serve.js": "text/javascript", "serve.css": "text/css"}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


@cache
def tasks_of(model: str) -> tuple[str, ...]:
    """Of a shipped model."""
    return tuple(task.name for task in api.load_model(model).graph.tasks)


def make_app(hw: str, *, limit_s: float, **options: Any) -> Starlette:
    """The application; its folder exists while it runs.

    hw: configuration. limit_s: of a job. options: of Jobs.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        jobs = Jobs(hw, Path(tempfile.mkdtemp(prefix="peritus-serve-")), limit_s=limit_s, **options)
        app.state.jobs = jobs
        try:
            yield
        finally:
            jobs.close()

    async def refused(request: Request, error: Exception) -> Response:
        status = 503 if isinstance(error, QueueFull) else 400
        return JSONResponse({"error": str(error)}, status_code=status)

    async def choices(request: Request) -> Response:
        models = {model: tasks_of(model) for model in api.model_names()}
        return JSONResponse({"hw": hw, "models": models, "devices": DEVICES})

    routes: list[tuple[str, Callable[[Request], Awaitable[Response]], list[str]]] = [
        ("/", _index, ["GET"]),
        ("/static/{name}", _static, ["GET"]),
        ("/choices", choices, ["GET"]),
        ("/jobs", _submit, ["POST"]),
        ("/jobs/{id}", _status, ["GET"]),
        ("/jobs/{id}", _cancel, ["DELETE"]),
        ("/jobs/{id}/{what}", _file, ["GET"]),
    ]
    from peritus.errors import PeritusError

    return Starlette(
        routes=[Route(path, answer, methods=methods) for path, answer, methods in routes],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
        exception_handlers={PeritusError: refused},
        lifespan=lifespan,
    )


async def _index(request: Request) -> Response:
    from starlette.responses import HTMLResponse

    text = (FOLDER / "index.html").read_text(encoding="utf-8")
    return HTMLResponse(text, headers={"Content-Security-Policy": PAGE_POLICY})


async def _static(request: Request) -> Response:
    from starlette.responses import PlainTextResponse, Response

    name = request.path_params["name"]
    if name not in STATIC:
        return PlainTextResponse("no such file", status_code=404)
    return Response((FOLDER / name).read_bytes(), media_type=STATIC[name])


async def _submit(request: Request) -> Response:
    """The photo is the body; model, task and device are the query."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse

    _same_origin(request)
    jobs: Jobs = request.app.state.jobs
    model, task, device = (request.query_params.get(name, "") for name in ("model", "task", "device"))
    if model not in api.model_names() or task not in tasks_of(model) or device not in DEVICES:
        raise ServeError("unknown model, task or device: take one of those that the page offers")
    jobs.check_room()
    name, folder = jobs.new_folder()
    try:
        await _receive(request, folder / "photo")
        await run_in_threadpool(read_photo, folder / "photo")
        job = jobs.submit(name, folder, model, task, device)
    except BaseException:  # also if the tab is closed in the midst of it
        jobs.discard(folder)
        raise
    return JSONResponse(_record(jobs, job), status_code=202)


def _same_origin(request: Request) -> None:
    """No other site's page starts jobs here: browsers say where a request comes from."""
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{request.headers.get('host')}":
        raise ServeError("requests of other pages are not answered")


async def _receive(request: Request, path: Path) -> None:
    said = request.headers.get("content-length", "0")
    if said.isdecimal() and int(said) > MAX_UPLOAD:
        raise ServeError(f"a photo of {int(said):,} bytes, at most {MAX_UPLOAD:,} are read")
    try:
        await asyncio.wait_for(_write(request, path), UPLOAD_S)
    except asyncio.TimeoutError as error:  # noqa: UP041  (Python 3.10 has another of its own)
        raise ServeError(f"the photo has not arrived after {UPLOAD_S:g} s") from error


async def _write(request: Request, path: Path) -> None:
    size = 0
    with path.open("wb") as file:
        async for part in request.stream():
            size += len(part)
            if size > MAX_UPLOAD:
                raise ServeError(f"a photo of more than {MAX_UPLOAD:,} bytes is not read")
            file.write(part)


def _record(jobs: Jobs, job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "state": job.state.value,
        "step": job.step,
        "before": jobs.before(job),
        "seconds": round(job.seconds, 1),
        "model": job.model,
        "task": job.task,
        "device": job.device,
    }


async def _status(request: Request) -> Response:
    from starlette.responses import JSONResponse

    jobs: Jobs = request.app.state.jobs
    return JSONResponse(_record(jobs, jobs.find(request.path_params["id"])))


async def _cancel(request: Request) -> Response:
    from starlette.responses import JSONResponse

    _same_origin(request)
    jobs: Jobs = request.app.state.jobs
    job = jobs.find(request.path_params["id"])
    jobs.cancel(job)
    return JSONResponse(_record(jobs, job))


async def _file(request: Request) -> Response:
    """The map or the report of a job that is done."""
    from starlette.responses import FileResponse

    job = request.app.state.jobs.find(request.path_params["id"])
    if job.state is not State.DONE:
        raise ServeError("the job has no result yet")
    match request.path_params["what"]:
        case "map":
            return FileResponse(job.picture, media_type="image/png")
        case "report":
            headers = {"Content-Security-Policy": REPORT_POLICY}
            return FileResponse(job.report, media_type="text/html", headers=headers)
        case _:
            raise ServeError("a job has a map and a report")
