"""What a command's end means to the shell. The only place that turns exceptions into exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from edge.errors import FerliteError, UsageError

OK, FAILED, USAGE, UNEXPECTED, INTERRUPTED = 0, 1, 2, 3, 130


def guard(program: str, command: Callable[[], int]) -> int:
    """Run ``command`` and return its exit code, having said in one sentence what went wrong."""
    try:
        code = command()
        sys.stdout.flush()
        return code
    except UsageError as error:
        return _say(program, str(error), USAGE)
    except FerliteError as error:
        return _say(program, str(error), FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python must not complain of it at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if os.environ.get("FERLITE_DEBUG"):
            raise
        what = f"unexpected {type(error).__name__}: {error} (set FERLITE_DEBUG=1 to see where)"
        return _say(program, " ".join(what.split()), UNEXPECTED)


def _say(program: str, sentence: str, code: int) -> int:
    print(f"{program}: {sentence}", file=sys.stderr)
    return code
