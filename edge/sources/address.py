"""Addresses of cameras and streams, as they may be shown: without what lets anybody in."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

# Everything up to the last "@" before the path: a password may hold one that nobody escaped.
_USER = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^/?#\s'\"]*@", re.IGNORECASE)
_SECRET = re.compile(
    r"(?P<name>\b(?:user|username|usr|login|user-id|user-pw|pass|passwd|password|pwd|pw|token|access_token|auth"
    r"|authorization|key|apikey|api_key|secret|signature|sig|streamid|passphrase)=)(?P<value>\"[^\"]*\"|[^&#\s'\"]+)",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """``text`` with the user part of every address in it, and what is named like a secret, as "***".

    >>> masked("rtsp://admin:hunter2@10.0.0.7/live?token=abc")
    'rtsp://***@10.0.0.7/live?token=***'
    """
    if "://" not in text:  # a file may well be called "key=3.jpg"
        return text
    return _SECRET.sub(r"\g<name>***", _USER.sub(r"\g<scheme>***@", text))


def file_of(address: str) -> str:
    """The path that a file:// address names, and anything else as it is."""
    if address[:7].lower() != "file://":
        return address
    parts = urlsplit(address)
    return unquote(parts.path) if parts.netloc in ("", "localhost") else address
