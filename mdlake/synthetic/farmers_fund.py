"""The Fund for Farmers, Villagers and Nomads: its insured members at the end of each month.

Columns, codings, defects and hands. Who is a member, and what was paid, is in `rural_insurance`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import date_texts, month_text
from mdlake.synthetic.codes import padded
from mdlake.synthetic.dataset import Contract, Dataset
from mdlake.synthetic.defects import (
    Defect,
    end_before_start,
    impossible_date,
    malformed_code,
    missing,
    one_of,
    wrong_check_digit,
)
from mdlake.synthetic.handwriting import habits_of
from mdlake.synthetic.households import Households
from mdlake.synthetic.page import Page, PlantedCanaries, overwritten
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Stream
from mdlake.synthetic.rural_insurance import RuralInsurance

__all__ = ["InsuredMembers"]

_MEMBERS = {
    "month": "دوره",
    "national_code": "کدملی بیمه‌شده",
    "first_name": "نام",
    "last_name": "نام خانوادگی",
    "father_name": "نام پدر",
    "birth_date": "تاریخ تولد",
    "sex": "جنسیت",
    "premium_bracket": "سطح درآمدی حق بیمه",
    "member_kind": "گروه بیمه‌شده",
    "village_code": "کد آبادی",
    "first_membership": "تاریخ اولین عضویت",
    "paid_months": "ماه‌های پرداخت‌شده",
    "province": "استان",
}

_FEW = 400
"""A month of fewer records has none of the usual defects: a single one would weigh more than a rule allows."""
_KIND_WORDS = ("کشاورز", "روستایی", "عشایر")
_IN_WORDS_SHARE = 0.35


class InsuredMembers(Dataset):
    """One record per member on the last day of the month, by province and household."""

    key = "farmers_fund/insured_members"
    byte_order_mark = True
    habits = habits_of(
        codes=("national_code",),
        dates=("birth_date", "first_membership"),
        names=("first_name", "last_name", "father_name"),
        words=("member_kind",),
        padded=("national_code", "village_code", "last_name"),
    )
    defects = (
        Defect("wrong_check_digit", 0.004, wrong_check_digit("national_code")),
        Defect("missing_national_code", 0.002, missing("national_code")),
        Defect("impossible_date", 0.002, impossible_date("birth_date", "first_membership")),
        Defect("member_before_birth", 0.0005, end_before_start("birth_date", "first_membership")),
        Defect("bracket_out_of_range", 0.001, one_of("premium_bracket", "15", "0", "41")),
        Defect("unknown_member_kind", 0.002, one_of("member_kind", "4", "0", "K")),
        Defect("malformed_village_code", 0.002, malformed_code("village_code")),
        Defect("negative_paid_months", 0.0005, one_of("paid_months", "-1", "-12")),
        Defect("non_numeric_paid_months", 0.001, one_of("paid_months", "پنج سال", "O6")),
        Defect("exact_duplicate", 0.005, None),
    )

    def __init__(self, persons: Persons, households: Households, insurance: RuralInsurance, seed: int) -> None:
        self._persons = persons
        self._households = households
        self._insurance = insurance
        self._seed = seed

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all months."""
        return Contract("1.0", _MEMBERS)

    def size(self, month: int) -> int:
        """As many records as there are members on the last day of the month."""
        return self._insurance.members(month).size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some members; a canary has its row's membership, and all else the same in every month."""
        members = self._insurance.members(month)
        member = members[begin:end]
        person, in_population = member.copy(), member.copy()
        person[planted.at] = self._persons.total + planted.number
        in_population[planted.at] = -1
        persons, insurance = self._persons, self._insurance
        province, birth = self._households.provinces(self._households.of(member)), persons.birth_days(person)
        in_words = Stream(self._seed, self.key, "in words").chance(province, _IN_WORDS_SHARE)
        kinds = pl.Series(["1", "2", "3", *_KIND_WORDS])
        first = insurance.first_days(member, insurance.first_months(member))
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), member.size, dtype=pl.String, eager=True),
                "national_code": persons.national_codes(person),
                "first_name": persons.first_names(person),
                "last_name": persons.last_names(person),
                "father_name": persons.father_names(person),
                "birth_date": date_texts(birth),
                "sex": pl.Series(["1", "2", "مرد", "زن"]).gather(2 * in_words + ~persons.is_male(person)),
                "premium_bracket": pl.Series(insurance.brackets(member, month)).cast(pl.String),
                "member_kind": kinds.gather(insurance.kinds(member) - 1 + len(_KIND_WORDS) * in_words),
                "village_code": insurance.village_codes(member),
                "first_membership": date_texts(first),
                "paid_months": pl.Series(insurance.paid_months(member, month)).cast(pl.String),
                "province": padded(province, 2),
            }
        )
        own = {name: planted.column(name) for name in ("national_code", "first_name", "last_name")}
        text = overwritten(plain, planted.at, own)
        return Page(
            text=text,
            national_code=text["national_code"],
            workplace_code=pl.repeat(None, member.size, dtype=pl.String, eager=True),
            person=in_population,
            office=province,
            spared=np.full(member.size, members.size < _FEW),
            days={"birth_date": birth, "first_membership": first},
        )
