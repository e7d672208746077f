"""What is shown of a camera's address."""

from __future__ import annotations

import pytest

from edge.sources.address import file_of, masked


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:hunter2@10.0.0.7:554/live", "rtsp://***@10.0.0.7:554/live"),
        ("RTSP://admin@cam/1", "RTSP://***@cam/1"),
        ("rtsp://admin:p@ss@w@cam/1", "rtsp://***@cam/1"),
        ("rtsp://admin:p%40ss@[fe80::1]/1", "rtsp://***@[fe80::1]/1"),
        ("http://cam/video?user=a&password=b&size=1", "http://cam/video?user=***&password=***&size=1"),
        ("http://cam/video?Token=abc#x", "http://cam/video?Token=***#x"),
        ("http://cam/a@b?monkey=1", "http://cam/a@b?monkey=1"),
        (
            'rtspsrc location=rtsp://a:b@cam/1 user-id=a user-pw="b c" ! appsink',
            "rtspsrc location=rtsp://***@cam/1 user-id=*** user-pw=*** ! appsink",
        ),
        (
            "cannot open 'rtsp://a:b@cam/1' or 'http://c:d@e/'",
            "cannot open 'rtsp://***@cam/1' or 'http://***@e/'",
        ),
        ("holiday@home key=3.jpg", "holiday@home key=3.jpg"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_what_lets_anybody_in_is_not_shown(address: str, shown: str) -> None:
    assert masked(address) == shown
    assert masked(shown) == shown


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("file:///a/b%20c.mp4", "/a/b c.mp4"),
        ("FILE://localhost/a.mp4", "/a.mp4"),
        ("file://elsewhere/a.mp4", "file://elsewhere/a.mp4"),
        ("a.mp4", "a.mp4"),
    ],
)
def test_a_file_address_is_its_path(address: str, path: str) -> None:
    assert file_of(address) == path
