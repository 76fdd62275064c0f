"""The Social Security Organization pays: its pensioners and its unemployment benefits.

Columns, contracts, codings, free text, defects and hands of the two datasets. Who draws what is in `pensions` and
`unemployment`; the lists of insured and the workplaces are in `sso`.
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
from mdlake.synthetic.employment import Employment
from mdlake.synthetic.handwriting import habits_of
from mdlake.synthetic.households import Households
from mdlake.synthetic.page import Page, PlantedCanaries, overwritten
from mdlake.synthetic.pensions import SOCIAL_SECURITY, SURVIVOR, InPayment, Pensions
from mdlake.synthetic.places import PROVINCES, branch_provinces
from mdlake.synthetic.population import Persons, Workplaces
from mdlake.synthetic.randomness import Bits, Ints, Stream
from mdlake.synthetic.unemployment import Benefits, Unemployment

__all__ = ["PensionerTable", "UnemploymentBenefits"]

_PENSIONERS = {
    "month": "دوره پرداخت",
    "national_code": "کد ملی",
    "pension_kind": "نوع مستمری",
    "deceased_national_code": "کد ملی بیمه شده متوفی",
    "first_name": "نام",
    "last_name": "نام خانوادگی",
    "birth_date": "تاریخ تولد",
    "sex": "جنسیت",
    "pension": "مبلغ مستمری",
    "start_date": "تاریخ برقراری",
    "insurance_number": "شماره بیمه",
    "province": "استان",
}
_BENEFITS = {
    "month": "دوره پرداخت",
    "national_code": "کد ملی",
    "insurance_number": "شماره بیمه",
    "last_workplace_code": "کد آخرین کارگاه",
    "start_date": "تاریخ شروع مقرری",
    "month_number": "ماه چندم مقرری",
    "allowance": "مبلغ مقرری",
    "reason": "علت بیکاری",
}
_KIND_WORDS = ("بازنشستگی", "ازکارافتادگی", "بازماندگان")
_KIND_IN_WORDS_SHARE, _SEX_CODED_SHARE = 0.4, 0.3
_FEWEST_PENSIONS_TO_SPOIL, _FEWEST_BENEFITS_TO_SPOIL = 1000, 300
"""Lists that are shorter are spared of the usual defects: one more or less would decide whether they pass."""

_CAUSES = (
    "قرارداد موقت پایان یافت و تمدید نشد",
    "تعدیل نیرو به علت کاهش سفارش",
    "تعطیلی موقت کارگاه به علت نبود مواد اولیه",
    "انحلال شرکت و تسویه با کارکنان",
    "اخراج بدون تقصیر کارگر با رأی هیئت تشخیص",
    "تغییر ساختار اقتصادی واحد و حذف خط تولید",
    "آتش سوزی در کارگاه و توقف فعالیت",
    "پایان پروژه و خروج پیمانکار از کارگاه",
)
_REMARKS = (
    "مدارک کامل است",
    "معرفی نامه اداره کار پیوست است",
    "گواهی کارفرما دریافت شد",
    "متقاضی در دوره آموزشی ثبت نام کرده است",
)
_WITH_CODE, _WITH_MOBILE, _WITH_NAME = 0.04, 0.03, 0.04


class PensionerTable(Dataset):
    """One record per pension in payment on the last day of the month, by person; who draws two has two records."""

    key = "sso/pensioners"
    byte_order_mark = False
    habits = habits_of(
        codes=("national_code", "deceased_national_code"),
        dates=("birth_date", "start_date"),
        names=("first_name", "last_name"),
        words=("pension_kind",),
        padded=("national_code", "last_name", "pension"),
    )
    defects = (
        Defect("wrong_check_digit", 0.003, wrong_check_digit("national_code")),
        Defect("missing_national_code", 0.002, missing("national_code")),
        Defect(
            "survivor_without_deceased",
            0.002,
            lambda page, at, draw: {
                "pension_kind": pl.repeat(str(SURVIVOR), at.size, dtype=pl.String, eager=True),
                "deceased_national_code": page.text["deceased_national_code"].clear(at.size),
            },
        ),
        Defect("unknown_pension_kind", 0.002, one_of("pension_kind", "9", "0", "سایر")),
        Defect("start_after_month", 0.002, after_the_month("start_date")),
        Defect("impossible_date", 0.002, impossible_date("birth_date", "start_date")),
        Defect("unknown_province", 0.001, one_of("province", "31", "99")),
        Defect("negative_pension", 0.001, one_of("pension", "-92430000")),
        Defect("non_numeric_pension", 0.001, one_of("pension", "نامشخص", "طبق حکم", "92O00000")),
        Defect("exact_duplicate", 0.004, None),
    )

    def __init__(self, persons: Persons, households: Households, pensions: Pensions, seed: int) -> None:
        self._persons = persons
        self._households = households
        self._pensions = pensions
        self._seed = seed

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, self.key, name)

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all months."""
        return Contract("1.0", _PENSIONERS)

    def size(self, month: int) -> int:
        """As many as there are pensions."""
        return self._pensions.in_payment(SOCIAL_SECURITY, month).person.size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some pensions; a canary draws its row's."""
        pensions = self._pensions.in_payment(SOCIAL_SECURITY, month).at(slice(begin, end))
        person, in_population = pensions.person.copy(), pensions.person.copy()
        person[planted.at] = self._persons.total + planted.number
        in_population[planted.at] = -1
        province = self._households.provinces(self._households.of(pensions.person))
        office = self._branches(province, pensions.person)
        birth, start = self._persons.birth_days(person), self._pensions.start_days(SOCIAL_SECURITY, pensions, person)
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), person.size, dtype=pl.String, eager=True),
                **self._person_columns(person, office),
                **self._pension_columns(pensions, office),
                "birth_date": date_texts(birth),
                "start_date": date_texts(start),
                "province": padded(province, 2),
            }
        )
        names = {name: planted.column(name) for name in ("national_code", "first_name", "last_name")}
        text = overwritten(plain, planted.at, names)
        return Page(
            text=text,
            national_code=text["national_code"],
            workplace_code=pl.repeat(None, person.size, dtype=pl.String, eager=True),
            person=in_population,
            office=office,
            spared=np.full(person.size, self.size(month) < _FEWEST_PENSIONS_TO_SPOIL),
            days={"birth_date": birth, "start_date": start, "month": np.full(person.size, first_days(month + 1) - 1)},
        )

    def _branches(self, province: Ints, person: Ints) -> Ints:
        """The branch of the province that pays each person."""
        branches = np.array([place.branches for place in PROVINCES])
        first = 1 + np.searchsorted(branch_provinces(), np.arange(len(PROVINCES)))
        return first[province] + self._stream("branch").below(person, branches[province])

    def _person_columns(self, person: Ints, office: Ints) -> dict[str, pl.Series]:
        persons = self._persons
        is_coded = self._stream("sex coded").chance(office, _SEX_CODED_SHARE)
        return {
            "national_code": persons.national_codes(person),
            "first_name": persons.first_names(person),
            "last_name": persons.last_names(person),
            "sex": pl.Series(["مرد", "زن", "1", "2"]).gather(2 * is_coded + ~persons.is_male(person)),
            "insurance_number": persons.insurance_numbers(person),
        }

    def _pension_columns(self, pensions: InPayment, office: Ints) -> dict[str, pl.Series]:
        in_words = self._stream("kind in words").chance(office, _KIND_IN_WORDS_SHARE)
        is_survivor = pensions.kind == SURVIVOR
        deceased = self._persons.national_codes(np.where(is_survivor, pensions.deceased, 0))
        return {
            "pension_kind": pl.Series(["1", "2", "3", *_KIND_WORDS]).gather(pensions.kind - 1 + len(_KIND_WORDS) * in_words),
            "deceased_national_code": deceased.set(pl.Series(~is_survivor), None),
            "pension": pl.Series(self._pensions.amounts(SOCIAL_SECURITY, pensions)).cast(pl.String),
        }


