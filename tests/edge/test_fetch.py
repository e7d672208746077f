"""Fetching weights, from a server on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from edge import fetch
from edge.errors import FetchFailed, UsageError
from edge.fetch import Weights

CONTENT = bytes(range(256)) * 1000


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT, whole or from a byte on; /short breaks off half-way, /other sends something else."""

    asked: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        start = self.headers.get("Range")
        self.asked.append(start)
        if self.path == "/missing":
            self.send_error(404)
            return
        content = CONTENT[::-1] if self.path == "/other" else CONTENT
        first = int(start.removeprefix("bytes=").rstrip("-")) if start and self.path != "/no-range" else 0
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        stop = len(content) // 2 if self.path == "/short" and not first else len(content)
        self.wfile.write(content[first:stop])

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    file = Weights("http://127.0.0.1:9/", "w.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), "MIT")
    monkeypatch.setitem(fetch.WEIGHTS, "yunet", file)
    monkeypatch.setenv("FERLITE_CACHE", str(tmp_path / "cache"))
    Handler.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_a_file_arrives_whole_and_is_not_fetched_again(server: str) -> None:
    path = fetch.fetch("yunet", f"{server}/w")
    assert path.read_bytes() == CONTENT
    assert fetch.fetch("yunet", f"{server}/w") == path
    assert len(Handler.asked) == 1
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("second", ["/w", "/no-range"])
def test_a_broken_download_is_gone_on_with(server: str, second: str) -> None:
    with pytest.raises(FetchFailed, match=r"(after 128000 of 256000|IncompleteRead|offline)"):
        fetch.fetch("yunet", f"{server}/short")
    part = fetch.cached("yunet").with_name("w.bin.part")
    assert part.stat().st_size == len(CONTENT) // 2
    assert fetch.fetch("yunet", f"{server}{second}").read_bytes() == CONTENT
    assert Handler.asked == [None, f"bytes={len(CONTENT) // 2}-"]


def test_another_content_is_thrown_away(server: str) -> None:
    with pytest.raises(FetchFailed, match="its sha256 differs"):
        fetch.fetch("yunet", f"{server}/other")
    assert list(fetch.cache_folder().iterdir()) == []


def test_a_damaged_cached_file_is_fetched_again(server: str) -> None:
    path = fetch.fetch("yunet", f"{server}/w")
    path.write_bytes(b"damaged")
    assert fetch.fetch("yunet", f"{server}/w").read_bytes() == CONTENT


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:9/w", "nonsense", "file:///nowhere"])
def test_offline_says_what_to_do(server: str, address: str) -> None:
    with pytest.raises(FetchFailed, match="offline, copy the file to .* or give it with --detector-model"):
        fetch.fetch("yunet", address)


def test_a_missing_file_and_an_unknown_name(server: str) -> None:
    with pytest.raises(FetchFailed, match="Not Found"):
        fetch.fetch("yunet", f"{server}/missing")
    with pytest.raises(UsageError, match="nothing called 'mtcnn' can be fetched: choose yunet"):
        fetch.fetch("mtcnn")


def test_the_cache_cannot_be_written(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FERLITE_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(FetchFailed, match="cannot write"):
        fetch.fetch("yunet", f"{server}/w")
