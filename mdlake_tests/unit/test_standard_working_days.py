"""Working days against a plain walk over the calendar of `persiantools`, and the due days that follow from them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from persiantools.jdatetime import JalaliDate

from mdlake.config import Configuration
from mdlake.standard import Period, WorkingDays, day_of_solar_hijri

FRIDAY = 4
DAYS = WorkingDays(frozenset({FRIDAY}), frozenset({"01-01", "01-02", "12-29"}), frozenset({date(2024, 4, 10)}))


def test_a_day_is_free_for_one_of_three_reasons_and_for_no_other() -> None:
    first = date(2020, 3, 20)
    for day in (first + timedelta(days=number) for number in range(366 * 5)):
        solar = JalaliDate(day)
        yearly = (solar.month, solar.day) in {(1, 1), (1, 2), (12, 29)}
        assert DAYS.is_free(day) == (day.strftime("%A") == "Friday" or yearly or day == date(2024, 4, 10)), day


def test_the_first_working_day_is_the_day_itself_or_follows_only_free_days() -> None:
    first = date(2024, 3, 1)
    for day in (first + timedelta(days=number) for number in range(400)):
        moved = DAYS.first_from(day)
        assert not DAYS.is_free(moved)
        assert all(DAYS.is_free(day + timedelta(days=number)) for number in range((moved - day).days))


@pytest.mark.parametrize(
    ("dataset", "period", "due_day", "last_day"),
    [
        ("sso/workplaces", "1403-01", "1403-02-10", "1403-02-16"),  # five days of grace end with a holiday, 15 Ordibehesht
        ("provincial/labour_disputes", "1403-01", "1403-02-16", "1403-02-22"),  # due on that holiday; grace ends on a Friday
        ("sso/workplaces", "1402-12", "1403-01-11", "1403-01-16"),  # the tenth is a Friday
        ("cooperatives/cooperatives", "1403-Q1", "1403-04-20", "1403-04-30"),
        ("sso/insured_contributions", "1403-12", "1404-01-20", "1404-01-25"),
        ("provincial/labour_disputes", "1403-02", "1403-03-16", "1403-03-21"),  # 14 and 15 Khordad are holidays of every year
    ],
)
def test_a_due_day_is_in_the_month_after_the_period_and_never_on_a_holiday(
    configuration: Configuration, dataset: str, period: str, due_day: str, last_day: str
) -> None:
    deadline = configuration.deadline(configuration.dataset(dataset), Period.parse(period))
    assert (deadline.due_day, deadline.last_day) == (day_of_solar_hijri(due_day), day_of_solar_hijri(last_day))


def test_of_each_year_that_has_announced_holidays_all_of_the_lunar_year_are_there(configuration: Configuration) -> None:
    """A lunar year is ten or eleven days shorter, so one of its holidays may fall twice into a solar one."""
    named = configuration.holidays.announced
    assert configuration.holidays.announced_years == {1403, 1404}
    for year in (1403, 1404):
        days = [day for day in named if JalaliDate(day).year == year]
        assert 15 <= len(days) <= 18
    fixed = {"عید قربان", "عید غدیر", "تاسوعا", "عاشورا", "اربعین", "مبعث"}
    for name in fixed:
        first, second = (day for day, label in named.items() if label.fa == name)
        assert 353 <= (second - first).days <= 356, name


def test_nothing_is_owed_for_months_before_the_calendar_says_so(configuration: Configuration) -> None:
    monthly = configuration.owed_periods(configuration.dataset("sso/workplaces"))
    quarterly = configuration.owed_periods(configuration.dataset("cooperatives/cooperatives"))
    assert (monthly[0].key, monthly[-1].key) == ("1403-01", "1405-12")
    assert (quarterly[0].key, quarterly[-1].key) == ("1403-Q1", "1405-Q4")
