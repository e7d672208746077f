"""The server: an event loop in a thread of its own, beside the run that it shows."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from edge.errors import SinkError
from edge.files import reason
from edge.live.listen import Address
from edge.live.vitals import Vitals
from edge.serve.access import HEADERS, Gate, Handler, refusal
from edge.serve.film import NICE, Film, Newest, be_nice
from edge.serve.stills import LARGEST, Stills
from edge.sinks.json_lines import as_json, moment_as_json

PAGE = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
MOST_VIEWERS = 64
STALL = 10.0  # seconds without taking a picture after which a viewer is taken to be gone
TICK = 0.2  # seconds between two messages to the pages
BOUNDARY = "ferlite-frame"


@dataclass(frozen=True)
class Show:
    """What there is to see: the newest frame, the run's numbers, the reader of stills.

    ``labels`` are the expressions in the bundle's order, None where there is no video. ``metrics`` gives
    Prometheus' text and its content type, where it is installed.
    """

    newest: Newest
    vitals: Vitals
    stills: Stills
    labels: tuple[str, ...] | None
    metrics: Callable[[], tuple[bytes, str]] | None = None


class Server:
    """Serves until it is closed. ``port`` is the one that it listens at. Raises SinkError."""

    def __init__(self, address: Address, token: str, show: Show) -> None:
        self._address, self._token, self._show = address, token, show
        started: Future[int] = Future()
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run, args=(started,), name="ferlite-serve", daemon=True)
        self._thread.start()
        self.port = started.result()

    def close(self) -> None:
        """Say good-bye to the viewers and end; a second call does nothing."""
        self._stop()
        self._thread.join()

    def _run(self, started: Future[int]) -> None:
        try:
            be_nice(NICE)
            asyncio.run(self._serve(started))
        except BaseException as error:
            if started.done():
                raise
            # Whatever it is: nobody else would hear of it, and somebody waits.
            why = reason(error) if isinstance(error, OSError) else str(error) or type(error).__name__
            started.set_exception(SinkError(f"cannot serve at '{self._address}': {why}"))
        finally:
            self._show.stills.close()

    async def _serve(self, started: Future[int]) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        site = _Site(self._show)
        app = web.Application(
            middlewares=[Gate(self._address, self._token).__call__, _sentences],
            client_max_size=LARGEST,
        )
        app.add_routes(site.routes())
        app.cleanup_ctx.append(site.living)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            place = web.TCPSite(runner, self._address.host, self._address.port)
            await place.start()
            self._stop = lambda: _threadsafe(loop, stop.set)
            started.set_result(runner.addresses[0][1])
            await stop.wait()
        finally:
            await runner.cleanup()


class _Site:
    """The pages and streams."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self._film = Film(show.newest, lambda: show.stills.queued)
        self._ended = False
        self._told, self._words = float("-inf"), b""

    def routes(self) -> list[web.RouteDef]:
        """All that can be asked for."""
        return [
            *(web.get(path, self._file) for path in PAGE),
            web.get("/video", self._video),
            web.get("/events", self._events),
            web.get("/metrics", self._numbers),
            web.post("/read", self._show.stills.answer),
        ]

    async def living(self, app: web.Application) -> AsyncIterator[None]:
        """Encodes while the server lives."""
        rolling = asyncio.create_task(self._film.roll())
        yield
        self._ended = True
        rolling.cancel()
        with suppress(asyncio.CancelledError):
            await rolling
        self._film.close()

    async def _file(self, request: web.Request) -> web.Response:
        name, kind = PAGE[request.path]
        text = (Path(__file__).parent / name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=kind, charset="utf-8", headers=HEADERS)

    async def _video(self, request: web.Request) -> web.StreamResponse:
        """Pictures, each in the place of the one before (multipart/x-mixed-replace)."""
        if self._show.labels is None:
            return refusal(404, "there is no video: this server reads stills that are sent to '/read'")
        if self._film.viewers >= MOST_VIEWERS:
            return refusal(503, f"{MOST_VIEWERS} viewers are looking already")
        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": kind})
        await response.prepare(request)
        number = 0
        with self._film.viewer(), suppress(ConnectionError, asyncio.TimeoutError):
            while True:
                number, picture = await self._film.after(number)
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                await asyncio.wait_for(response.write(head.encode() + picture + b"\r\n"), STALL)
        if request.transport is not None:
            request.transport.abort()  # what a stalled viewer has not taken would be kept for it
        return response

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """What is read, as server-sent events: the newest only, whatever came in between."""
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        with suppress(ConnectionError, asyncio.TimeoutError):
            while not self._ended:
                await asyncio.wait_for(response.write(self._message()), STALL)
                await asyncio.sleep(TICK)
        return response

    def _message(self) -> bytes:
        """The newest message, made once for all pages."""
        now = asyncio.get_running_loop().time()
        if now - self._told >= TICK / 2:
            self._told = now
            self._words = f"data: {json.dumps(self._state(), ensure_ascii=False)}\n\n".encode()
        return self._words

    def _state(self) -> dict[str, object]:
        result, moments = self._show.newest.result, self._show.newest.movements
        return {
            **self._show.vitals.as_json(),
            "video": self._show.labels is not None,
            "labels": self._show.labels,
            "viewers": self._film.viewers,
            "stills": self._show.stills.read,
            "reading": None if result is None else as_json(result),
            "moments": [{"number": number, **moment_as_json(each)} for number, each in moments],
        }

    async def _numbers(self, request: web.Request) -> web.Response:
        if self._show.metrics is None:
            need = "/metrics needs the prometheus-client package: pip install 'ferlite[metrics]'"
            return refusal(501, need)
        text, kind = self._show.metrics()
        return web.Response(body=text, headers={**HEADERS, "Content-Type": kind})


@web.middleware
async def _sentences(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors that aiohttp finds, in our form."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods - {"HEAD"}))
        sentence = f"{request.method} is not for '{request.path}': use {allowed}"
        return refusal(405, sentence, Allow=allowed)
    except web.HTTPNotFound:
        return refusal(404, f"there is no '{request.path}': choose /, /video, /events, /read, /metrics")
    except (web.HTTPException, ConnectionError):
        raise
    except Exception as error:
        return refusal(500, f"unexpected {type(error).__name__}: {error}")


def _threadsafe(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the loop is closed already
        loop.call_soon_threadsafe(call)
