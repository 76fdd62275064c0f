"""The one way in which a typed value is written as text, for the formats whose cells have types. Not here: reading them."""

from __future__ import annotations

import polars as pl
import polars.selectors as cs

__all__ = ["plain_text"]


def plain_text(frame: pl.DataFrame) -> pl.DataFrame:
    """A frame with every column as text.

    Whole numbers come without point or exponent, truth as 1 and 0, dates as YYYY-MM-DD, a moment as a date if it is midnight,
    else with its time. What is no number (NaN) is null, as is empty text.
    """
    moments = cs.datetime()
    written = frame.with_columns(
        cs.boolean().cast(pl.Int8),
        cs.float().map_batches(_numbers, return_dtype=pl.String),
        pl.when(moments.dt.truncate("1d") == moments)
        .then(moments.dt.strftime("%Y-%m-%d"))
        .otherwise(moments.dt.strftime("%Y-%m-%d %H:%M:%S%.f")),
    ).with_columns(pl.all().cast(pl.String))
    return written.with_columns(pl.when(pl.all() != "").then(pl.all()))


def _numbers(numbers: pl.Series) -> pl.Series:
    """Numbers as text: of 128-bit precision where they are whole, as short as they can be told apart where they are not."""
    numbers = numbers.fill_nan(None)
    # cast without `strict`, what is too large for 128 bits keeps its exponent
    whole = numbers.cast(pl.Int128, strict=False)
    texts = pl.DataFrame([numbers.alias("number"), whole.alias("whole")])
    is_whole = pl.col("whole").cast(numbers.dtype) == pl.col("number")
    return texts.select(
        pl.when(is_whole).then(pl.col("whole").cast(pl.String)).otherwise(pl.col("number").cast(pl.String))
    ).to_series()