class UnemploymentBenefits(Dataset):
    """One record per person who draws a benefit for the month, by person."""

    key = "sso/unemployment_benefits"
    byte_order_mark = True
    habits = habits_of(
        codes=("national_code", "last_workplace_code"),
        dates=("start_date",),
        names=("reason",),
        padded=("national_code", "last_workplace_code", "allowance"),
    )

    def __init__(
        self, persons: Persons, workplaces: Workplaces, employment: Employment, unemployment: Unemployment, seed: int
    ) -> None:
        self._persons = persons
        self._workplaces = workplaces
        self._employment = employment
        self._unemployment = unemployment
        self._seed = seed
        self.defects = (
            Defect("wrong_check_digit", 0.003, wrong_check_digit("national_code")),
            Defect("missing_national_code", 0.002, missing("national_code")),
            Defect("malformed_workplace_code", 0.002, malformed_code("last_workplace_code")),
            Defect("orphan_workplace", 0.004, self._orphaned),
            Defect("month_number_out_of_range", 0.002, one_of("month_number", "0", "37", "99")),
            Defect("start_after_month", 0.002, after_the_month("start_date")),
            Defect("impossible_date", 0.002, impossible_date("start_date")),
            Defect("non_numeric_allowance", 0.002, one_of("allowance", "نامشخص", "طبق حکم", "41O00000")),
            Defect("exact_duplicate", 0.004, None),
        )

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, self.key, name)

    def _orphaned(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        number = (draw % np.uint64(1_000_000)).astype(np.int64)
        return {"last_workplace_code": self._workplaces.unregistered_codes(number)}

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all months."""
        return Contract("1.0", _BENEFITS)

    def size(self, month: int) -> int:
        """As many as there are beneficiaries."""
        return self._unemployment.benefits(month).person.size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some beneficiaries; a canary draws its row's benefit, and the reason names it."""
        benefits = self._unemployment.benefits(month).at(slice(begin, end))
        person, in_population = benefits.person.copy(), benefits.person.copy()
        person[planted.at] = self._persons.total + planted.number
        in_population[planted.at] = -1
        workplace = self._employment.workplaces_of(benefits.person, benefits.job)
        codes, national_codes = self._workplaces.codes(workplace), self._persons.national_codes(person)
        start = self._unemployment.start_days(benefits, month)
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), person.size, dtype=pl.String, eager=True),
                "national_code": national_codes,
                "insurance_number": self._persons.insurance_numbers(person),
                "last_workplace_code": codes,
                "start_date": date_texts(start),
                "month_number": pl.Series(benefits.number).cast(pl.String),
                "allowance": pl.Series(self._unemployment.amounts(benefits)).cast(pl.String),
                "reason": self._reasons(benefits, person, national_codes),
            }
        )
        text = overwritten(plain, planted.at, _of_canaries(planted))
        return Page(
            text=text,
            national_code=text["national_code"],
            workplace_code=codes,
            person=in_population,
            office=self._workplaces.branches(workplace),
            spared=np.full(person.size, self.size(month) < _FEWEST_BENEFITS_TO_SPOIL),
            days={"start_date": start, "month": np.full(person.size, first_days(month + 1) - 1)},
        )

    def _reasons(self, benefits: Benefits, person: Ints, national_codes: pl.Series) -> pl.Series:
        """Why the job ended; in a small share the sentence names the person, or a code or a mobile number of his."""
        mobile = 9_100_000_000 + self._stream("mobile").below(person, 299_999_999)
        frame = pl.DataFrame(
            {
                "chance": self._stream("names").unit(benefits.job),
                "cause": pl.Series(_CAUSES).gather(self._stream("cause").below(benefits.job, len(_CAUSES))),
                "remark": pl.Series(_REMARKS).gather(self._stream("remark").below(benefits.job, len(_REMARKS))),
                "code": national_codes,
                "mobile": padded(mobile, 11),
                "name": self._persons.first_names(person) + " " + self._persons.last_names(person),
            }
        )
        of_whom = (
            pl.when(pl.col("chance") < _WITH_CODE)
            .then(pl.format(" متقاضی به شماره ملی {} است.", "code"))
            .when(pl.col("chance") < _WITH_CODE + _WITH_MOBILE)
            .then(pl.format(" تلفن همراه متقاضی {} است.", "mobile"))
            .when(pl.col("chance") < _WITH_CODE + _WITH_MOBILE + _WITH_NAME)
            .then(pl.format(" نام متقاضی {} است.", "name"))
            .otherwise(pl.lit(""))
        )
        return frame.select(pl.format("{}؛ {}.{}", "cause", "remark", of_whom)).to_series()


def _of_canaries(planted: PlantedCanaries) -> dict[str, pl.Series]:
    told = pl.DataFrame({name: planted.column(name) for name in ("national_code", "first_name", "last_name", "phone")})
    phone = pl.when(pl.col("phone").is_null()).then(pl.lit("")).otherwise(pl.format(" به شماره {}", "phone"))
    text = pl.format("گفته‌های {} {}{} با کد ملی {} شنیده شد.", "first_name", "last_name", phone, "national_code")
    return {"national_code": told["national_code"], "reason": told.select(text).to_series()}
