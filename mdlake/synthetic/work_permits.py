"""The deputy for employment on foreigners: the work permits in force, as the provincial offices list them.

Columns, contract, codings, defects and hands of the dataset. Who has a permit, where and for how long is in `permits`; who the
foreigners are is in `foreigners`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import date_texts, first_days, month_text
from mdlake.synthetic.codes import padded
from mdlake.synthetic.dataset import Contract, Dataset
from mdlake.synthetic.defects import Defect, Spoil, end_before_start, impossible_date, malformed_code, missing, one_of
from mdlake.synthetic.foreigners import Foreigners
from mdlake.synthetic.handwriting import habits_of
from mdlake.synthetic.page import Page, PlantedCanaries, overwritten
from mdlake.synthetic.permits import Permits, PermitsInForce
from mdlake.synthetic.places import drawn
from mdlake.synthetic.population import Workplaces
from mdlake.synthetic.randomness import Bits, Ints, Stream
from mdlake.synthetic.words import NATIONALITY_WORDS

__all__ = ["ForeignWorkPermits"]

_PERMITS = {
    "month": "ماه گزارش",
    "foreigner_code": "کد فراگیر",
    "first_name": "نام",
    "last_name": "نام خانوادگی",
    "sex": "جنسیت",
    "birth_date": "تاریخ تولد",
    "nationality": "تابعیت",
    "workplace_code": "کد کارگاه کارفرما",
    "permit_number": "شماره پروانه کار",
    "issue_date": "تاریخ صدور پروانه",
    "expiry_date": "تاریخ انقضای پروانه",
    "occupation": "کد شغل مجاز",
    "province": "استان محل کار",
    "employer_phone": "تلفن کارفرما",
}
_FEWEST_TO_SPOIL = 150
"""A list that is shorter is spared of the usual defects: a single one would weigh more than a rule allows."""
_SEX_IN_WORDS_SHARE, _NATIONALITY_IN_WORDS_SHARE = 0.3, 0.35
_NATIONALITY_WORDS = NATIONALITY_WORDS | {"IND": "هندی", "CHN": "چینی"}
_OCCUPATIONS = {
    "93": 26, "71": 22, "92": 12, "75": 10, "91": 7, "72": 6, "61": 5, "81": 4, "96": 3, "51": 2, "94": 1, "25": 1, "21": 1,
}  # fmt: skip
"""Sub-major groups of ISCO-08 that foreigners are let into, with their weight."""


def _malformed_code(page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
    """A letter among the digits, or the last of them lost."""
    column = "foreigner_code"
    lettered = malformed_code(column)(page, at, np.zeros_like(draw))[column]
    return {column: lettered.zip_with(pl.Series(draw % np.uint64(2) == 0), page.text[column].gather(at).str.head(7))}


def _moved(date: Literal["issue_date", "expiry_date"], limit: Literal["month_before", "month_after"], direction: int) -> Spoil:
    """The whole permit at another time: one of its dates lies at a limit or up to 300 days before (-1) or after it (1)."""

    def spoil(page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        day = page.days[limit][at] + direction * (draw % np.uint64(300)).astype(np.int64)
        shift = day - page.days[date][at]
        return {name: date_texts(page.days[name][at] + shift) for name in ("issue_date", "expiry_date")}

    return spoil


class ForeignWorkPermits(Dataset):
    """One record per foreigner with a permit in force on the last day of the month, province by province."""

    key = "employment/foreign_work_permits"
    byte_order_mark = True
    habits = habits_of(
        codes=("workplace_code",),
        dates=("birth_date", "issue_date", "expiry_date"),
        names=("first_name", "last_name"),
        words=("nationality",),
        padded=("foreigner_code", "workplace_code", "last_name", "permit_number"),
    )

    def __init__(self, foreigners: Foreigners, workplaces: Workplaces, permits: Permits, seed: int) -> None:
        self._foreigners = foreigners
        self._workplaces = workplaces
        self._permits = permits
        self._seed = seed
        self.defects = (
            Defect("malformed_foreigner_code", 0.003, _malformed_code),
            Defect("missing_foreigner_code", 0.003, missing("foreigner_code")),
            Defect("malformed_workplace_code", 0.003, malformed_code("workplace_code")),
            Defect("orphan_workplace", 0.004, self._orphaned),
            Defect("expiry_before_issue", 0.002, end_before_start("issue_date", "expiry_date")),
            Defect("expired_before_month", 0.002, _moved("expiry_date", "month_before", -1)),
            Defect("issue_after_month", 0.002, _moved("issue_date", "month_after", 1)),
            Defect("unknown_nationality", 0.003, one_of("nationality", "QQQ", "00", "خارجی")),
            Defect("impossible_date", 0.003, impossible_date("birth_date", "issue_date")),
            Defect("malformed_permit_number", 0.002, one_of("permit_number", "در دست صدور", "1403-112", "000")),
            Defect("exact_duplicate", 0.004, None),
        )

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, self.key, name)

    def _orphaned(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        number = (draw % np.uint64(1_000_000)).astype(np.int64)
        return {"workplace_code": self._workplaces.unregistered_codes(number)}

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all months."""
        return Contract("1.0", _PERMITS)

    def size(self, month: int) -> int:
        """As many as there are permits in force."""
        return self._permits.in_force(month).foreigner.size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some permits; a canary has its row's, under its own name and with its own telephone at the employer's."""
        permits = self._permits.in_force(month).at(slice(begin, end))
        rows = permits.foreigner.size
        office = self._workplaces.provinces(permits.workplace)
        codes = self._workplaces.codes(permits.workplace)
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), rows, dtype=pl.String, eager=True),
                **self._person_columns(permits.foreigner, office),
                **self._permit_columns(permits),
                "workplace_code": codes,
                "province": padded(office, 2),
                "employer_phone": self._workplaces.phones(permits.workplace),
            }
        )
        first, after = first_days(np.array([month, month + 1]))
        return Page(
            text=overwritten(plain, planted.at, _of_canaries(plain, planted)),
            national_code=pl.repeat(None, rows, dtype=pl.String, eager=True),
            workplace_code=codes,
            person=np.full(rows, -1),
            office=office,
            spared=np.full(rows, self.size(month) < _FEWEST_TO_SPOIL),
            days={
                "issue_date": permits.issued,
                "expiry_date": permits.expiry,
                "month_before": np.full(rows, first - 1),
                "month_after": np.full(rows, after),
            },
        )

    def _person_columns(self, foreigner: Ints, office: Ints) -> dict[str, pl.Series]:
        foreigners = self._foreigners
        sex_in_words = self._stream("sex in words").chance(office, _SEX_IN_WORDS_SHARE)
        in_words = self._stream("nationality in words").chance(office, _NATIONALITY_IN_WORDS_SHARE)
        nationality = foreigners.nationalities(foreigner)
        return {
            "foreigner_code": foreigners.codes(foreigner),
            "first_name": foreigners.first_names(foreigner),
            "last_name": foreigners.last_names(foreigner),
            "sex": pl.Series(["1", "2", "مرد", "زن"]).gather(2 * sex_in_words + ~foreigners.is_male(foreigner)),
            "birth_date": date_texts(foreigners.birth_days(foreigner)),
            "nationality": nationality.replace(_NATIONALITY_WORDS).zip_with(pl.Series(in_words), nationality),
        }

    def _permit_columns(self, permits: PermitsInForce) -> dict[str, pl.Series]:
        occupation = drawn(self._stream("occupation"), permits.engagement, _OCCUPATIONS)
        return {
            "permit_number": self._permits.numbers(permits),
            "issue_date": date_texts(permits.issued),
            "expiry_date": date_texts(permits.expiry),
            "occupation": pl.Series(list(_OCCUPATIONS)).gather(occupation),
        }


def _of_canaries(plain: pl.DataFrame, planted: PlantedCanaries) -> dict[str, pl.Series]:
    own = plain["employer_phone"].gather(planted.at)
    return {
        "first_name": planted.column("first_name"),
        "last_name": planted.column("last_name"),
        "employer_phone": planted.column("phone").fill_null(own),
    }
