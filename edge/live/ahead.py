"""One step of a frame's way in a thread of its own, a bounded number of frames ahead of the next step."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
HEED = 0.5  # seconds that a signal may have to wait


class Ahead(Iterator[T], Generic[T]):
    """The items of ``items`` in order, made by a thread, ``most`` of them at most before they are taken.

    A place for an item is waited for before the item is asked for: what is made is as fresh as it can be, and
    nothing piles up. What ``items`` raises is raised here, where its next item would have come.
    """

    def __init__(self, items: Iterator[T], most: int, name: str) -> None:
        self._stopped = False
        # Places are handed out and given back, which needs no lock of ours.
        self._places: SimpleQueue[None] = SimpleQueue()
        for _ in range(most):
            self._places.put(None)
        self._made: SimpleQueue[tuple[T] | BaseException] = SimpleQueue()  # the last one says why it ended
        self._ended: BaseException | None = None
        self._thread = threading.Thread(target=self._make, args=(items,), name=name, daemon=True)
        self._thread.start()

    def _make(self, items: Iterator[T]) -> None:
        try:
            while not self._stopped:
                self._places.get()
                if not self._stopped:
                    self._made.put((next(items),))
            if isinstance(items, Generator):
                items.close()
            self._made.put(StopIteration())
        except BaseException as error:  # StopIteration too: who takes the items must hear of every end
            self._made.put(error)

    def __next__(self) -> T:
        """The next item. Raises what making it raised, and StopIteration after the last."""
        if self._ended is not None:
            raise self._ended
        made = self._next_made()
        if isinstance(made, BaseException):
            self._ended = made
            raise made
        self._places.put(None)
        return made[0]

    def _next_made(self) -> tuple[T] | BaseException:
        # Ctrl-C that comes just before a wait begins is heard when it ends, and a source may be silent.
        while True:
            try:
                return self._made.get(timeout=HEED)
            except Empty:
                continue

    def stop(self) -> None:
        """Begin no further item; those that were made may still be taken."""
        self._stopped = True
        self._places.put(None)

    def join(self, within: float) -> bool:
        """Whether the thread ends in so many seconds, having been stopped."""
        self._thread.join(within)
        return not self._thread.is_alive()
