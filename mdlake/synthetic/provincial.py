"""The provincial labour offices: each sends its own file of the month's labour disputes.

Columns, contract, free text, defects and hands. Which cases there are is in `disputes`.
"""

from __future__ import annotations

from copy import copy
from typing import Self

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import date_texts, first_days, month_text
from mdlake.synthetic.codes import padded
from mdlake.synthetic.dataset import Contract, Dataset
from mdlake.synthetic.defects import (
    Defect,
    after_the_month,
    end_before_start,
    impossible_date,
    malformed_code,
    missing,
    one_of,
    wrong_check_digit,
)
from mdlake.synthetic.disputes import CLAIM_KINDS, OUTCOMES, Cases, Disputes
from mdlake.synthetic.handwriting import Habit, habits_of
from mdlake.synthetic.page import Page, PlantedCanaries, overwritten
from mdlake.synthetic.places import PROVINCES
from mdlake.synthetic.population import Persons, Workplaces
from mdlake.synthetic.randomness import Bits, Bools, Ints, Stream

__all__ = ["LabourDisputes"]

_DISPUTES = {
    "month": "ماه گزارش",
    "case_number": "شماره پرونده",
    "province": "کد استان",
    "national_code": "کد ملی خواهان",
    "workplace_code": "کد کارگاه خوانده",
    "claim_kind": "نوع خواسته",
    "claim_amount": "مبلغ خواسته (ریال)",
    "filed_date": "تاریخ ثبت دادخواست",
    "decided_date": "تاریخ صدور رأی",
    "outcome": "نتیجه رأی",
    "verdict_text": "متن رأی",
}
_CLAIM_WORDS = ("مزد معوق", "سنوات", "حق بیمه", "اضافه کاری", "اخراج", "مرخصی", "سایر")
_CLAIMS_IN_WORDS_SHARE = 0.3
_REASONS = (
    "با توجه به اظهارات طرفین و مدارک پیوست پرونده",
    "پس از بررسی قرارداد کار و فهرست پرداخت مزد",
    "با عنایت به گزارش بازرس کار و شهادت شهود",
    "نظر به اینکه خوانده با وجود ابلاغ در جلسه حاضر نشد",
    "با توجه به سابقه بیمه و اقرار نماینده کارفرما",
)
_RULINGS = (
    "هیئت تشخیص رأی به پرداخت مطالبات کارگر صادر کرد",
    "هیئت تشخیص خواسته را وارد ندانست و رأی به رد آن داد",
    "طرفین سازش کردند و صورت جلسه سازش امضا شد",
    "خواهان دادخواست خود را پس گرفت و پرونده مختومه شد",
)
_APPEALS = (
    "رأی ظرف پانزده روز قابل اعتراض است",
    "رأی قطعی و لازم الاجراست",
    "پرونده برای اجرا به واحد مربوط ارسال شود",
)
_WITH_CODE, _WITH_MOBILE, _WITH_NAME = 0.04, 0.03, 0.05
_FEWEST_TO_SPOIL = 40
"""Months with fewer events than this in the whole country are spared of the usual defects."""


