"""``POST /read``: the JSON of ``run``, and one clear sentence for whatever is wrong."""

from __future__ import annotations

import json
import struct
import threading
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from edge.pipeline import Pipeline
from edge.source import Frame
from edge.steps import read
from tests.serve.conftest import Live

pytest.importorskip("aiohttp", reason="ferlite serve needs aiohttp: pip install 'ferlite[serve]'")

Start = Callable[..., Live]


def png(frame: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", frame)[1])


def huge_png() -> bytes:
    """A PNG that says it has 40,000 x 40,000 pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + b"x" * 20
    )


def test_a_picture_is_read_as_run_reads_it(
    start: Start, open_tiny: Callable[[], Pipeline], frames: list[np.ndarray]
) -> None:
    from edge.sinks.json_lines import as_json

    live = start()
    answer, body = live.ask("POST", "/read", png(frames[0]))
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("application/json")
    with open_tiny() as pipeline:
        expected = as_json(read(pipeline, Frame("upload", 0, None, frames[0])))
    assert json.loads(body) == json.loads(json.dumps(expected))
    assert len(expected["faces"]) == 1


BAD = {
    "empty": (b"", 400, "the body is empty"),
    "text": (b"hello", 422, "'upload' is not a picture"),
    "cut": (png(np.zeros((64, 64, 3), np.uint8))[:-20], 422, "'upload' is cut short"),
    "pixels": (huge_png(), 422, "'upload' has 40000 x 40000 pixels, over the limit of 33,554,432 pixels"),
    "large": (b"\xff\xd8\xff" + bytes(16 * 2**20), 413, "the picture is over the limit of 16 MiB"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(start: Start, case: str) -> None:
    body, status, sentence = BAD[case]
    answer, text = start().ask("POST", "/read", body)
    assert answer.status == status
    table = json.loads(text)
    assert list(table) == ["error"] and sentence in table["error"] and "\n" not in table["error"]


def test_a_wrong_method_a_form_and_a_wrong_place(start: Start) -> None:
    live = start()
    answer, body = live.ask("GET", "/read")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert json.loads(body)["error"] == "GET is not for '/read': use POST"
    answer, body = live.ask("POST", "/read", b"--x--", Content_Type="multipart/form-data; boundary=x")
    assert answer.status == 415 and "send the picture itself" in json.loads(body)["error"]
    answer, body = live.ask("GET", "/nowhere")
    assert answer.status == 404 and "there is no '/nowhere'" in json.loads(body)["error"]
    answer, body = live.ask("GET", "/video")
    assert answer.status == 404 and "there is no video" in json.loads(body)["error"]


def test_a_body_without_a_length_is_bounded_too(start: Start) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", start().port, timeout=60)
    chunks = (bytes(2**20) for _ in range(17))
    try:
        connection.request(
            "POST", "/read", chunks, encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
        )
    except (BrokenPipeError, ConnectionResetError):
        return  # the server has seen enough, and said so to nobody
    assert connection.getresponse().status == 413
    connection.close()


def test_more_pictures_than_can_be_read_are_refused_and_none_is_lost(
    start: Start, frames: list[np.ndarray]
) -> None:
    live, picture = start(), png(frames[0])
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(live.ask("POST", "/read", picture)[0].status))
        for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40 and set(found) <= {200, 503}
    assert found.count(200) >= 8
    assert live.ask("POST", "/read", picture)[0].status == 200
