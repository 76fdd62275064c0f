"""The State Welfare Organization: its clients at the end of each month, with a note on each case.

Columns, codings, words, defects and hands. Who is a client, and since when, is in `welfare`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import date_texts, month_text
from mdlake.synthetic.codes import padded
from mdlake.synthetic.dataset import Contract, Dataset
from mdlake.synthetic.defects import Defect, impossible_date, missing, one_of, wrong_check_digit
from mdlake.synthetic.disability import Disabilities
from mdlake.synthetic.handwriting import habits_of
from mdlake.synthetic.households import Households
from mdlake.synthetic.page import Page, PlantedCanaries, overwritten
from mdlake.synthetic.places import drawn
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Bits, Bools, Ints, Stream
from mdlake.synthetic.welfare import WelfareCases

__all__ = ["WelfareClients"]

_CLIENTS = {
    "month": "ماه گزارش",
    "national_code": "کد ملی مددجو",
    "head_national_code": "کد ملی سرپرست خانوار",
    "first_name": "نام",
    "last_name": "نام خانوادگی",
    "birth_date": "تاریخ تولد",
    "sex": "جنسیت",
    "disability_kind": "نوع معلولیت",
    "disability_severity": "شدت معلولیت",
    "support_kind": "نوع حمایت",
    "allowance": "مبلغ مستمری",
    "province": "استان",
    "county": "شهرستان",
    "case_note": "شرح پرونده",
}

_FEW = 400
"""A month of fewer records has none of the usual defects: a single one would weigh more than a rule allows."""
_IN_WORDS_SHARE = 0.3
_DISABILITY_WORDS = ("ندارد", "جسمی حرکتی", "بینایی", "شنوایی", "ذهنی", "روانی", "گفتاری")
_SEVERITY_WORDS = ("ندارد", "خفیف", "متوسط", "شدید", "خیلی شدید")
_SUPPORT_OF_MILD = {"1": 60, "3": 25, "5": 15}
_SUPPORT_OF_SEVERE = {"1": 40, "2": 40, "3": 10, "5": 10}
_SUPPORT_OF_WOMEN = "4"
_HIGH_SEVERITY = 3

_ALLOWANCES = {"1": 5_300_000, "2": 8_600_000, "3": 4_150_000, "4": 6_200_000, "5": 3_450_000}
"""Rial a month in 1403, by kind of support."""
_YEAR_OF_ALLOWANCES, _YEARS = 1403, range(1396, 1418)

_NOTES = (
    "بازدید از منزل انجام شد و وضعیت خانوار مناسب نیست.",
    "مددجو نیاز به وسیله کمک توانبخشی دارد.",
    "پرونده در کمیسیون پزشکی بررسی و تأیید شد.",
    "مددجو تحت پوشش بیمه پایه است و داروی مصرفی دارد.",
    "تمدید حمایت با نظر مددکار پیشنهاد می‌شود.",
    "مدارک ناقص است و باید تکمیل شود.",
    "خانوار مستأجر است و درآمد ثابت ندارد.",
    "مددجو در کلاس‌های مهارت‌آموزی ثبت‌نام کرده است.",
    "نوبت ارزیابی بعدی شش ماه دیگر است.",
    "برای سرویس ایاب و ذهاب درخواست داده شد.",
)
_NOTE_SHARE = 0.7
_WITH_CODE, _WITH_MOBILE, _WITH_NAME = 0.04, 0.07, 0.12
"""Running shares of the notes in which a national code, a mobile number or a name stands."""


class WelfareClients(Dataset):
    """One record per client on the last day of the month, by province and household."""

    key = "behzisti/welfare_clients"
    byte_order_mark = True
    habits = habits_of(
        codes=("national_code", "head_national_code"),
        dates=("birth_date",),
        names=("first_name", "last_name"),
        words=("disability_kind", "disability_severity", "case_note"),
        padded=("national_code", "last_name", "allowance"),
    )

    def __init__(
        self, persons: Persons, households: Households, disabilities: Disabilities, cases: WelfareCases, seed: int
    ) -> None:
        self._persons = persons
        self._households = households
        self._disabilities = disabilities
        self._cases = cases
        self._seed = seed
        self.defects = (
            Defect("wrong_check_digit", 0.003, wrong_check_digit("national_code")),
            Defect("missing_national_code", 0.002, missing("national_code")),
            Defect("wrong_head_code", 0.002, wrong_check_digit("head_national_code")),
            Defect("head_of_no_household", 0.003, self._strange_heads),
            Defect("impossible_date", 0.002, impossible_date("birth_date")),
            Defect("unknown_disability_kind", 0.002, one_of("disability_kind", "9", "17", "X")),
            Defect("missing_severity", 0.002, missing("disability_severity")),
            Defect("unknown_support_kind", 0.001, one_of("support_kind", "0", "8", "S")),
            Defect("negative_allowance", 0.0005, one_of("allowance", "-1500000", "-90000")),
            Defect("non_numeric_allowance", 0.0005, one_of("allowance", "طبق مصوبه", "نامشخص")),
            Defect("unknown_province", 0.001, one_of("province", "31", "77")),
            Defect("exact_duplicate", 0.004, None),
        )

    def _stream(self, *name: str) -> Stream:
        return Stream(self._seed, self.key, *name)

    def _strange_heads(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        """Codes of persons that are in nobody's household."""
        stranger = 2 * self._persons.total + (draw % np.uint64(1_000_000)).astype(np.int64)
        return {"head_national_code": self._persons.national_codes(stranger)}

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all months."""
        return Contract("1.0", _CLIENTS)

    def size(self, month: int) -> int:
        """As many records as there are clients on the last day of the month."""
        return self._cases.clients(month).size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some clients of the month; a canary has its row's case, and all else the same in every month."""
        clients = self._cases.clients(month)
        client = clients[begin:end]
        person, in_population = client.copy(), client.copy()
        person[planted.at] = self._persons.total + planted.number
        in_population[planted.at] = -1
        persons, household = self._persons, self._households.of(client)
        province = self._households.provinces(household)
        birth, head = persons.birth_days(person), self._households.living_heads(household, month)
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), client.size, dtype=pl.String, eager=True),
                "national_code": persons.national_codes(person),
                "head_national_code": persons.national_codes(head),
                "first_name": persons.first_names(person),
                "last_name": persons.last_names(person),
                "birth_date": date_texts(birth),
                "sex": self._sexes(person, province),
                **self._case_columns(client, province, month),
                "province": padded(province, 2),
                "county": self._households.county_codes(household),
                "case_note": self._notes(client),
            }
        )
        text = overwritten(plain, planted.at, self._of_canaries(plain, planted, (head == client)[planted.at]))
        return Page(
            text=text,
            national_code=text["national_code"],
            workplace_code=pl.repeat(None, client.size, dtype=pl.String, eager=True),
            person=in_population,
            office=province,
            spared=np.full(client.size, clients.size < _FEW),
            days={"birth_date": birth},
        )

    def _of_canaries(self, plain: pl.DataFrame, planted: PlantedCanaries, is_head: Bools) -> dict[str, pl.Series]:
        own = {name: planted.column(name) for name in ("national_code", "first_name", "last_name")}
        heads = own["national_code"].zip_with(pl.Series(is_head), plain["head_national_code"].gather(planted.at))
        return {**own, "head_national_code": heads}

    def _sexes(self, person: Ints, province: Ints) -> pl.Series:
        in_words = self._stream("sex in words").chance(province, _IN_WORDS_SHARE)
        return pl.Series(["1", "2", "مرد", "زن"]).gather(2 * in_words + ~self._persons.is_male(person))

    def _case_columns(self, client: Ints, province: Ints, month: int) -> dict[str, pl.Series]:
        is_disabled = self._cases.are_for_disability(client)
        kind = np.where(is_disabled, self._disabilities.kinds(client), 0)
        severity = np.where(is_disabled, self._disabilities.severities(client), 0)
        in_words = self._stream("in words").chance(province, _IN_WORDS_SHARE)
        kinds = pl.Series([*"0123456", *_DISABILITY_WORDS])
        severities = pl.Series([*"01234", *_SEVERITY_WORDS])
        mild = pl.Series(list(_SUPPORT_OF_MILD)).gather(drawn(self._stream("support"), client, _SUPPORT_OF_MILD))
        severe = pl.Series(list(_SUPPORT_OF_SEVERE)).gather(drawn(self._stream("support"), client, _SUPPORT_OF_SEVERE))
        support = severe.zip_with(pl.Series(severity >= _HIGH_SEVERITY), mild).set(pl.Series(~is_disabled), _SUPPORT_OF_WOMEN)
        return {
            "disability_kind": kinds.gather(kind + len(_DISABILITY_WORDS) * in_words),
            "disability_severity": severities.gather(severity + len(_SEVERITY_WORDS) * in_words),
            "support_kind": support,
            "allowance": pl.Series(self._allowances(client, support, month)).cast(pl.String),
        }

    def _allowances(self, client: Ints, support: pl.Series, month: int) -> Ints:
        """Rial: by kind of support and size of need, a fifth more each year."""
        base: Ints = support.replace_strict(_ALLOWANCES, return_dtype=pl.Int64).to_numpy()
        need = 80 + self._stream("need").below(client, 61)
        year = min(max(month // 12, _YEARS.start), _YEARS.stop - 1) - _YEAR_OF_ALLOWANCES
        up, down = 6 ** max(year, 0) * 5 ** max(-year, 0), 5 ** max(year, 0) * 6 ** max(-year, 0)
        allowance: Ints = base * need // 100 * up // down // 1_000 * 1_000
        return allowance

    def _notes(self, client: Ints) -> pl.Series:
        """A sentence or two of the case worker, of seven cases in ten; in some of them a person can be recognized."""
        persons = self._persons
        other = self._stream("relative").below(client, persons.size)
        frame = pl.DataFrame(
            {
                "first": pl.Series(_NOTES).gather(self._stream("first sentence").below(client, len(_NOTES))),
                "code": persons.national_codes(other),
                "mobile": padded(9_100_000_000 + self._stream("mobile").below(client, 299_999_999), 11),
                "name": persons.first_names(other) + " " + persons.last_names(other),
                "draw": self._stream("in note").unit(client),
            }
        )
        identified = (
            pl.when(pl.col("draw") < _WITH_CODE)
            .then(pl.format("{} کد ملی مراقب {} ثبت شد.", "first", "code"))
            .when(pl.col("draw") < _WITH_MOBILE)
            .then(pl.format("{} شماره تماس {} است.", "first", "mobile"))
            .when(pl.col("draw") < _WITH_NAME)
            .then(pl.format("{} پیگیری با {} است.", "first", "name"))
            .when(pl.col("draw") < _NOTE_SHARE)
            .then("first")
        )
        return frame.select(identified.alias("note")).to_series()
