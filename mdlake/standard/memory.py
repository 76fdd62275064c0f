"""Large columns made of large columns, in the memory that these leave. What is made of them is decided elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import polars as pl

__all__ = ["use_up"]


def use_up(columns: list[pl.Series], work: Callable[[pl.Series], pl.Series]) -> pl.DataFrame:
    """`work` of every column, as many at a time as there are cores; `columns` is empty afterwards.

    A column that nobody else holds is let go as soon as `work` is done with it. New memory has to be cleared by the system,
    page by page: 50,000 times for a copy of a million rows of eighteen columns.
    """
    taken = dict(enumerate(columns))
    columns.clear()
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        return pl.DataFrame(list(pool.map(lambda number: work(taken.pop(number)), range(len(taken)))))
