"""What a command's end means to the shell. The only place that turns exceptions into exit codes."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from edge.errors import FerliteError, SinkError, UsageError
from edge.files import reason

OK, FAILED, USAGE, UNEXPECTED, INTERRUPTED = 0, 1, 2, 3, 130
# Packages that only a part of ferlite needs, and what to install for it.
EXTRAS = {
    "torch": "train",
    "onnxscript": "train",
    "onnx": "build",
    "nncf": "build-openvino",
    "openvino": "build-openvino",
    "onnxruntime": "build",
    "packaging": "boards",
    "tomli": "boards",
    "distributed": "cluster",
    "dask": "cluster",
    "pyarrow": "cluster",
    "asyncssh": "cluster",
}


class Stopped(KeyboardInterrupt):
    """The system asked this process to end (SIGTERM, SIGHUP): what is open is finished, as for Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def guard(program: str, command: Callable[[], int]) -> int:
    """Run ``command`` and return its exit code, having said in one sentence what went wrong.

    A process that was told to end finishes what is open and then dies of that very signal, which is what
    shells and systemd want to see.
    """
    _prepare_streams()
    try:
        with _ends_politely():
            code = command()
            _flush()
            return code
    except Stopped as stopped:
        with suppress(OSError, SinkError):
            _flush()
        signal.signal(stopped.number, signal.SIG_DFL)
        os.kill(os.getpid(), stopped.number)
        return 128 + stopped.number
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _abandon_stdout()  # the reader (head, less) has seen enough
        return OK
    except Exception as error:
        if os.environ.get("FERLITE_DEBUG"):
            raise
        return _say(program, *_sentence(error))


def _sentence(error: Exception) -> tuple[str, int]:
    """What to say of an error, and the exit code."""
    if isinstance(error, FerliteError):
        return str(error), USAGE if isinstance(error, UsageError) else FAILED
    if isinstance(error, ImportError):
        return _missing(error), FAILED
    if isinstance(error, OSError):
        where = f"'{error.filename}': " if error.filename else ""
        return f"{where}{reason(error)}", FAILED
    if isinstance(error, MemoryError) or "Insufficient memory" in str(error):
        return "there is not enough memory for this", FAILED
    if isinstance(error, RecursionError):
        return "the input is nested too deeply", FAILED
    what = f"unexpected {type(error).__name__}: {error} (set FERLITE_DEBUG=1 to see where)"
    return what, UNEXPECTED


def _missing(error: ImportError) -> str:
    """What to install for an import that failed."""
    package = (error.name or "").partition(".")[0]
    if package == "cv2":
        return f"OpenCV does not load here: {error}; ferlite doctor says what to do"
    if isinstance(error, ModuleNotFoundError) and package in EXTRAS:
        return f"this needs the package {package}: pip install 'ferlite[{EXTRAS[package]}]'"
    return f"a package does not load here: {error}"


def _say(program: str, sentence: str, code: int) -> int:
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"{program}: {' '.join(sentence.split())}", file=sys.stderr)
    return code


def _prepare_streams() -> None:
    """Names that are not UTF-8 can be printed; a stream that was closed stays closed to everybody else.

    Where the shell closed one, the next file to be opened would get its number, and a C library's message
    would land in it.
    """
    for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
        if stream is None:
            with suppress(OSError):
                os.fstat(number)
                continue
            os.open(os.devnull, os.O_RDWR)
        elif number == 1 and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Send what was printed on its way, now that an error can still be told."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _abandon_stdout()
        raise SinkError(f"cannot write to standard output: {reason(error)}") from error


def _abandon_stdout() -> None:
    """Let nobody complain, when Python exits, of what can no longer be written."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _ends_politely() -> Iterator[None]:
    """SIGTERM and SIGHUP raise Stopped, once, unless whoever started us has other plans for them."""
    numbers = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if threading.current_thread() is threading.main_thread()
        and signal.getsignal(number) is signal.SIG_DFL
    ]

    def stop(number: int, frame: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
