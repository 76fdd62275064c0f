"""Working days: on which days nobody in Iran is expected to work, and the first day after them.

Here: the arithmetic. Which days they are is configuration: those of the solar year return by themselves, those of the lunar
year are announced for each year.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from mdlake.standard.calendar import solar_hijri_day

__all__ = ["WorkingDays"]


@dataclass(frozen=True)
class WorkingDays:
    """Which days are free.

    Attributes:
        weekend: days of the week, as `date.weekday()` counts them: Monday is 0.
        yearly: Solar Hijri days that are free in every year, such as ``01-13``.
        announced: further days, Gregorian.
    """

    weekend: frozenset[int]
    yearly: frozenset[str]
    announced: frozenset[date]

    def is_free(self, day: date) -> bool:
        """Whether a Gregorian date is a weekend or a holiday. Raises MdlakeError outside of the calendar."""
        return day.weekday() in self.weekend or day in self.announced or solar_hijri_day(day)[5:] in self.yearly

    def first_from(self, day: date) -> date:
        """The day itself where it is a working day, or the first after it that is."""
        while self.is_free(day):
            day += timedelta(days=1)
        return day
