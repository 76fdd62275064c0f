"""The Technical and Vocational Training Organization: courses that ended in the month, and skill certificates issued in it.

Columns, codings, words, defects and hands. Who takes which course, and what comes of it, is in `training`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import date_texts, first_days, month_text
from mdlake.synthetic.codes import padded
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
from mdlake.synthetic.foreigners import Foreigners
from mdlake.synthetic.handwriting import habits_of
from mdlake.synthetic.page import Page, PlantedCanaries, overwritten
from mdlake.synthetic.places import PROVINCES
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Bits, Bools, Ints, Stream
from mdlake.synthetic.training import Courses, Training

__all__ = ["SkillCertificates", "Trainees"]

_TRAINEES = {
    "month": "ماه گزارش",
    "national_code": "کد ملی کارآموز",
    "foreigner_code": "کد فراگیر اتباع",
    "first_name": "نام",
    "last_name": "نام خانوادگی",
    "sex": "جنسیت",
    "birth_date": "تاریخ تولد",
    "mobile": "تلفن همراه",
    "course_code": "کد استاندارد آموزشی",
    "training_field": "رشته آموزشی",
    "hours": "مدت دوره (ساعت)",
    "start_date": "تاریخ شروع دوره",
    "end_date": "تاریخ پایان دوره",
    "result": "نتیجه دوره",
    "centre_code": "کد مرکز آموزش",
    "province": "استان",
    "note": "توضیحات",
}
_CERTIFICATES = {
    "month": "ماه صدور",
    "certificate_number": "شماره گواهینامه",
    "national_code": "کد ملی",
    "first_name": "نام",
    "last_name": "نام خانوادگی",
    "occupation": "کد مهارت (ISCO)",
    "grade": "درجه مهارت",
    "issue_date": "تاریخ صدور",
    "province": "استان محل صدور",
}

_FEW_TRAINEES, _FEW_CERTIFICATES = 150, 100
"""A month of fewer records has none of the usual defects: a single one would weigh more than a rule allows."""
_IN_WORDS_SHARE = 0.3
_RESULT_WORDS = ("قبول", "مردود", "ناتمام")
_GRADE_WORDS = ("درجه یک", "درجه دو", "درجه سه")

_NOTES = (
    "کارآموز برای دریافت وام خوداشتغالی معرفی شد.",
    "آزمون عملی در کارگاه مرکز برگزار شد.",
    "کارآموز درخواست شرکت در دورهٔ تکمیلی دارد.",
    "غیبت‌های کارآموز موجه تشخیص داده شد.",
    "دوره با همکاری یک واحد صنعتی برگزار شد.",
    "کارآموز از خوابگاه مرکز استفاده کرده است.",
    "نمرهٔ آزمون کتبی به درخواست کارآموز بازبینی شد.",
    "هزینهٔ دوره از محل تفاهم‌نامه پرداخت شد.",
    "ابزار کار شخصی به کارآموز تحویل شد.",
)
_NOTE_SHARE = 0.5
_WITH_CODE, _WITH_MOBILE, _WITH_NAME = 0.03, 0.06, 0.10
"""Running shares of the notes in which a national code, a mobile number or a name stands."""


class Trainees(Dataset):
    """One record per person and course that ended in the month, by province; foreigners have a code of their own."""

    key = "tvto/trainees"
    byte_order_mark = False
    habits = habits_of(
        codes=("national_code", "mobile"),
        dates=("birth_date", "start_date", "end_date"),
        names=("first_name", "last_name"),
        words=("result", "note"),
        padded=("national_code", "course_code", "last_name"),
    )

    def __init__(self, persons: Persons, foreigners: Foreigners, training: Training, seed: int) -> None:
        self._persons = persons
        self._foreigners = foreigners
        self._training = training
        self._seed = seed
        self.defects = (
            Defect("wrong_check_digit", 0.003, self._wrong_check_digit),
            Defect("malformed_foreigner_code", 0.002, self._malformed_foreigner_code),
            Defect("both_codes", 0.003, self._both_codes),
            Defect("no_code", 0.003, self._no_code),
            Defect("impossible_date", 0.002, impossible_date("birth_date", "start_date")),
            # a start after the month of the end
            Defect("end_before_start", 0.003, after_the_month("start_date")),
            Defect("ended_after_month", 0.002, after_the_month("end_date")),
            Defect("malformed_mobile", 0.003, one_of("mobile", "0912", "08123456789", "ندارد")),
            Defect("malformed_course_code", 0.002, one_of("course_code", "7-21/41/1/2", "نامشخص", "72124101200")),
            Defect("unknown_field", 0.002, one_of("training_field", "00", "21", "99")),
            Defect("hours_out_of_range", 0.002, one_of("hours", "0", "-40", "9999")),
            Defect("unknown_result", 0.002, one_of("result", "0", "7", "مشروط")),
            Defect("unknown_province", 0.001, one_of("province", "31", "77")),
            Defect("exact_duplicate", 0.004, None),
        )

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, self.key, name)

    def _with_national_codes(self, page: Page, at: Ints, draw: Bits) -> Page:
        """The page with somebody's national code in the rows of foreigners."""
        stranger = 2 * self._persons.total + (draw % np.uint64(1_000_000)).astype(np.int64)
        own = page.text["national_code"].gather(at)
        codes = own.zip_with(own.is_not_null(), self._persons.national_codes(stranger))
        return page.with_text(overwritten(page.text, at, {"national_code": codes}))

    def _some_foreigner_codes(self, page: Page, at: Ints, draw: Bits) -> pl.Series:
        """The codes of the foreigners, and somebody's in the rows of others."""
        # of no trainee: a code that stands for two would be another defect
        stranger = self._foreigners.total + (draw % np.uint64(1_000_000)).astype(np.int64)
        own = page.text["foreigner_code"].gather(at)
        return own.zip_with(own.is_not_null(), self._foreigners.codes(stranger))

    def _wrong_check_digit(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        return wrong_check_digit("national_code")(self._with_national_codes(page, at, draw), at, draw)

    def _malformed_foreigner_code(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        """Nothing but a code that no foreigner can have."""
        codes = self._some_foreigner_codes(page, at, draw)
        with_codes = page.with_text(overwritten(page.text, at, {"foreigner_code": codes}))
        malformed = malformed_code("foreigner_code")(with_codes, at, draw)
        return {"national_code": page.text["national_code"].clear(at.size), **malformed}

    def _both_codes(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        """A national code and a foreigner's code, which nobody has."""
        codes = self._with_national_codes(page, at, draw).text["national_code"].gather(at)
        return {"national_code": codes, "foreigner_code": self._some_foreigner_codes(page, at, draw)}

    def _no_code(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        """Neither of the two."""
        return {name: page.text[name].clear(at.size) for name in ("national_code", "foreigner_code")}

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all months."""
        return Contract("1.0", _TRAINEES)

    def size(self, month: int) -> int:
        """As many as courses ended, counted once for each who took one."""
        return self._training.ended(month).number.size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some courses; a canary, always with a national code, took its row's course, and the note names it."""
        courses = self._training.ended(month).at(slice(begin, end))
        person, in_population = courses.person.copy(), courses.person.copy()
        person[planted.at] = self._persons.total + planted.number
        in_population[planted.at] = -1
        who = self._people(courses, person)
        birth = who["birth_day"].to_numpy()
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), person.size, dtype=pl.String, eager=True),
                **{name: who[name] for name in ("national_code", "foreigner_code", "first_name", "last_name")},
                "sex": self._sexes(who["is_male"].to_numpy(), courses.province),
                "birth_date": date_texts(birth),
                "mobile": who["mobile"],
                **self._course_columns(courses),
                "note": self._notes(courses),
            }
        )
        text = overwritten(plain, planted.at, self._of_canaries(plain, planted))
        return Page(
            text=text,
            national_code=text["national_code"],
            workplace_code=pl.repeat(None, person.size, dtype=pl.String, eager=True),
            person=in_population,
            office=courses.province,
            spared=np.full(person.size, self.size(month) < _FEW_TRAINEES),
            days={
                "birth_date": birth,
                "start_date": courses.start,
                "end_date": courses.end,
                "month": np.full(person.size, int(first_days(month + 1)) - 1),
            },
        )

    def _people(self, courses: Courses, person: Ints) -> pl.DataFrame:
        """Who they are: persons by their index, foreigners where it is -1."""
        is_person, inside, outside = person >= 0, np.maximum(person, 0), np.maximum(courses.foreigner, 0)
        persons, foreigners = self._persons, self._foreigners
        mobile = 9_100_000_000 + self._stream("mobile").below(courses.number, 299_999_999)
        choose = pl.Series(is_person)
        return pl.DataFrame(
            {
                "national_code": persons.national_codes(inside).set(~choose, None),
                "foreigner_code": foreigners.codes(outside).set(choose, None),
                "first_name": persons.first_names(inside).zip_with(choose, foreigners.first_names(outside)),
                "last_name": persons.last_names(inside).zip_with(choose, foreigners.last_names(outside)),
                "is_male": np.where(is_person, persons.is_male(inside), foreigners.is_male(outside)),
                "birth_day": np.where(is_person, persons.birth_days(inside), foreigners.birth_days(outside)),
                "mobile": padded(mobile, 11),
            }
        )

    def _sexes(self, is_male: Bools, province: Ints) -> pl.Series:
        in_words = self._stream("sex in words").chance(province, _IN_WORDS_SHARE)
        return pl.Series(["1", "2", "مرد", "زن"]).gather(2 * in_words + ~is_male)

    def _course_columns(self, courses: Courses) -> dict[str, pl.Series]:
        standards, province = self._training.standards, courses.province
        in_words = self._stream("result in words").chance(province, _IN_WORDS_SHARE)
        centres = np.array([place.branches for place in PROVINCES])[province]
        centre = 1 + self._stream("centre").below(courses.number, centres)
        return {
            "course_code": standards.codes(courses.course),
            "training_field": padded(standards.fields(courses.course), 2),
            "hours": pl.Series(standards.hours(courses.course)).cast(pl.String),
            "start_date": date_texts(courses.start),
            "end_date": date_texts(courses.end),
            "result": pl.Series(["1", "2", "3", *_RESULT_WORDS]).gather(courses.result - 1 + len(_RESULT_WORDS) * in_words),
            # a letter first, so that no spreadsheet takes it for a number
            "centre_code": "M" + padded(province * 1_000 + centre, 5),
            "province": padded(province, 2),
        }

    def _of_canaries(self, plain: pl.DataFrame, planted: PlantedCanaries) -> dict[str, pl.Series]:
        told = pl.DataFrame({name: planted.column(name) for name in ("national_code", "first_name", "last_name", "phone")})
        phone = pl.when(pl.col("phone").is_null()).then(pl.lit("")).otherwise(pl.format(" به شماره {}", "phone"))
        note = pl.format("مدارک {} {}{} با کد ملی {} بایگانی شد.", "first_name", "last_name", phone, "national_code")
        own = {name: told[name] for name in ("national_code", "first_name", "last_name")}
        mobile = told["phone"].zip_with(told["phone"].is_not_null(), plain["mobile"].gather(planted.at))
        return {**own, "mobile": mobile, "note": told.select(note).to_series()}

    def _notes(self, courses: Courses) -> pl.Series:
        """A sentence of the centre, of every second course; in some of them a person can be recognized."""
        persons, number = self._persons, courses.number
        other = self._stream("relative").below(number, persons.size)
        frame = pl.DataFrame(
            {
                "first": pl.Series(_NOTES).gather(self._stream("note").below(number, len(_NOTES))),
                "code": persons.national_codes(other),
                "mobile": padded(9_100_000_000 + self._stream("mobile in note").below(number, 299_999_999), 11),
                "name": persons.first_names(other) + " " + persons.last_names(other),
                "draw": self._stream("in note").unit(number),
            }
        )
        identified = (
            pl.when(pl.col("draw") < _WITH_CODE)
            .then(pl.format("{} کد ملی معرف {} ثبت شد.", "first", "code"))
            .when(pl.col("draw") < _WITH_MOBILE)
            .then(pl.format("{} تماس اضطراری {} است.", "first", "mobile"))
            .when(pl.col("draw") < _WITH_NAME)
            .then(pl.format("{} معرف {} است.", "first", "name"))
            .when(pl.col("draw") < _NOTE_SHARE)
            .then("first")
        )
        return frame.select(identified.alias("note")).to_series()


