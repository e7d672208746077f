"""A program that waits until it is told to end, and notes it: ``python -m tests.cluster.waits FILE``."""

import signal
import sys
from pathlib import Path
from types import FrameType


def told(number: int, frame: FrameType | None) -> None:
    Path(sys.argv[1]).write_text("told")
    raise SystemExit(3)


signal.signal(signal.SIGTERM, told)
print("ready", file=sys.stderr, flush=True)
signal.pause()
