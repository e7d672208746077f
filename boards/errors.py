"""Everything the boards package raises, and the exit code each becomes.

As in the runtime, every error has two parents (ours and the standard one a Python programmer expects)
and its message is one sentence: what failed, the value quoted, what to type next.

    BoardsError                               anything understood                     exit 1
    ├── UsageError(ValueError)                an argument makes no sense              exit 2
    ├── ProfileInvalid(ValueError)            a profile has an unknown key or value
    ├── BoardUnknown(LookupError)             no profile of that name, or none matches
    ├── BoardRefused(RuntimeError)            the board or its system cannot run ferlite
    ├── BundleInvalid(ValueError)             a bundle that cannot be read
    ├── PayloadInvalid(ValueError)            a payload or wheelhouse that does not fit the board
    ├── ToolMissing(OSError)                  a program of the system is not installed
    ├── DeployFailed(OSError)                 the board could not be reached, or refused the payload
    ├── ImageInvalid(ValueError)              an image that cannot be written to
    ├── DeviceRefused(OSError)                a device that must not be written to
    └── EmulationFailed(RuntimeError)         the emulated board did not come up
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable


class BoardsError(Exception):
    """Anything that went wrong in a way the boards package understands."""


class UsageError(BoardsError, ValueError):
    """An argument makes no sense."""


class ProfileInvalid(BoardsError, ValueError):
    """A profile has an unknown key or value."""


class BoardUnknown(BoardsError, LookupError):
    """There is no profile of that name, or none that matches the board."""


class BoardRefused(BoardsError, RuntimeError):
    """The board, or the system on it, cannot run ferlite."""


class BundleInvalid(BoardsError, ValueError):
    """A bundle cannot be read."""


class PayloadInvalid(BoardsError, ValueError):
    """A payload or wheelhouse does not fit the board."""


class ToolMissing(BoardsError, OSError):
    """A program of the system is not installed."""


class DeployFailed(BoardsError, OSError):
    """The board could not be reached, or refused the payload."""


class ImageInvalid(BoardsError, ValueError):
    """An image cannot be written to."""


class DeviceRefused(BoardsError, OSError):
    """A device must not be written to."""


class EmulationFailed(BoardsError, RuntimeError):
    """The emulated board did not come up."""


def exit_code(action: Callable[[], int], *, as_json: bool = False) -> int:
    """Run ``action`` and turn what it raises into a message on standard error and an exit code."""
    try:
        return action()
    except BoardsError as error:
        code = 2 if isinstance(error, UsageError) else 1
        message = " ".join(str(error).split())
        if as_json:
            message = json.dumps({"error": type(error).__name__, "message": message})
        print(message if as_json else f"ferlite boards: {message}", file=sys.stderr)
        return code
    except KeyboardInterrupt:
        print("ferlite boards: interrupted; nothing half-done is in use", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception:
        traceback.print_exc()
        print("ferlite boards: this is a fault in ferlite; please report the lines above", file=sys.stderr)
        return 3
