"""The ministry's data standard as pure functions: what is true of every dataset, and knows of none.

Here: the Solar Hijri calendar and its periods, Persian text, dates as people write them, identifiers,
classifications. Not here: anything of one dataset, files, keys, the clock.

Columns go in and out as Polars expressions. Those of `text`, `dates` and `identifiers` hold a Python function
over whole columns, and Polars runs it once for each place where the expression stands: name its result as a
column before using it twice.
"""

from __future__ import annotations

from mdlake.standard.calendar import (
    FIRST_YEAR,
    LAST_YEAR,
    Language,
    Period,
    PeriodKind,
    day_in_iran,
    day_of_solar_hijri,
    end_of_day_in_iran,
    gregorian_from_solar_hijri,
    is_leap,
    midnight_in_iran,
    period_of,
    periods_between,
    persian_digits,
    solar_hijri_day,
    solar_hijri_from_gregorian,
    solar_hijri_month,
    year_start,
)
from mdlake.standard.classifications import Classification, Code
from mdlake.standard.dates import HANDS, Hand, parse_date, parse_month
from mdlake.standard.distinct import once_per_value, values_repeat
from mdlake.standard.identifiers import (
    FAULTS,
    FLAGS,
    IDENTIFIER_TYPES,
    IdentifierEntity,
    IdentifierType,
    identifier_type,
)
from mdlake.standard.memory import use_up
from mdlake.standard.spelling import MAX_PLACE, Spelling, spelling_of
from mdlake.standard.text import (
    clean_code,
    fold_digits,
    match_key,
    match_key_value,
    normalize_text,
    normalize_text_value,
)
from mdlake.standard.working_days import WorkingDays

__all__ = [
    "FAULTS",
    "FIRST_YEAR",
    "FLAGS",
    "HANDS",
    "IDENTIFIER_TYPES",
    "LAST_YEAR",
    "MAX_PLACE",
    "Classification",
    "Code",
    "Hand",
    "IdentifierEntity",
    "IdentifierType",
    "Language",
    "Period",
    "PeriodKind",
    "Spelling",
    "WorkingDays",
    "clean_code",
    "day_in_iran",
    "day_of_solar_hijri",
    "end_of_day_in_iran",
    "fold_digits",
    "gregorian_from_solar_hijri",
    "identifier_type",
    "is_leap",
    "match_key",
    "match_key_value",
    "midnight_in_iran",
    "normalize_text",
    "normalize_text_value",
    "once_per_value",
    "parse_date",
    "parse_month",
    "period_of",
    "periods_between",
    "persian_digits",
    "solar_hijri_day",
    "solar_hijri_from_gregorian",
    "solar_hijri_month",
    "spelling_of",
    "use_up",
    "values_repeat",
    "year_start",
]
