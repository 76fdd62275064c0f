"""Work on whole columns: each distinct value once where values repeat, and in the memory of the columns that were."""

from __future__ import annotations

import weakref

import polars as pl
import pytest

from mdlake.standard import once_per_value, use_up

ROWS = 300_000


def numbers(distinct: int) -> pl.Series:
    """Texts of so many distinct values, spread over the column."""
    return (pl.int_range(ROWS, eager=True) % distinct).shuffle(seed=1399).cast(pl.String).alias("code")


@pytest.mark.parametrize("column", [numbers(50), numbers(20_000), numbers(60_000).sort(), numbers(ROWS), numbers(50).head(0)])
def test_work_once_per_value_is_work_on_every_row(column: pl.Series) -> None:
    missing = column.set(column.str.ends_with("7"), None)
    for values in (column, missing):
        assert once_per_value(values, lambda texts: texts + "!").equals(values + "!")


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("distinct", "worked_on"), [(50, 50), (60_000, 60_000), (ROWS // 2, ROWS), (ROWS, ROWS)])
def test_only_values_that_repeat_are_looked_for(distinct: int, worked_on: int, together: bool) -> None:
    seen: list[int] = []

    def work(texts: pl.Series) -> pl.Series:
        seen.append(len(texts))
        return texts

    column = numbers(distinct)
    once_per_value(column.sort() if together else column, work)
    assert seen == [worked_on]


def test_columns_that_are_used_up_keep_their_order_and_are_let_go() -> None:
    frame = pl.DataFrame({f"c{number}": pl.int_range(number, number + 9, eager=True) for number in range(30)})
    columns = frame.get_columns()
    held = [weakref.ref(column) for column in columns]
    most = []

    def reversed_one(column: pl.Series) -> pl.Series:
        most.append(sum(one() is not None for one in held))
        return column.reverse()

    assert use_up(columns, reversed_one).equals(frame.reverse())
    assert columns == []
    assert most[0] == 30
    assert most[-1] <= pl.thread_pool_size()


def test_what_ends_the_work_on_one_column_ends_it_all() -> None:
    with pytest.raises(pl.exceptions.PolarsError):
        use_up(pl.DataFrame({"a": ["x"], "b": ["1"]}).get_columns(), lambda column: column.cast(pl.Int64))
