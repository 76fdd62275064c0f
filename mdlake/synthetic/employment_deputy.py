"""The deputy for entrepreneurship and employment: job seekers at the end of each month, and employment loans approved in it.

Columns, codings, words, defects and hands. Who looks for work and who borrows is in `labour_market`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import date_texts, first_days, month_text
from mdlake.synthetic.codes import padded
from mdlake.synthetic.cooperation import Cooperatives
from mdlake.synthetic.dataset import Contract, Dataset
from mdlake.synthetic.defects import Defect, after_the_month, impossible_date, missing, one_of, wrong_check_digit
from mdlake.synthetic.handwriting import habits_of
from mdlake.synthetic.households import Households
from mdlake.synthetic.labour_market import EDUCATION, OCCUPATIONS, LabourMarket, Loans, Seekers
from mdlake.synthetic.page import Page, PlantedCanaries, overwritten
from mdlake.synthetic.population import Persons, Workplaces
from mdlake.synthetic.randomness import Bits, Ints, Stream

__all__ = ["EmploymentLoans", "JobSeekers"]

_SEEKERS = {
    "month": "ماه گزارش",
    "national_code": "کد ملی کارجو",
    "first_name": "نام",
    "last_name": "نام خانوادگی",
    "birth_date": "تاریخ تولد",
    "sex": "جنسیت",
    "education": "مدرک تحصیلی",
    "occupation": "کد شغل مورد درخواست",
    "registration_date": "تاریخ ثبت نام",
    "mobile": "تلفن همراه",
    "province": "استان محل سکونت",
    "county": "شهرستان محل سکونت",
    "note": "توضیحات کاریابی",
}
_LOANS = {
    "month": "ماه تصویب",
    "national_code": "کد ملی متقاضی",
    "legal_id": "شناسه ملی متقاضی",
    "borrower_name": "نام متقاضی",
    "amount": "مبلغ تسهیلات (ریال)",
    "jobs_committed": "تعهد اشتغال (نفر)",
    "activity": "کد رشته فعالیت",
    "province": "استان محل اجرا",
    "approval_date": "تاریخ تصویب",
    "tracking_number": "شماره پیگیری بانک",
    "bank_remark": "توضیحات بانک عامل",
}

_FEW_SEEKERS, _FEW_LOANS = 400, 40
"""A month of fewer records has none of the usual defects: a single one would weigh more than a rule allows."""
_IN_WORDS_SHARE = 0.3
_EDUCATION_WORDS = (
    "بیسواد", "باسواد", "ابتدایی", "راهنمایی", "دیپلم", "فوق دیپلم", "لیسانس", "فوق لیسانس", "دکتری",
)  # fmt: skip

_NOTES = (
    "کارجو برای مصاحبه به کارفرما معرفی شد.",
    "کارجو متقاضی کار نیمه‌وقت است.",
    "کارجو سابقهٔ کار مرتبط دارد و گواهی آن پیوست است.",
    "شرکت در دورهٔ مهارت‌آموزی پیشنهاد شد.",
    "کارجو آمادگی کار در شهر دیگر را ندارد.",
    "فرصت شغلی معرفی‌شده به دلیل پایین بودن مزد پذیرفته نشد.",
    "کارجو در ماه گذشته مراجعه نکرده است.",
    "مدارک تحصیلی کارجو تکمیل نیست.",
    "کارجو متقاضی تسهیلات خوداشتغالی است.",
)
_REMARKS = (
    "ضامن معرفی و وثیقه ارزیابی شد.",
    "پرداخت در دو مرحله پس از بازدید از محل طرح انجام می‌شود.",
    "طرح توجیهی بررسی و با اصلاحات تأیید شد.",
    "بازپرداخت پس از یک سال تنفس آغاز می‌شود.",
    "متقاضی بدهی معوق بانکی ندارد.",
    "پروانهٔ کسب متقاضی در دست تمدید است.",
    "آورده متقاضی به حساب طرح واریز شده است.",
    "بیمهٔ کارکنان طرح پیش از پرداخت مرحلهٔ دوم بررسی شود.",
)
_NOTE_SHARE = 0.55
_WITH_CODE, _WITH_MOBILE, _WITH_NAME = 0.03, 0.06, 0.10
"""Running shares of the notes in which a national code, a mobile number or a name stands."""

_FIRST_BANK, _BANKS = 11, 9
"""Banks that lend, as they stand in front of their tracking numbers."""
_LOANS_IN_MONTH = 1_000_000


def _mobiles(stream: Stream, index: Ints) -> pl.Series:
    return padded(9_100_000_000 + stream.below(index, 299_999_999), 11)


def _notes(persons: Persons, sentences: tuple[str, ...], number: Ints, seed: int, key: str) -> pl.Series:
    """A sentence, of every second record; in some of them a person can be recognized."""

    def stream(name: str) -> Stream:
        return Stream(seed, key, "note", name)

    other = stream("relative").below(number, persons.size)
    frame = pl.DataFrame(
        {
            "first": pl.Series(sentences).gather(stream("sentence").below(number, len(sentences))),
            "code": persons.national_codes(other),
            "mobile": _mobiles(stream("mobile"), number),
            "name": persons.first_names(other) + " " + persons.last_names(other),
            "draw": stream("identifies").unit(number),
        }
    )
    identified = (
        pl.when(pl.col("draw") < _WITH_CODE)
        .then(pl.format("{} کد ملی معرف {} ثبت شد.", "first", "code"))
        .when(pl.col("draw") < _WITH_MOBILE)
        .then(pl.format("{} شماره تماس {} است.", "first", "mobile"))
        .when(pl.col("draw") < _WITH_NAME)
        .then(pl.format("{} معرف {} است.", "first", "name"))
        .when(pl.col("draw") < _NOTE_SHARE)
        .then("first")
    )
    return frame.select(identified.alias("note")).to_series()


def _of_canaries(planted: PlantedCanaries, note: str) -> dict[str, pl.Series]:
    """What is told of the canaries: their codes and names, telephone where they have one, and a note with all of it."""
    told = pl.DataFrame({name: planted.column(name) for name in ("national_code", "first_name", "last_name", "phone")})
    phone = pl.when(pl.col("phone").is_null()).then(pl.lit("")).otherwise(pl.format(" به شماره {}", "phone"))
    text = pl.format(f"{note} {{}} {{}}{{}} با کد ملی {{}} انجام شد.", "first_name", "last_name", phone, "national_code")
    return {**told.to_dict(), "note": told.select(text.alias("note")).to_series()}


class JobSeekers(Dataset):
    """One record per job seeker who is registered on the last day of the month, by province."""

    key = "employment/job_seekers"
    byte_order_mark = True
    habits = habits_of(
        codes=("national_code", "mobile"),
        dates=("birth_date", "registration_date"),
        names=("first_name", "last_name"),
        words=("education", "note"),
        padded=("national_code", "occupation", "last_name"),
    )

    def __init__(self, persons: Persons, households: Households, market: LabourMarket, seed: int) -> None:
        self._persons = persons
        self._households = households
        self._market = market
        self._seed = seed
        self.defects = (
            Defect("wrong_check_digit", 0.003, wrong_check_digit("national_code")),
            Defect("missing_national_code", 0.002, missing("national_code")),
            Defect("registered_after_month", 0.002, after_the_month("registration_date")),
            Defect("malformed_mobile", 0.004, one_of("mobile", "0912", "08123456789", "ندارد")),
            Defect("unknown_education", 0.002, one_of("education", "9", "17", "حوزوی")),
            Defect("unknown_occupation", 0.002, one_of("occupation", "99", "60", "7A")),
            Defect("impossible_date", 0.002, impossible_date("birth_date", "registration_date")),
            Defect("unknown_province", 0.001, one_of("province", "31", "77")),
            Defect("exact_duplicate", 0.004, None),
        )

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, self.key, name)

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all months."""
        return Contract("1.0", _SEEKERS)

    def size(self, month: int) -> int:
        """As many as are registered on the last day of the month."""
        return self._market.seekers(month).number.size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some job seekers; a canary has its row's registration, and the note names it."""
        seekers = self._market.seekers(month).at(slice(begin, end))
        person, in_population = seekers.person.copy(), seekers.person.copy()
        person[planted.at] = self._persons.total + planted.number
        in_population[planted.at] = -1
        birth = self._persons.birth_days(person)
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), person.size, dtype=pl.String, eager=True),
                **self._person_columns(person, birth, seekers.province),
                "education": self._educations(seekers),
                "occupation": pl.Series(list(OCCUPATIONS)).gather(self._market.occupations(seekers.number)),
                "registration_date": date_texts(seekers.registered),
                "mobile": _mobiles(self._stream("mobile"), person),
                "province": padded(seekers.province, 2),
                "county": self._households.county_codes(self._households.of(seekers.person)),
                "note": _notes(self._persons, _NOTES, seekers.number, self._seed, self.key),
            }
        )
        told = _of_canaries(planted, "مصاحبه با")
        told["mobile"] = told["phone"].fill_null(plain["mobile"].gather(planted.at))
        text = overwritten(plain, planted.at, {name: told[name] for name in plain.columns if name in told})
        return Page(
            text=text,
            national_code=text["national_code"],
            workplace_code=pl.repeat(None, person.size, dtype=pl.String, eager=True),
            person=in_population,
            office=seekers.province,
            spared=np.full(person.size, self.size(month) < _FEW_SEEKERS),
            days={
                "birth_date": birth,
                "registration_date": seekers.registered,
                "month": np.full(person.size, int(first_days(month + 1)) - 1),
            },
        )

    def _person_columns(self, person: Ints, birth: Ints, province: Ints) -> dict[str, pl.Series]:
        persons = self._persons
        in_words = self._stream("sex in words").chance(province, _IN_WORDS_SHARE)
        return {
            "national_code": persons.national_codes(person),
            "first_name": persons.first_names(person),
            "last_name": persons.last_names(person),
            "birth_date": date_texts(birth),
            "sex": pl.Series(["1", "2", "مرد", "زن"]).gather(2 * in_words + ~persons.is_male(person)),
        }

    def _educations(self, seekers: Seekers) -> pl.Series:
        in_words = self._stream("education in words").chance(seekers.province, _IN_WORDS_SHARE)
        written = pl.Series([*EDUCATION, *_EDUCATION_WORDS])
        return written.gather(self._market.educations(seekers.person) + len(EDUCATION) * in_words)


