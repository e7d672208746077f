"""``POST /read``: a picture in, the JSON of ``ferlite run`` out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp import web

from edge.errors import FerliteError, SourceError
from edge.pipeline import Pipeline
from edge.serve.access import HEADERS, refusal
from edge.serve.film import NICE, be_nice
from edge.sinks.json_lines import as_json
from edge.source import Frame
from edge.sources.decode import decode_image
from edge.steps import read

LARGEST = 16 * 2**20  # bytes of a picture
MOST_AT_ONCE = 8  # pictures that arrive or wait: memory stays bounded whoever sends
ARRIVAL = 20.0  # seconds in which a picture must have arrived
NAME = "upload"


class Stills:
    """Reads pictures one after the other, in a thread and a pipeline of its own.

    The pipeline is opened by the first picture, so that a live page alone does not pay for it.
    """

    def __init__(self, open_pipeline: Callable[[], Pipeline]) -> None:
        self._open = open_pipeline
        self._pipeline: Pipeline | None = None
        # After the source's own frames, and before the pictures for viewers.
        self._reader = ThreadPoolExecutor(1, "ferlite-stills", partial(be_nice, NICE // 2))
        self._here = 0
        self.read, self.refused = 0, 0

    @property
    def queued(self) -> bool:
        """Whether pictures wait for the one that is being read."""
        return self._here > 1

    async def answer(self, request: web.Request) -> web.Response:
        """The handler."""
        response = await self._answer(request)
        if response.status == 200:
            self.read += 1
        else:
            self.refused += 1
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        if request.content_type.startswith("multipart/"):
            return refusal(415, "send the picture itself as the body, as in curl --data-binary @photo.jpg")
        if (request.content_length or 0) > LARGEST:
            return _too_large()
        if self._here >= MOST_AT_ONCE:
            sentence = f"{MOST_AT_ONCE} pictures are being read already: try again in a second"
            return refusal(503, sentence, **{"Retry-After": "1"})
        self._here += 1
        try:
            content = await asyncio.wait_for(_body(request), ARRIVAL)
            if content is None:
                return _too_large()
            if not content:
                return refusal(400, "the body is empty: send a picture as the body")
            table = await asyncio.get_running_loop().run_in_executor(self._reader, self._read, content)
        except asyncio.TimeoutError:
            return refusal(408, f"the picture did not arrive within {ARRIVAL:.0f} seconds")
        except SourceError as error:
            return refusal(422, str(error))
        except FerliteError as error:
            return refusal(500, str(error))
        finally:
            self._here -= 1
        return web.json_response(table, headers=HEADERS)

    def _read(self, content: bytes) -> dict[str, object]:
        """In the reader's thread. Raises SourceError for no picture, FerliteError for a fault of ours."""
        image = decode_image(content, NAME)
        if self._pipeline is None:
            self._pipeline = self._open()
        return as_json(read(self._pipeline, Frame(NAME, 0, None, image)))

    def close(self) -> None:
        """Wait for the picture that is being read, and free the pipeline."""
        self._reader.shutdown(wait=True, cancel_futures=True)
        if self._pipeline is not None:
            self._pipeline.close()


async def _body(request: web.Request) -> bytes | None:
    """The whole body; None where it is too large, whatever its header said."""
    parts, size = [], 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > LARGEST:
            return None
        parts.append(part)
    return b"".join(parts)


def _too_large() -> web.Response:
    # The rest of the body is not waited for, so the connection cannot be used again.
    return refusal(413, f"the picture is over the limit of {LARGEST >> 20} MiB", Connection="close")
