"""The Civil Servants Pension Fund: its pensioners.

Columns, contract, codings, defects and hands. Who draws a pension is in `pensions`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import date_texts, first_days, month_text
from mdlake.synthetic.dataset import Contract, Dataset
from mdlake.synthetic.defects import Defect, after_the_month, impossible_date, missing, one_of, wrong_check_digit
from mdlake.synthetic.handwriting import Habit, habits_of
from mdlake.synthetic.page import Page, PlantedCanaries, overwritten
from mdlake.synthetic.pensions import CIVIL_SERVICE, Pensions
from mdlake.synthetic.places import drawn
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Ints, Stream

__all__ = ["CivilPensionerTable"]

_PENSIONERS = {
    "month": "ماه مرجع",
    "national_code": "شماره ملی",
    "first_name": "نام",
    "last_name": "نام خانوادگی",
    "birth_date": "تاریخ تولد",
    "sex": "جنس",
    "last_agency": "آخرین دستگاه محل خدمت",
    "retirement_date": "تاریخ بازنشستگی",
    "service_months": "سابقه خدمت (ماه)",
    "pension": "حقوق بازنشستگی",
    "supplementary_insurance": "بیمه تکمیلی",
}
_FIRST_AGENCY: Final = 101
_AGENCIES = {str(_FIRST_AGENCY + n): weight for n, weight in enumerate((40, 18, 6, 5, 4, 4, 3, 3, 2, 2, 2, *[1] * 14))}
"""Agencies with their weight."""
_SUPPLEMENTARY_SHARE = 0.82
_SUPPLEMENTARY_WORDS = ("ندارد", "دارد", "خیر", "بله")
_YES_OR_NO_SHARE = 0.3
_FEWEST_TO_SPOIL = 1000
"""Lists that are shorter are spared of the usual defects: one more or less would decide whether they pass."""


def _with_thousands(number: pl.Expr) -> pl.Expr:
    return number.str.reverse().str.replace_all(r"(\d{3})", "${1}٬").str.reverse().str.strip_chars_start("٬")


class CivilPensionerTable(Dataset):
    """One record per person who draws a pension of the fund on the last day of the month, by person."""

    key = "cspf/pensioners"
    byte_order_mark = True
    habits = (
        Habit("thousands", "thousands", 0.35, "office", ("pension",), _with_thousands),
        *habits_of(
            codes=("national_code",),
            dates=("birth_date", "retirement_date"),
            names=("first_name", "last_name"),
            words=("supplementary_insurance",),
            padded=("national_code", "last_name", "last_agency"),
        ),
    )
    defects = (
        Defect("wrong_check_digit", 0.003, wrong_check_digit("national_code")),
        Defect("missing_national_code", 0.002, missing("national_code")),
        Defect("unknown_agency", 0.003, one_of("last_agency", "199", "000", "نامعلوم")),
        Defect("retired_after_month", 0.002, after_the_month("retirement_date")),
        Defect("impossible_date", 0.002, impossible_date("birth_date", "retirement_date")),
        Defect("service_out_of_range", 0.002, one_of("service_months", "720", "999")),
        Defect("missing_service", 0.002, missing("service_months")),
        Defect("non_numeric_pension", 0.002, one_of("pension", "نامشخص", "طبق حکم", "104O85000")),
        Defect("exact_duplicate", 0.004, None),
    )

    def __init__(self, persons: Persons, pensions: Pensions, seed: int) -> None:
        self._persons = persons
        self._pensions = pensions
        self._seed = seed

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, self.key, name)

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all months."""
        return Contract("1.0", _PENSIONERS)

    def size(self, month: int) -> int:
        """As many as there are pensioners."""
        return self._pensions.in_payment(CIVIL_SERVICE, month).person.size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some pensioners; a canary draws its row's pension."""
        pensions = self._pensions.in_payment(CIVIL_SERVICE, month).at(slice(begin, end))
        person, in_population = pensions.person.copy(), pensions.person.copy()
        person[planted.at] = self._persons.total + planted.number
        in_population[planted.at] = -1
        agency = drawn(self._stream("agency"), pensions.person, _AGENCIES)
        birth, start = self._persons.birth_days(person), self._pensions.start_days(CIVIL_SERVICE, pensions, person)
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), person.size, dtype=pl.String, eager=True),
                "national_code": self._persons.national_codes(person),
                "first_name": self._persons.first_names(person),
                "last_name": self._persons.last_names(person),
                "birth_date": date_texts(birth),
                "sex": pl.Series(["مونث", "مذکر"]).gather(self._persons.is_male(person).astype(np.int64)),
                "last_agency": pl.Series(list(_AGENCIES)).gather(agency),
                "retirement_date": date_texts(start),
                "service_months": pl.Series(self._pensions.service_months(pensions)).cast(pl.String),
                "pension": pl.Series(self._pensions.amounts(CIVIL_SERVICE, pensions)).cast(pl.String),
                "supplementary_insurance": self._supplementary(pensions.person, agency),
            }
        )
        names = {name: planted.column(name) for name in ("national_code", "first_name", "last_name")}
        text = overwritten(plain, planted.at, names)
        return Page(
            text=text,
            national_code=text["national_code"],
            workplace_code=pl.repeat(None, person.size, dtype=pl.String, eager=True),
            person=in_population,
            office=_FIRST_AGENCY + agency,
            spared=np.full(person.size, self.size(month) < _FEWEST_TO_SPOIL),
            days={"birth_date": birth, "retirement_date": start, "month": np.full(person.size, first_days(month + 1) - 1)},
        )

    def _supplementary(self, person: Ints, agency: Ints) -> pl.Series:
        has_one = self._stream("supplementary").chance(person, _SUPPLEMENTARY_SHARE)
        yes_or_no = self._stream("yes or no").chance(agency, _YES_OR_NO_SHARE)
        return pl.Series(_SUPPLEMENTARY_WORDS).gather(has_one + 2 * yes_or_no)
