"""The Social Security Organization: the monthly list of insured contributions, and the workplaces.

Columns, contracts, codings, defects and hands of its two datasets. Who works where is in `employment`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import date_texts, first_days, month_lengths, month_text
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
from mdlake.synthetic.employment import Employment, Spells
from mdlake.synthetic.handwriting import Habit, habits_of
from mdlake.synthetic.page import Page, PlantedCanaries, overwritten
from mdlake.synthetic.places import ISCO_SUB_MAJOR_GROUPS, NATIONALITIES, drawn
from mdlake.synthetic.population import Persons, Workplaces
from mdlake.synthetic.randomness import Bits, Bools, Ints, Stream
from mdlake.synthetic.wages import daily_wages
from mdlake.synthetic.words import NATIONALITY_WORDS

__all__ = ["InsuredContributions", "WorkplaceTable"]

_LIST_1 = {
    "list_month": "دوره لیست",
    "workplace_code": "کد کارگاه",
    "national_code": "کد ملی",
    "insurance_number": "شماره بیمه",
    "first_name": "نام",
    "last_name": "نام خانوادگی",
    "father_name": "نام پدر",
    "birth_date": "تاریخ تولد",
    "sex": "جنسیت",
    "nationality": "تابعیت",
    "occupation_code": "کد شغل",
    "job_start": "تاریخ شروع به کار",
    "job_end": "تاریخ ترک کار",
    "days_worked": "روزهای کارکرد",
    "daily_wage": "دستمزد روزانه",
    "insurable_wage": "دستمزد مشمول",
    "premium": "حق بیمه",
}
_LIST_2 = {
    "list_month": "دوره لیست",
    "workplace_code": "کد کارگاه",
    "national_code": "شماره ملی",
    "insurance_number": "شماره بیمه شده",
    "first_name": "نام",
    "last_name": "نام خانوادگی",
    "birth_date": "تاریخ تولد",
    "sex": "جنسیت",
    "nationality": "تابعیت",
    "occupation_code": "کد شغل",
    "contract_type": "نوع قرارداد",
    "job_start": "تاریخ شروع به کار",
    "job_end": "تاریخ ترک کار",
    "days_worked": "روزهای کارکرد",
    "daily_wage": "دستمزد روزانه",
    "insurable_wage": "دستمزد مشمول",
    "premium": "حق بیمه",
}
_WORKPLACES = {
    "month": "دوره",
    "workplace_code": "کد کارگاه",
    "workplace_name": "نام کارگاه",
    "employer_national_code": "کد ملی کارفرما",
    "employer_legal_id": "شناسه ملی کارفرما",
    "isic": "کد فعالیت",
    "province": "استان",
    "county": "شهرستان",
    "postal_code": "کد پستی",
    "phone": "تلفن",
    "employees": "تعداد کارکنان",
    "status": "وضعیت",
}

_SEX_CODED_SHARE, _NATIONALITY_IN_WORDS_SHARE = 0.3, 0.25
_CONTRACT_TYPES = {"1": 20, "2": 60, "3": 8, "4": 12}


class InsuredContributions(Dataset):
    """One record per person and workplace of the month, in the order of workplaces."""

    key = "sso/insured_contributions"
    byte_order_mark = False
    habits = habits_of(
        codes=("national_code", "workplace_code"),
        dates=("birth_date", "job_start", "job_end"),
        names=("first_name", "last_name", "father_name"),
        words=("nationality",),
        padded=("national_code", "last_name", "daily_wage"),
    )

    def __init__(
        self,
        persons: Persons,
        workplaces: Workplaces,
        employment: Employment,
        seed: int,
        contract_change: str,
    ) -> None:
        self._persons = persons
        self._workplaces = workplaces
        self._employment = employment
        self._seed = seed
        self._contract_change = contract_change
        self.defects = (
            Defect("wrong_check_digit", 0.003, wrong_check_digit("national_code")),
            Defect("missing_national_code", 0.002, missing("national_code")),
            Defect("malformed_workplace_code", 0.001, malformed_code("workplace_code")),
            Defect("unknown_sex_code", 0.001, one_of("sex", "9", "3", "M")),
            Defect("impossible_date", 0.001, impossible_date("birth_date", "job_start")),
            Defect("days_out_of_range", 0.001, one_of("days_worked", "45")),
            Defect("exact_duplicate", 0.005, None),
            Defect("orphan_workplace", 0.002, self._orphaned),
            Defect("end_before_start", 0.001, end_before_start("job_start", "job_end")),
            Defect("non_numeric_wage", 0.0005, one_of("daily_wage", "نامشخص", "12O000", "طبق قرارداد")),
        )

    def _stream(self, *name: str) -> Stream:
        return Stream(self._seed, self.key, *name)

    def _orphaned(self, page: Page, at: Ints, draw: Bits) -> dict[str, pl.Series]:
        number = (draw % np.uint64(1_000_000)).astype(np.int64)
        return {"workplace_code": self._workplaces.unregistered_codes(number)}

    def contract(self, period: str) -> Contract:
        """Version 2.0 from the month of the change on."""
        return Contract("1.0", _LIST_1) if period < self._contract_change else Contract("2.0", _LIST_2)

    def size(self, month: int) -> int:
        """As many records as there are jobs in the month."""
        return self._employment.roster(month).slot.size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some jobs of the month; a canary has its row's job, and all else the same in every month."""
        roster = self._employment.roster(month)
        slot, workplace = roster.slot[begin:end], roster.workplace[begin:end]
        person = self._employment.persons_of(slot)
        in_population = person.copy()
        person[planted.at] = self._persons.total + planted.number
        in_population[planted.at] = -1
        office = self._workplaces.branches(workplace)
        codes = self._workplaces.codes(workplace)
        spells = self._employment.spells(slot, month)
        birth, start = self._persons.birth_days(person), self._employment.start_days(person, spells)
        columns = {
            "list_month": pl.repeat(month_text(month), slot.size, dtype=pl.String, eager=True),
            "workplace_code": codes,
            **self._person_columns(person, office),
            "birth_date": date_texts(birth),
            **self._job_columns(spells.job),
            "job_start": date_texts(start),
            **self._month_columns(slot, spells, start, month),
        }
        text = overwritten(
            pl.DataFrame(columns),
            planted.at,
            {name: planted.column(name) for name in ("national_code", "first_name", "last_name")},
        )
        return Page(
            text=text,
            national_code=text["national_code"],
            workplace_code=codes,
            person=in_population,
            office=office,
            spared=np.zeros(slot.size, dtype=np.bool_),
            days={"birth_date": birth, "job_start": start},
        )

    def _person_columns(self, person: Ints, office: Ints) -> dict[str, pl.Series]:
        persons = self._persons
        return {
            "national_code": persons.national_codes(person),
            "insurance_number": persons.insurance_numbers(person),
            "first_name": persons.first_names(person),
            "last_name": persons.last_names(person),
            "father_name": persons.father_names(person),
            "sex": self._sexes(persons.is_male(person), office),
            "nationality": self._nationalities(persons.nationalities(person), office),
        }

    def _sexes(self, is_male: Bools, office: Ints) -> pl.Series:
        is_coded = self._stream("sex coded").chance(office, _SEX_CODED_SHARE)
        return pl.Series(["مرد", "زن", "1", "2"]).gather(2 * is_coded + ~is_male)

    def _nationalities(self, place: Ints, office: Ints) -> pl.Series:
        in_words = self._stream("nationality in words").chance(office, _NATIONALITY_IN_WORDS_SHARE)
        written = pl.Series([*NATIONALITIES, *(NATIONALITY_WORDS[code] for code in NATIONALITIES)])
        return written.gather(place + len(NATIONALITIES) * in_words)

    def _job_columns(self, job: Ints) -> dict[str, pl.Series]:
        occupation = drawn(self._stream("occupation"), job, ISCO_SUB_MAJOR_GROUPS)
        contract_type = drawn(self._stream("contract type"), job, _CONTRACT_TYPES)
        return {
            "occupation_code": pl.Series(list(ISCO_SUB_MAJOR_GROUPS)).gather(occupation),
            "contract_type": pl.Series(list(_CONTRACT_TYPES)).gather(contract_type),
        }

    def _month_columns(self, slot: Ints, spells: Spells, start: Ints, month: int) -> dict[str, pl.Series]:
        end, has_ended = self._employment.end_days(spells), spells.last_month == month
        first = int(first_days(month))
        last = first + int(month_lengths(month)) - 1
        present = np.where(has_ended, end, last) - np.maximum(start, first) + 1
        is_absent = self._stream(month_text(month), "is absent").chance(slot, 0.12)
        absent = 1 + self._stream(month_text(month), "absent").below(slot, 15)
        days = np.where(is_absent, np.maximum(present - absent, 0), present)
        wage = daily_wages(self._seed, spells.job)
        has_benefits = self._stream("has benefits").chance(spells.job, 0.8)
        insurable = days * (wage + has_benefits * self._stream("benefits").below(spells.job, 600_000))
        return {
            "job_end": date_texts(end, has_ended),
            "days_worked": pl.Series(days).cast(pl.String),
            "daily_wage": pl.Series(wage).cast(pl.String),
            "insurable_wage": pl.Series(insurable).cast(pl.String),
            "premium": pl.Series((insurable * 3 + 5) // 10).cast(pl.String),
        }


def _on_two_lines(name: pl.Expr) -> pl.Expr:
    return name.str.replace(" ", "\n", literal=True)


class WorkplaceTable(Dataset):
    """One record per workplace, all of them in every month, in the order of codes.

    Usual defects fall only on workplaces that have nobody on the month's list (about one in eight), so that
    a refused workplace orphans no list; a rate that is asked for falls on all.
    """

    key = "sso/workplaces"
    byte_order_mark = True
    habits = (
        Habit("line_break", "name", 0.004, "record", ("workplace_name",), _on_two_lines),
        *habits_of(
            codes=("workplace_code", "employer_national_code"),
            names=("workplace_name",),
            padded=("workplace_code", "workplace_name", "phone"),
        ),
    )
    defects = (
        Defect("wrong_check_digit", 0.02, wrong_check_digit("employer_national_code", "employer_legal_id")),
        Defect("malformed_workplace_code", 0.01, malformed_code("workplace_code")),
        Defect("unknown_status_code", 0.01, one_of("status", "9", "0", "X")),
        Defect("exact_duplicate", 0.02, None),
    )

    def __init__(self, workplaces: Workplaces, employment: Employment) -> None:
        self._workplaces = workplaces
        self._employment = employment

    def contract(self, period: str) -> Contract:
        """Version 1.0 in all months."""
        return Contract("1.0", _WORKPLACES)

    def size(self, month: int) -> int:
        """All workplaces."""
        return self._workplaces.size

    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Some workplaces; a canary is the employer at its row, which has its name and telephone number."""
        table, index = self._workplaces, np.arange(begin, end)
        employees = self._employment.employees(month)[begin:end]
        codes = table.codes(index)
        plain = pl.DataFrame(
            {
                "month": pl.repeat(month_text(month), index.size, dtype=pl.String, eager=True),
                "workplace_code": codes,
                "workplace_name": table.names(index),
                "employer_national_code": table.employer_national_codes(index),
                "employer_legal_id": table.employer_legal_ids(index),
                "isic": table.activities(index),
                "province": padded(table.provinces(index), 2),
                "county": padded(table.counties(index), 4),
                "postal_code": table.postal_codes(index),
                "phone": table.phones(index),
                "employees": pl.Series(employees).cast(pl.String),
                "status": pl.Series(table.statuses[index]).cast(pl.String),
            }
        )
        text = overwritten(plain, planted.at, self._of_canaries(plain, planted))
        return Page(
            text=text,
            national_code=text["employer_national_code"],
            workplace_code=codes,
            person=np.full(index.size, -1),
            office=table.branches(index),
            spared=employees > 0,
        )

    def _of_canaries(self, plain: pl.DataFrame, planted: PlantedCanaries) -> dict[str, pl.Series]:
        own = plain.select("phone", "employer_legal_id")[planted.at]
        names = pl.DataFrame({"first": planted.column("first_name"), "last": planted.column("last_name")})
        return {
            "workplace_name": names.select(pl.format("کارگاه {} {}", "first", "last")).to_series(),
            "employer_national_code": planted.column("national_code"),
            "employer_legal_id": own["employer_legal_id"].clear(own.height),
            "phone": planted.column("phone").fill_null(own["phone"]),
        }
