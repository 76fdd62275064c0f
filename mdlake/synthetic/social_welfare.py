"""The deputy for social welfare: the supported households, each member in a record of its own.

Columns, codings, defects and hands. Which households are supported is in `welfare`, who lives in them in `households`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import date_texts, first_days, month_text
from mdlake.synthetic.codes import padded
from mdlake.synthetic.dataset import Contract, Dataset
from mdlake.synthetic.defects import Defect, impossible_date, malformed_code, missing, one_of, wrong_check_digit
from mdlake.synthetic.handwriting import habits_of
from mdlake.synthetic.households import Households
from mdlake.synthetic.page import Page, PlantedCanaries, overwritten
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Bits, Ints, Stream
from mdlake.synthetic.welfare import HouseholdSupport

__all__ = ["HouseholdMembers"]

_MEMBERS = {
    "month": "ماه مرجع",
    "household_id": "شناسه خانوار",
    "national_code": "کد ملی عضو",
    "relation": "نسبت با سرپرست",
    "birth_date": "تاریخ تولد",
    "sex": "جنس",
    "income_decile": "دهک درآمدی",
    "support_amount": "مبلغ حمایت",
    "province": "کد استان",
}

_HEAD, _OTHERS = "1", ("2", "4", "5")
_RELATIONS = ("1", "2", "3")
_RELATION_WORDS = ("سرپرست", "همسر", "فرزند")
_IN_WORDS_SHARE = 0.25
_SUBSIDY = 455_000
_POOR_DECILES = 3
_OF_THE_POOR, _OF_OTHERS = 4_000_000, 3_000_000
_CHILD_DAYS, _FOR_A_CHILD = 5 * 365, 1_150_000
"""Rial a month for one member."""


class HouseholdMembers(Dataset):
    """One record per living member of a supported household, households in the order of their numbers, the head first."""

    key = "social_welfare/household_support"
    byte_order_mark = False
    habits = habits_of(
        codes=("national_code",),
        dates=("birth_date",),
        words=("relation", "sex"),
        padded=("household_id", "national_code", "support_amount"),
    )

    def __init__(self, persons: Persons, households: Households, support: HouseholdSupport, seed: int) -> None:
        self._persons = persons
        self._households = households
        self._support = support
        self._seed = seed
        self.defects = (
            Defect("wrong_check_digit", 0.002, wrong_check_digit("national_code")),
            Defect("missing_national_code", 0.001, missing("national_code")),
            Defect("malformed_household_id", 0.001, malformed_code("household_id")),
            Defect("head_not_one", 0.001, _another_number_of_heads),
            Defect("unknown_relation", 0.001, one_of("relation", "7", "F")),
            Defect("impossible_date", 0.002, impossible_date("birth_date")),
            Defect("decile_out_of_range", 0.001, one_of("income_decile", "11", "0", "25")),
            Defect("non_numeric_amount", 0.001, one_of("support_amount", "واریز نشده", "طبق ابلاغ")),
            Defect("exact_duplicate", 0.004, None),
        )

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all months."""
        return Contract("1.0", _MEMBERS)

    def size(self, month: int) -> int:
        """As many records as supported households have living members."""
        return self._support.members(month).size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some members; a canary has its row's place in the household, and all else the same in every month."""
        member = self._support.members(month)[begin:end]
        person, in_population = member.copy(), member.copy()
        person[planted.at] = self._persons.total + planted.number
        in_population[planted.at] = -1
        household = self._households.of(member)
        province, birth = self._households.provinces(household), self._persons.birth_days(person)
        relation = np.where(
            member == self._households.living_heads(household, month), 0, self._households.relations(member)
        ) + len(_RELATIONS) * self._in_words(province)
        decile = self._support.deciles(household)
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), member.size, dtype=pl.String, eager=True),
                "household_id": self._households.ids(household),
                "national_code": self._persons.national_codes(person),
                "relation": pl.Series([*_RELATIONS, *_RELATION_WORDS]).gather(relation),
                "birth_date": date_texts(birth),
                "sex": pl.Series(["1", "2"]).gather((~self._persons.is_male(person)).astype(np.int64)),
                "income_decile": pl.Series(decile).cast(pl.String),
                "support_amount": pl.Series(self._amounts(member, decile, month)).cast(pl.String),
                "province": padded(province, 2),
            }
        )
        text = overwritten(plain, planted.at, {"national_code": planted.column("national_code")})
        return Page(
            text=text,
            national_code=text["national_code"],
            workplace_code=pl.repeat(None, member.size, dtype=pl.String, eager=True),
            person=in_population,
            office=province,
            spared=np.zeros(member.size, dtype=np.bool_),
            days={"birth_date": birth},
        )

    def _in_words(self, province: Ints) -> Ints:
        """1 where the province's office writes the relation in words."""
        return Stream(self._seed, self.key, "in words").chance(province, _IN_WORDS_SHARE).astype(np.int64)

    def _amounts(self, member: Ints, decile: Ints, month: int) -> Ints:
        first = int(first_days(month))
        is_small = first - self._persons.birth_days(member) < _CHILD_DAYS
        amounts: Ints = _SUBSIDY + np.where(decile <= _POOR_DECILES, _OF_THE_POOR, _OF_OTHERS) + _FOR_A_CHILD * is_small
        return amounts


def _another_number_of_heads(page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
    """A head who is written as something else, or a member who is written as a second head."""
    relation = page.text["relation"].gather(at)
    is_head = relation.is_in([_HEAD, _RELATION_WORDS[0]])
    others = pl.Series(_OTHERS).gather((draw % np.uint64(len(_OTHERS))).astype(np.int64))
    return {"relation": others.set(~is_head, _HEAD)}
