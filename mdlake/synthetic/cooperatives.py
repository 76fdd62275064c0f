"""The deputy for cooperatives: each quarter the register of cooperatives, and the list of their members.

Columns, contracts, codings, defects and hands of its two datasets. Which cooperatives there are and who is a member is in
`cooperation`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import date_texts, first_days, month_text
from mdlake.synthetic.codes import padded
from mdlake.synthetic.cooperation import KINDS, MANAGING_DIRECTOR, Cooperatives
from mdlake.synthetic.dataset import Contract, Dataset
from mdlake.synthetic.defects import (
    Defect,
    after_the_month,
    impossible_date,
    malformed_code,
    missing,
    one_of,
    wrong_check_digit,
)
from mdlake.synthetic.handwriting import habits_of
from mdlake.synthetic.page import Page, PlantedCanaries, overwritten
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Bits, Ints, Stream
from mdlake.synthetic.words import SURNAMES, TRADE_NAMES

__all__ = ["CooperativeMembers", "CooperativeTable"]

_COOPERATIVES = {
    "month": "ماه پایان فصل",
    "legal_id": "شناسه ملی تعاونی",
    "cooperative_name": "نام تعاونی",
    "kind": "نوع تعاونی",
    "registration_date": "تاریخ ثبت",
    "capital": "سرمایه ثبتی (ریال)",
    "members": "تعداد اعضا",
    "activity": "کد رشته فعالیت",
    "province": "کد استان",
    "status": "وضعیت تعاونی",
}
_MEMBERS = {
    "month": "ماه پایان فصل",
    "legal_id": "شناسه ملی تعاونی",
    "national_code": "کد ملی عضو",
    "share": "مبلغ سهم (ریال)",
    "role": "سمت",
    "joined_date": "تاریخ عضویت",
}
_KIND_WORDS = ("تولیدی", "توزیعی", "مسکن", "حمل و نقل", "کشاورزی", "اعتبار", "خدماتی", "چندمنظوره")
_ROLE_WORDS = ("عضو", "عضو هیئت مدیره", "مدیرعامل", "بازرس")
_IN_WORDS_SHARE = 0.35
_INACTIVE_SHARE = 0.06
_FEWEST_TO_SPOIL, _FEWEST_MEMBERS_TO_SPOIL = 40, 200
"""Fewer cooperatives or members than this are spared of the usual defects: one bad row would be more than a rule allows."""


class CooperativeTable(Dataset):
    """One record per cooperative on the register at the end of the quarter, in the order of foundation's index."""

    key = "cooperatives/cooperatives"
    periodicity = "quarter"
    byte_order_mark = True
    habits = habits_of(
        dates=("registration_date",),
        names=("cooperative_name",),
        words=("kind",),
        padded=("legal_id", "cooperative_name", "capital"),
    )
    defects = (
        Defect("wrong_check_digit", 0.004, wrong_check_digit("legal_id")),
        Defect("missing_legal_id", 0.002, missing("legal_id")),
        Defect("malformed_legal_id", 0.002, malformed_code("legal_id")),
        Defect("unknown_kind", 0.004, one_of("kind", "99", "سایر موارد", "X")),
        Defect("impossible_date", 0.004, impossible_date("registration_date")),
        Defect("registered_after_quarter", 0.002, after_the_month("registration_date")),
        Defect("non_numeric_capital", 0.002, one_of("capital", "نامشخص", "طبق اساسنامه", "12O000")),
        Defect("negative_members", 0.002, one_of("members", "-1", "-7")),
        Defect("exact_duplicate", 0.004, None),
    )

    def __init__(self, cooperatives: Cooperatives, seed: int) -> None:
        self._cooperatives = cooperatives
        self._seed = seed

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, self.key, name)

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all quarters."""
        return Contract("1.0", _COOPERATIVES)

    def size(self, month: int) -> int:
        """As many as are on the register."""
        return self._cooperatives.registered(month).size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some cooperatives; a canary has given its name to the one in its row."""
        table = self._cooperatives
        registered = table.registered(month)
        index = registered[begin:end]
        office = table.provinces(index)
        is_working = table.are_working(index, month)
        is_active = ~self._stream("inactive").chance(index, _INACTIVE_SHARE)
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), index.size, dtype=pl.String, eager=True),
                "legal_id": table.legal_ids(index),
                "cooperative_name": self._names(index),
                "kind": _coded(self._stream("kind in words"), table.kinds(index), office, list(KINDS), _KIND_WORDS),
                "registration_date": date_texts(table.founded_days(index)),
                "capital": pl.Series(table.capitals(month)[index]).cast(pl.String),
                "members": pl.Series(table.member_counts(month)[index]).cast(pl.String),
                "activity": table.activities(index),
                "province": padded(office, 2),
                "status": pl.Series(np.where(is_working, np.where(is_active, 1, 2), 3)).cast(pl.String),
            }
        )
        text = overwritten(plain, planted.at, _of_canaries(planted))
        return Page(
            text=text,
            national_code=pl.repeat(None, index.size, dtype=pl.String, eager=True),
            workplace_code=pl.repeat(None, index.size, dtype=pl.String, eager=True),
            person=np.full(index.size, -1),
            office=office,
            spared=np.full(index.size, registered.size < _FEWEST_TO_SPOIL),
            days={"month": np.full(index.size, int(first_days(month + 1)) - 1)},
        )

    def _names(self, index: Ints) -> pl.Series:
        frame = pl.DataFrame(
            {
                "kind": pl.Series(_KIND_WORDS).gather(self._cooperatives.kinds(index)),
                "brand": pl.Series(TRADE_NAMES).gather(self._stream("brand").below(index, len(TRADE_NAMES))),
                "founder": pl.Series(SURNAMES).gather(self._stream("founder").below(index, len(SURNAMES))),
                "is_founders": self._stream("named after its founder").chance(index, 0.2),
            }
        )
        last = pl.when("is_founders").then("founder").otherwise("brand")
        return frame.select(pl.format("شرکت تعاونی {} {}", pl.col("kind"), last)).to_series()