class SkillCertificates(Dataset):
    """One record per certificate issued in the month, by province; only who has a national code can get one."""

    key = "tvto/skill_certificates"
    byte_order_mark = False
    habits = habits_of(
        codes=("national_code",),
        dates=("issue_date",),
        names=("first_name", "last_name"),
        words=("grade",),
        padded=("national_code", "last_name"),
    )

    def __init__(self, persons: Persons, training: Training, seed: int) -> None:
        self._persons = persons
        self._training = training
        self._seed = seed
        self.defects = (
            Defect("wrong_check_digit", 0.003, wrong_check_digit("national_code")),
            Defect("missing_national_code", 0.003, missing("national_code")),
            Defect("impossible_date", 0.002, impossible_date("issue_date")),
            Defect("issued_after_month", 0.003, after_the_month("issue_date")),
            Defect("malformed_number", 0.002, one_of("certificate_number", "در دست صدور", "1403-88", "0")),
            Defect("unknown_occupation", 0.002, one_of("occupation", "99", "60", "7A")),
            Defect("unknown_grade", 0.002, one_of("grade", "0", "4", "ممتاز")),
            Defect("missing_grade", 0.002, missing("grade")),
            Defect("unknown_province", 0.001, one_of("province", "31", "77")),
            Defect("exact_duplicate", 0.004, None),
        )

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, self.key, name)

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all months."""
        return Contract("1.0", _CERTIFICATES)

    def size(self, month: int) -> int:
        """As many as were issued."""
        return self._training.certificates(month).issued.size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some certificates, numbered in their order in the month; a canary got its row's."""
        certificates = self._training.certificates(month)
        courses, issued = certificates.courses.at(slice(begin, end)), certificates.issued[begin:end]
        person, in_population = courses.person.copy(), courses.person.copy()
        person[planted.at] = self._persons.total + planted.number
        in_population[planted.at] = -1
        standards = self._training.standards
        in_words = self._stream("grade in words").chance(courses.province, _IN_WORDS_SHARE)
        grade = standards.levels(courses.course) - 1
        year_and_month = 100 * (month // 12) + month % 12 + 1
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), person.size, dtype=pl.String, eager=True),
                "certificate_number": padded(year_and_month * 10_000_000 + np.arange(begin, begin + person.size) + 1, 13),
                "national_code": self._persons.national_codes(person),
                "first_name": self._persons.first_names(person),
                "last_name": self._persons.last_names(person),
                "occupation": padded(standards.occupations(courses.course), 2),
                "grade": pl.Series(["1", "2", "3", *_GRADE_WORDS]).gather(grade + len(_GRADE_WORDS) * in_words),
                "issue_date": date_texts(issued),
                "province": padded(courses.province, 2),
            }
        )
        own = {name: planted.column(name) for name in ("national_code", "first_name", "last_name")}
        text = overwritten(plain, planted.at, own)
        return Page(
            text=text,
            national_code=text["national_code"],
            workplace_code=pl.repeat(None, person.size, dtype=pl.String, eager=True),
            person=in_population,
            office=courses.province,
            spared=np.full(person.size, self.size(month) < _FEW_CERTIFICATES),
            days={"issue_date": issued, "month": np.full(person.size, int(first_days(month + 1)) - 1)},
        )
