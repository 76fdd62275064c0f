"""Work on a stream of bytes beside its maker: hashing and writing go on in a thread of their own while more is decrypted.

Hashing and writing let go of Python's lock, so on two cores a package costs as much as the slower half. The age library holds it
while it computes; the thread beside would wait 5 ms, ten times its own work, whenever it needs it. So as long as work goes on
beside, Python is told to pass its lock on sooner: a package is packed in half the time. Not here: what is done.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

__all__ = ["PIECE_BYTES", "Beside"]

PIECE_BYTES = 1 << 21
"""Larger pieces are slower: each is new memory from the system, which clears it first."""

_WAITING = 3
_SWITCH_SECONDS = 0.0003


class Beside:
    """A stream that is written to; what is written reaches a function in large pieces, in order, in another thread.

    The first error of the function is raised by the next write, or at the end, and nothing reaches the function after it.
    Leaving the context waits for the rest, or, if it is left by an error, drops it.
    """

    def __init__(self, work: Callable[[bytes], object]) -> None:
        self.failure: BaseException | None = None
        self._work = work
        self._pieces: list[bytes] = []
        self._size = 0
        self._under_way: deque[Future[None]] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._interval = 0.0

    def write(self, data: bytes) -> int:
        """Take the next bytes."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= PIECE_BYTES:
            self._hand_over()
        return len(data)

    def flush(self) -> None:
        """Nothing: what waits is handed over at the end."""

    def __enter__(self) -> Self:
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._hand_over()
                while self._under_way:
                    self._under_way.popleft().result()
        finally:
            self._thread.shutdown(cancel_futures=True)
            sys.setswitchinterval(self._interval)

    def _hand_over(self) -> None:
        if len(self._under_way) == _WAITING:
            self._under_way.popleft().result()
        self._under_way.append(self._thread.submit(self._do, self._pieces))
        self._pieces, self._size = [], 0

    def _do(self, pieces: list[bytes]) -> None:
        if self.failure is not None:
            return
        try:
            self._work(b"".join(pieces))
        except BaseException as failure:
            self.failure = failure
            raise
