"""Where sound comes from: a WAV file beside a video, raw samples on standard input, a microphone.

Of what is heard now the last second stays in memory, and nothing is ever written. A file is read where the
video's time is.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
import wave
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import numpy.typing as npt

from edge.errors import SourceError, UsageError
from edge.files import reason
from edge.voice.mel import RATE, SAMPLES

Samples = npt.NDArray[np.int16]
ALSA = "alsa:"
QUIET_S = 1.0  # without a sample for so long, a live sound is not there
PATIENCE_S = 1.0  # for a microphone to say that it cannot be opened
_PIECE = 1600  # samples read at a time: a tenth of a second


class Sound(Protocol):
    """What is heard, 16 kHz, one channel. ``name`` is what messages call it."""

    name: str

    def last(self, now: float) -> Samples | None:
        """The SAMPLES that end at ``now``, seconds of the video; None where nothing was heard then.

        Raises SourceError where the sound has ended that should not.
        """
        ...

    def close(self) -> None:
        """Hear no more; a second call does nothing."""
        ...


def open_sound(spec: str) -> Sound:
    """A WAV file, "-" for raw samples on standard input, "alsa:NAME" for a microphone.

    Raises SourceError, and UsageError.
    """
    if spec == "-":
        # Unbuffered: the program could not end while a thread waits for a buffer's lock.
        try:
            return PipedSound("standard input", os.fdopen(0, "rb", buffering=0, closefd=False))
        except OSError as error:
            raise SourceError(f"voice '-': standard input cannot be read: {reason(error)}") from error
    if spec.startswith(ALSA):
        return Microphone(spec.removeprefix(ALSA))
    return WavSound(Path(spec))


class WavSound:
    """A WAV file of 16-bit samples at 16 kHz, one channel or two. See ``Sound``."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            self._file = wave.open(str(path), "rb")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise SourceError(f"voice '{path}' cannot be read: {reason(error)}") from error
        except (wave.Error, EOFError, ValueError, RuntimeError) as error:  # the last: a chunk that ends early
            empty = path.is_file() and not path.stat().st_size
            why = "holds no sound: the file is empty" if empty else f"is no WAV file: {_make(path)}"
            raise SourceError(f"voice '{path}' {why}") from error
        try:
            self._check(path)
        except BaseException:
            self._file.close()
            raise

    def _check(self, path: Path) -> None:
        file = self._file
        if file.getsampwidth() != 2 or file.getnchannels() not in (1, 2):
            raise SourceError(
                f"voice '{path}' has {file.getnchannels()} channels of {8 * file.getsampwidth()} bits, and "
                f"one or two of 16 are heard: {_make(path)}"
            )
        if file.getframerate() != RATE:
            raise SourceError(
                f"voice '{path}' has {file.getframerate()} samples a second, and {RATE} are heard: "
                f"{_make(path)}"
            )
        if not file.getnframes():
            raise SourceError(f"voice '{path}' holds no sound")

    def last(self, now: float) -> Samples | None:
        """See ``Sound``; before the first whole window and after the file's end there is nothing."""
        start = round(now * RATE) - SAMPLES
        if start < 0 or start + SAMPLES > self._file.getnframes():
            return None
        try:
            self._file.setpos(start)
            heard = _mono(self._file.readframes(SAMPLES), self._file.getnchannels())
        except (OSError, wave.Error, ValueError, RuntimeError) as error:
            raise SourceError(f"voice '{self.name}' cannot be read any more: {error}") from error
        return heard if len(heard) == SAMPLES else None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class PipedSound:
    """Samples that come as they are said: 16 bits, little-endian, 16 kHz, one channel. See ``Sound``."""

    _thread: threading.Thread | None = None

    def __init__(self, name: str, stream: IO[bytes], ending: Callable[[], str] = lambda: "has ended") -> None:
        self.name, self._stream, self._ending = name, stream, ending
        self._pieces: deque[Samples] = deque(maxlen=2 + SAMPLES // _PIECE)
        self._lock = threading.Lock()
        self._heard = time.monotonic()
        self._over = False
        self._thread = threading.Thread(target=self._listen, name="ferlite-voice", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        rest = b""
        with suppress(OSError, ValueError):
            # A pipe gives what there is, which may end in the middle of a sample.
            while piece := self._stream.read(2 * _PIECE):
                whole = rest + piece
                even = len(whole) // 2 * 2
                rest = whole[even:]
                with self._lock:
                    self._pieces.append(np.frombuffer(whole[:even], "<i2").astype(np.int16))
                    self._trim()
                    self._heard = time.monotonic()
        self._over = True

    def _trim(self) -> None:
        """Keep a window, and no more."""
        joined = np.concatenate(list(self._pieces))[-SAMPLES:]
        self._pieces.clear()
        self._pieces.append(joined)

    def last(self, now: float) -> Samples | None:
        """See ``Sound``: the latest, whatever the video's time."""
        if self._over:
            raise SourceError(f"voice '{self.name}' {self._ending()}")
        if time.monotonic() - self._heard > QUIET_S:
            return None
        with self._lock:
            heard = self._pieces[0] if self._pieces else np.zeros(0, np.int16)
        return heard if len(heard) == SAMPLES else None

    def close(self) -> None:
        """The thread ends with the program, or with what it reads from."""


class Microphone(PipedSound):
    """A device that ALSA knows by this name, through arecord. See ``Sound``."""

    def __init__(self, device: str) -> None:
        if not device:
            raise UsageError(f"{ALSA} needs a name, such as {ALSA}default: 'arecord -L' lists them")
        words = ["arecord", "-q", "-D", device, "-f", "S16_LE", "-r", str(RATE), "-c", "1", "-t", "raw"]
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
            )
        except OSError as error:
            raise SourceError(
                f"voice '{ALSA}{device}' needs the program arecord: install alsa-utils ({reason(error)})"
            ) from error
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE_S)
            why = self._why()
            self.close()
            raise SourceError(f"voice '{ALSA}{device}' {why}: 'arecord -L' lists what there is")
        assert self._process.stdout is not None
        super().__init__(f"{ALSA}{device}", self._process.stdout, self._why)

    def _why(self) -> str:
        """What arecord said last."""
        assert self._process.stderr is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE_S)
        said = self._process.stderr.read().decode(errors="replace").strip() if self._process.poll() else ""
        return f"cannot be heard ({said.splitlines()[-1]})" if said else "gives no sound"

    def close(self) -> None:
        """End arecord."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE_S)
        if self._thread is not None:
            self._thread.join(PATIENCE_S)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError, ValueError):
                    pipe.close()


def _mono(content: bytes, channels: int) -> Samples:
    samples = np.frombuffer(content, "<i2")
    if channels == 1:
        return samples.astype(np.int16)
    pairs = samples[: len(samples) // 2 * 2].reshape(-1, 2).astype(np.int32)
    mixed: Samples = (pairs.sum(1) // 2).astype(np.int16)
    return mixed


def _make(path: Path) -> str:
    """What to type for a file that can be heard."""
    return f"ffmpeg -i '{path}' -ar {RATE} -ac 1 voice.wav makes one"
