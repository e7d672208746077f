"""Who may look: this machine alone, or who has the token. And no other website through somebody's browser."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from edge.errors import UsageError
from edge.live.listen import Address

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SHORTEST_TOKEN = 16  # characters
HEADERS = {
    # No script, style, picture or connection but our own, and no page around ours.
    "Content-Security-Policy": "default-src 'none'; img-src 'self' blob:; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def new_token() -> str:
    """A token of 128 random bits."""
    return secrets.token_urlsafe(16)


def token_from(file: Path) -> str:
    """The token that a file holds on its first line. Raises UsageError."""
    try:
        token = (file.read_text(encoding="utf-8").splitlines() or [""])[0].strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the token in '{file}': {getattr(error, 'strerror', error)}") from error
    if not re.fullmatch(rf"[A-Za-z0-9_.~+/=-]{{{SHORTEST_TOKEN},}}", token):
        raise UsageError(
            f"the token in '{file}' must be {SHORTEST_TOKEN} or more letters and digits: "
            "python -c 'import secrets; print(secrets.token_urlsafe())' makes one"
        )
    return token


class Gate:
    """Lets a request through or answers it. An empty ``token`` is enough for a loopback address only."""

    def __init__(self, address: Address, token: str) -> None:
        self._address, self._token = address, token
        # A browser sends cookies to every port of a host.
        self._cookie = f"ferlite-{address.port}"

    @web.middleware
    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware."""
        refused = self._foreign(request) or self._without_token(request)
        if refused is not None:
            return refused
        if self._token and "token" in request.query:
            # From the address bar into a cookie: addresses end up in histories and logs.
            response = web.Response(status=303, headers={"Location": request.path, **HEADERS})
            response.set_cookie(self._cookie, self._token, httponly=True, samesite="Lax", path="/")
            return response
        return await handler(request)

    def _foreign(self, request: web.Request) -> web.Response | None:
        """A refusal where another website asks, through a browser that can reach us."""
        host = urlsplit(f"//{request.host}").hostname or ""
        ours = {"localhost", self._address.host.lower()}
        # A name that was made to point here (DNS rebinding) would make that website one with ours.
        if not self._token and not (host in ours or Address(host, 0).loopback):
            return refusal(403, f"this page is for this machine alone, and not for '{host}'")
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        asked_for = request.headers.get("Sec-Fetch-Mode") == "navigate" and request.method == "GET"
        if (origin is not None and urlsplit(origin).netloc != request.host) or (
            site not in ("same-origin", "none") and not asked_for
        ):
            return refusal(403, "another website must not ask here")
        return None

    def _without_token(self, request: web.Request) -> web.Response | None:
        """A refusal where the token is needed and missing or wrong."""
        if not self._token:
            return None
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        given = (
            bearer.strip() if scheme.lower() == "bearer" else "",
            request.query.get("token", "") if request.method == "GET" else "",
            request.cookies.get(self._cookie, ""),
        )
        # All of them, and in constant time: how long it takes must tell nothing of the token.
        right = [hmac.compare_digest(each.encode(), self._token.encode()) for each in given]
        if any(right):
            return None
        what = "the token is wrong" if any(given) else "a token is needed"
        return refusal(
            401, f"{what}: add ?token=TOKEN to the address, or the header 'Authorization: Bearer TOKEN'"
        )


def refusal(status: int, sentence: str, **headers: str) -> web.Response:
    """An error as JSON, one sentence."""
    more = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return web.json_response({"error": sentence}, status=status, headers={**HEADERS, **more, **headers})
