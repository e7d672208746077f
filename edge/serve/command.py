"""``ferlite serve``: the command line of the live page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from edge import settings
from edge.commands import command, exits
from edge.errors import FerliteError, SinkError

PROGRAM = "ferlite"
TEXT = "show a live page, and read pictures that are sent over HTTP"
WORDS = (
    "bundle",
    "prior",
    "profile",
    "require_signature",
    "engine",
    "device",
    "threads",
    "overlap",
    "smooth",
    "pace",
    "detector",
    "detector_model",
    "detector_engine",
    "detect_size",
    "detect_every",
    "detect_score",
    "moments",
    "spotter",
    "sink_limit_mb",
    "privacy",
    "mqtt",
    "mqtt_password",
    "mqtt_ca",
    "metrics",
    "most",
    "quiet",
    "notify",
)


def add(verbs: Any) -> None:
    """Add the verb to ``ferlite``'s."""
    serve = command.verb(verbs, "serve", TEXT, _serve, json=False)
    serve.add_argument(
        "source",
        nargs="?",
        type=command.filled,
        default=argparse.SUPPRESS,
        metavar="SOURCE",
        help="video, camera number, /dev/videoN, URL, picamera2; none: stills",
    )
    serve.add_argument(
        "--config", type=Path, metavar="FILE", help="settings as JSON (what a deployed board uses)"
    )
    serve.add_argument(
        "--listen",
        type=command.filled,
        default="8600",
        metavar="HOST:PORT",
        help="where (default: 8600 of this machine alone)",
    )
    serve.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="whose first line opens the page; made up where others can reach it",
    )
    settings.add_options(serve, WORDS)


def _serve(arguments: argparse.Namespace) -> int:
    if hasattr(arguments, "source"):
        arguments.source = [arguments.source]
    wanted = settings.resolve(arguments, served=True)
    from edge.commands.outputs import refuse_losses

    refuse_losses(wanted, arguments.config, arguments.token_file)
    from edge.memory import one_arena

    one_arena()
    try:
        import aiohttp  # noqa: F401 - the page's server is the only thing that needs it
    except ModuleNotFoundError as error:
        raise SinkError("serve needs the aiohttp package: pip install 'ferlite[serve]'") from error
    from edge.live.listen import address
    from edge.live.notify import Notifier
    from edge.serve.access import new_token, token_from
    from edge.serve.serve import ServeOptions, serve

    where = address(arguments.listen, "--listen")
    token = token_from(arguments.token_file) if arguments.token_file else ""
    made_up = "" if token or where.loopback else new_token()

    def ready(port: int) -> None:
        host = "localhost" if where.loopback else where.host
        host = f"[{host}]" if ":" in host else host
        key = f"?token={made_up}" if made_up else "?token=..." if token else ""
        print(f"{PROGRAM}: serving at http://{host}:{port}/{key}", file=sys.stderr, flush=True)

    passed = Notifier().frame_passed if wanted.notify else lambda: None
    options = ServeOptions(where, token or made_up)
    remark = _remark if not wanted.quiet else lambda sentence: None
    summary = serve(wanted, options, ready=ready, complain=_complain, after_frame=passed, remark=remark)
    return exits.FAILED if summary.failures else exits.OK


def _remark(sentence: str) -> None:
    print(f"{PROGRAM}: {sentence}", file=sys.stderr)


def _complain(error: FerliteError) -> None:
    print(f"{PROGRAM}: {error}", file=sys.stderr)