def _outside_the_month(page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
    """A day up to 300 days before or after the month of the record."""
    distance = 1 + ((draw >> np.uint64(1)) % np.uint64(300)).astype(np.int64)
    day = np.where(draw % np.uint64(2) == 0, page.days["month"][at] + distance, page.days["month_begin"][at] - distance)
    return {"approval_date": date_texts(day)}


class EmploymentLoans(Dataset):
    """One record per loan approved in the month, by province and day; the borrower is a natural or a legal person."""

    key = "employment/employment_loans"
    byte_order_mark = False
    habits = habits_of(
        codes=("national_code",),
        dates=("approval_date",),
        names=("borrower_name",),
        words=("bank_remark",),
        padded=("national_code", "legal_id", "borrower_name", "amount"),
    )

    def __init__(
        self, persons: Persons, workplaces: Workplaces, cooperatives: Cooperatives, market: LabourMarket, seed: int
    ) -> None:
        self._persons = persons
        self._workplaces = workplaces
        self._cooperatives = cooperatives
        self._market = market
        self._seed = seed
        self.defects = (
            Defect("wrong_check_digit", 0.003, self._wrong_check_digit),
            Defect("wrong_legal_id", 0.003, self._wrong_legal_id),
            Defect("both_codes", 0.003, self._both_codes),
            Defect("no_code", 0.003, self._no_code),
            Defect("negative_amount", 0.002, one_of("amount", "-1200000000", "-50000000")),
            Defect("non_numeric_amount", 0.002, one_of("amount", "نامشخص", "طبق مصوبه", "12O000000")),
            Defect("jobs_out_of_range", 0.003, one_of("jobs_committed", "0", "-3", "9000")),
            Defect("unknown_activity", 0.003, one_of("activity", "00", "34", "4A")),
            Defect("approved_outside_month", 0.003, _outside_the_month),
            Defect("exact_duplicate", 0.004, None),
        )

    # Whichever of the two codes a borrower has, a defect of one of them falls on it.

    def _with_both_codes(self, page: Page, at: Ints, draw: Bits) -> Page:
        """The page with somebody's national code and some legal entity's id in the rows that have none."""
        number = (draw % np.uint64(1_000_000)).astype(np.int64)
        others = {
            "national_code": self._persons.national_codes(2 * self._persons.total + number),
            "legal_id": self._cooperatives.unregistered_ids(number),
        }
        codes = {name: page.text[name].gather(at).fill_null(other) for name, other in others.items()}
        return page.with_text(overwritten(page.text, at, codes))

    def _wrong_check_digit(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        wrong = wrong_check_digit("national_code")(self._with_both_codes(page, at, draw), at, draw)
        return {**wrong, "legal_id": page.text["legal_id"].clear(at.size)}

    def _wrong_legal_id(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        wrong = wrong_check_digit("legal_id")(self._with_both_codes(page, at, draw), at, draw)
        return {**wrong, "national_code": page.text["national_code"].clear(at.size)}

    def _both_codes(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        """A natural and a legal person at once, which no borrower is."""
        text = self._with_both_codes(page, at, draw).text
        return {name: text[name].gather(at) for name in ("national_code", "legal_id")}

    def _no_code(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        """Neither of the two."""
        return {name: page.text[name].clear(at.size) for name in ("national_code", "legal_id")}

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all months."""
        return Contract("1.0", _LOANS)

    def size(self, month: int) -> int:
        """As many as were approved."""
        return self._market.loans(month).number.size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some loans; a canary, always a natural person, got its row's loan, and the remark names it."""
        loans = self._market.loans(month).at(slice(begin, end))
        in_population = loans.person.copy()
        in_population[planted.at] = -1
        size = loans.number.size
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), size, dtype=pl.String, eager=True),
                **self._borrower_columns(loans),
                "amount": pl.Series(loans.amount).cast(pl.String),
                "jobs_committed": pl.Series(loans.jobs).cast(pl.String),
                "activity": self._market.activities(loans),
                "province": padded(loans.province, 2),
                "approval_date": date_texts(loans.approved),
                "tracking_number": self._tracking_numbers(loans, month, begin),
                "bank_remark": _notes(self._persons, _REMARKS, loans.number, self._seed, self.key),
            }
        )
        text = overwritten(plain, planted.at, self._of_canaries(plain, planted))
        return Page(
            text=text,
            national_code=text["national_code"],
            workplace_code=pl.repeat(None, size, dtype=pl.String, eager=True),
            person=in_population,
            office=loans.province,
            spared=np.full(size, self.size(month) < _FEW_LOANS),
            days={
                "approval_date": loans.approved,
                "month_begin": np.full(size, int(first_days(month))),
                "month": np.full(size, int(first_days(month + 1)) - 1),
            },
        )

    def _borrower_columns(self, loans: Loans) -> dict[str, pl.Series]:
        is_legal = pl.Series(loans.person < 0)
        person, workplace = np.maximum(loans.person, 0), np.maximum(loans.workplace, 0)
        names = self._persons.first_names(person) + " " + self._persons.last_names(person)
        return {
            "national_code": self._persons.national_codes(person).set(is_legal, None),
            "legal_id": self._workplaces.employer_legal_ids(workplace).set(~is_legal, None),
            "borrower_name": self._workplaces.names(workplace).zip_with(is_legal, names),
        }

    def _tracking_numbers(self, loans: Loans, month: int, begin: int) -> pl.Series:
        """Fourteen digits: bank 2, year and month 6, running number in the month 6."""
        bank = _FIRST_BANK + Stream(self._seed, self.key, "bank").below(loans.number, _BANKS)
        year_and_month = 100 * (month // 12) + month % 12 + 1
        running = begin + 1 + np.arange(loans.number.size)
        return padded((bank * 1_000_000 + year_and_month) * _LOANS_IN_MONTH + running, 14)

    def _of_canaries(self, plain: pl.DataFrame, planted: PlantedCanaries) -> dict[str, pl.Series]:
        told = _of_canaries(planted, "تماس با")
        return {
            "national_code": told["national_code"],
            "legal_id": plain["legal_id"].clear(planted.at.size),
            "borrower_name": told["first_name"] + " " + told["last_name"],
            "bank_remark": told["note"],
        }