def _decided_on_no_day(page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
    """An outcome, and no day on which it was given."""
    outcome = pl.Series(list(OUTCOMES)).gather((draw % np.uint64(len(OUTCOMES))).astype(np.int64))
    return {"outcome": outcome, "decided_date": page.text["decided_date"].clear(at.size)}


def _with_dashes(number: pl.Expr) -> pl.Expr:
    return number.str.replace(r"^(\d{2})(\d{4})(\d{6})$", "$1-$2-$3")


class LabourDisputes(Dataset):
    """The events of a month: a record for every case filed in it, and one for every case decided in it, by case number."""

    key = "provincial/labour_disputes"
    reporting_units = tuple(f"{number:02d}" for number in range(len(PROVINCES)))
    byte_order_mark = False
    habits = (
        Habit("case_with_dashes", "case", 0.3, "office", ("case_number",), _with_dashes),
        *habits_of(
            codes=("national_code", "workplace_code"),
            dates=("filed_date", "decided_date"),
            names=("verdict_text",),
            words=("claim_kind",),
            padded=("national_code", "claim_amount"),
        ),
    )

    def __init__(self, persons: Persons, workplaces: Workplaces, disputes: Disputes, seed: int) -> None:
        self._persons = persons
        self._workplaces = workplaces
        self._disputes = disputes
        self._seed = seed
        self._unit: int | None = None
        self.defects = (
            Defect("wrong_check_digit", 0.003, wrong_check_digit("national_code")),
            Defect("missing_national_code", 0.002, missing("national_code")),
            Defect("malformed_case_number", 0.002, malformed_code("case_number")),
            Defect("malformed_workplace_code", 0.002, malformed_code("workplace_code")),
            Defect("orphan_workplace", 0.003, self._orphaned),
            Defect("of_another_province", 0.0005, self._moved),
            Defect("unknown_claim_kind", 0.003, one_of("claim_kind", "99", "00", "نامعلوم")),
            Defect("impossible_date", 0.003, impossible_date("filed_date")),
            Defect("decided_before_filed", 0.002, end_before_start("filed_date", "decided_date")),
            Defect("decided_after_month", 0.002, after_the_month("decided_date")),
            Defect("outcome_without_date", 0.002, _decided_on_no_day),
            Defect("non_numeric_amount", 0.002, one_of("claim_amount", "نامشخص", "طبق نظر کارشناس", "12O000")),
            Defect("negative_amount", 0.002, one_of("claim_amount", "-12000000")),
            Defect("exact_duplicate", 0.004, None),
        )

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, self.key, name)

    def _orphaned(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        return {"workplace_code": self._workplaces.unregistered_codes((draw % np.uint64(1_000_000)).astype(np.int64))}

    def _moved(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        """The code of another province."""
        step = 1 + (draw % np.uint64(len(PROVINCES) - 1)).astype(np.int64)
        own: Ints = page.text["province"].gather(at).cast(pl.Int64).to_numpy()
        return {"province": padded((own + step) % len(PROVINCES), 2)}

    def reported_by(self, unit: str) -> Self:
        """The events of one province."""
        office = copy(self)
        office._unit = self.reporting_units.index(unit)
        return office

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all months."""
        return Contract("1.0", _DISPUTES)

    def _events(self, month: int) -> tuple[Cases, Bools]:
        """The month's events, of the province if it is told by one, and which of them are decisions."""
        events, is_decision = self._disputes.events(month)
        if self._unit is None:
            return events, is_decision
        own = events.province == self._unit
        return events.at(own), is_decision[own]

    def size(self, month: int) -> int:
        """As many as there are events."""
        return self._events(month)[0].case.size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some events; a canary is the claimant of its row's case, and the text names it."""
        all_events, are_decisions = self._events(month)
        events, is_decision = all_events.at(np.arange(begin, end)), are_decisions[begin:end]
        person, in_population = events.person.copy(), events.person.copy()
        person[planted.at] = self._persons.total + planted.number
        in_population[planted.at] = -1
        codes = self._workplaces.codes(events.workplace)
        national_codes = self._persons.national_codes(person)
        number = (events.province * 10_000 + events.year) * 1_000_000 + events.number
        in_words = self._stream("claims in words").chance(events.province, _CLAIMS_IN_WORDS_SHARE)
        outcome = pl.Series(list(OUTCOMES)).gather(events.outcome).set(pl.Series(~is_decision), None)
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), person.size, dtype=pl.String, eager=True),
                "case_number": padded(number, 12),
                "province": padded(events.province, 2),
                "national_code": national_codes,
                "workplace_code": codes,
                "claim_kind": pl.Series([*CLAIM_KINDS, *_CLAIM_WORDS]).gather(events.claim + len(CLAIM_KINDS) * in_words),
                "claim_amount": pl.Series(events.amount).cast(pl.String),
                "filed_date": date_texts(events.filed),
                "decided_date": date_texts(events.decided, is_decision),
                "outcome": outcome,
                "verdict_text": self._verdicts(events, person, national_codes).set(pl.Series(~is_decision), None),
            }
        )
        text = overwritten(plain, planted.at, _of_canaries(planted))
        return Page(
            text=text,
            national_code=text["national_code"],
            workplace_code=codes,
            person=in_population,
            office=events.province,
            spared=np.full(person.size, self._disputes.events(month)[0].case.size < _FEWEST_TO_SPOIL),
            days={"filed_date": events.filed, "month": np.full(person.size, int(first_days(month + 1)) - 1)},
        )

    def _verdicts(self, events: Cases, person: Ints, national_codes: pl.Series) -> pl.Series:
        """What the board wrote; in a small share it names the worker, or a code or a mobile number of his."""
        chance = self._stream("verdict names").unit(events.case)
        first, second = _WITH_CODE, _WITH_CODE + _WITH_MOBILE
        mobile = 9_100_000_000 + self._stream("verdict mobile").below(person, 299_999_999)
        frame = pl.DataFrame(
            {
                "chance": chance,
                "reason": pl.Series(_REASONS).gather(self._stream("verdict reason").below(events.case, len(_REASONS))),
                "ruling": pl.Series(_RULINGS).gather(events.outcome),
                "appeal": pl.Series(_APPEALS).gather(self._stream("verdict appeal").below(events.case, len(_APPEALS))),
                "code": national_codes,
                "mobile": padded(mobile, 11),
                "name": self._persons.first_names(person) + " " + self._persons.last_names(person),
            }
        )
        of_whom = (
            pl.when(pl.col("chance") < first)
            .then(pl.format(" (خواهان به شماره ملی {})", "code"))
            .when(pl.col("chance") < second)
            .then(pl.format(" (تلفن همراه خواهان {})", "mobile"))
            .when(pl.col("chance") < second + _WITH_NAME)
            .then(pl.format(" به نام {}", "name"))
            .otherwise(pl.lit(""))
        )
        return frame.select(pl.format("{}{}، {}. {}.", "reason", of_whom, "ruling", "appeal")).to_series()


def _of_canaries(planted: PlantedCanaries) -> dict[str, pl.Series]:
    told = pl.DataFrame({name: planted.column(name) for name in ("national_code", "first_name", "last_name", "phone")})
    phone = pl.when(pl.col("phone").is_null()).then(pl.lit("")).otherwise(pl.format(" به شماره {}", "phone"))
    text = pl.format("اظهارات {} {}{} با کد ملی {} شنیده شد.", "first_name", "last_name", phone, "national_code")
    return {"national_code": told["national_code"], "verdict_text": told.select(text).to_series()}