def _of_canaries(planted: PlantedCanaries) -> Mapping[str, pl.Series]:
    names = pl.DataFrame({"first": planted.column("first_name"), "last": planted.column("last_name")})
    return {"cooperative_name": names.select(pl.format("شرکت تعاونی {} {}", "first", "last")).to_series()}


def _coded(stream: Stream, place: Ints, office: Ints, codes: list[str], words: tuple[str, ...]) -> pl.Series:
    """The code, or at the offices that prefer it the word for it."""
    in_words = stream.chance(office, _IN_WORDS_SHARE)
    return pl.Series([*codes, *words]).gather(place + len(codes) * in_words)


class CooperativeMembers(Dataset):
    """One record per member of a cooperative at the end of the quarter, cooperative by cooperative.

    Usual defects fall on no managing director, without whom the whole cooperative would be in doubt.
    """

    key = "cooperatives/cooperative_members"
    periodicity = "quarter"
    byte_order_mark = False
    habits = habits_of(
        codes=("national_code",),
        dates=("joined_date",),
        words=("role",),
        padded=("national_code", "legal_id", "share"),
    )

    def __init__(self, persons: Persons, cooperatives: Cooperatives, seed: int) -> None:
        self._persons = persons
        self._cooperatives = cooperatives
        self._seed = seed
        self.defects = (
            Defect("wrong_check_digit", 0.003, wrong_check_digit("national_code")),
            Defect("missing_national_code", 0.002, missing("national_code")),
            Defect("wrong_legal_id", 0.001, wrong_check_digit("legal_id")),
            Defect("orphan_cooperative", 0.002, self._orphaned),
            Defect("unknown_role", 0.002, one_of("role", "9", "0", "هیات")),
            Defect("impossible_date", 0.002, impossible_date("joined_date")),
            Defect("joined_after_quarter", 0.001, after_the_month("joined_date")),
            Defect("non_numeric_share", 0.001, one_of("share", "نامشخص", "یک سهم", "35O000")),
            Defect("share_out_of_range", 0.001, one_of("share", "0", "-350000")),
            Defect("exact_duplicate", 0.005, None),
        )

    def _orphaned(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        return {"legal_id": self._cooperatives.unregistered_ids((draw % np.uint64(1_000_000)).astype(np.int64))}

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all quarters."""
        return Contract("1.0", _MEMBERS)

    def size(self, month: int) -> int:
        """As many as are members at the end of the month."""
        return self._cooperatives.members(month).person.size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some members; a canary has the membership of its row."""
        members = self._cooperatives.members(month)
        cooperative, person = members.cooperative[begin:end], members.person[begin:end].copy()
        in_population = person.copy()
        person[planted.at] = self._persons.total + planted.number
        in_population[planted.at] = -1
        office = self._cooperatives.provinces(cooperative)
        role = members.role[begin:end] - 1
        in_words = Stream(self._seed, self.key, "role in words")
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), person.size, dtype=pl.String, eager=True),
                "legal_id": self._cooperatives.legal_ids(cooperative),
                "national_code": self._persons.national_codes(person),
                "share": pl.Series(members.share[begin:end]).cast(pl.String),
                "role": _coded(in_words, role, office, ["1", "2", "3", "4"], _ROLE_WORDS),
                "joined_date": date_texts(members.joined[begin:end]),
            }
        )
        text = overwritten(plain, planted.at, {"national_code": planted.column("national_code")})
        return Page(
            text=text,
            national_code=text["national_code"],
            workplace_code=pl.repeat(None, person.size, dtype=pl.String, eager=True),
            person=in_population,
            office=office,
            spared=(members.role[begin:end] == MANAGING_DIRECTOR) | (members.person.size < _FEWEST_MEMBERS_TO_SPOIL),
            days={"month": np.full(person.size, int(first_days(month + 1)) - 1)},
        )
