"""Who looks for work through the ministry's deputy for employment, and who is lent money to create it.

Registrations follow from the jobs of `employment` and from a life course of their own for who has none; loans from both, each
month by itself. How the deputy writes them down is in `employment_deputy`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import polars as pl

from mdlake.synthetic.calendar import first_days, month_lengths
from mdlake.synthetic.cooperation import Cooperatives
from mdlake.synthetic.employment import Employment
from mdlake.synthetic.households import Households
from mdlake.synthetic.places import ISCO_SUB_MAJOR_GROUPS, ISIC_DIVISIONS, drawn
from mdlake.synthetic.population import Persons, Workplaces
from mdlake.synthetic.randomness import Bools, Ints, Stream

__all__ = ["EDUCATION", "LOAN_INTERVAL", "LOOKING_BACK", "OCCUPATIONS", "RENEWED", "VALID", "LabourMarket", "Loans", "Seekers"]

_AT_A_TIME = 1_000_000
_MOST_CYCLES = 4096
_YEAR_DAYS = 365.25
_YOUNGEST, _YOUNGEST_BORROWER, _OLDEST = 15, 18, 60
"""Years of age; from the oldest on nobody registers or borrows."""

_SHARE_AFTER_JOB = 0.7
_EARLY_SHARE, _LONGEST_LEAD = 0.1, 6
"""Of those who register, who does so while the job goes on, and how many months before its end at most."""

VALID, RENEWED = 12, 24
"""Months after which a registration lapses: without renewal, and with one."""
_SHORTEST_CYCLE, _LONGEST_CYCLE = 30, 72
_SHARE_OF_CYCLES = 0.43
"""Of other adults' cycles, those in which they register."""
_LAPSING, _RENEWING = 0.4, 0.15
"""Of other adults, who stays until the registration lapses, and who renews it; the others give up before."""
_SHORTEST_STAY = 2

LOAN_INTERVAL = 25
"""Months between two loans of one borrower at least: two full years lie between any days of them."""
LOOKING_BACK = 6
"""Months in which a borrower may have been a job seeker."""
_LENT_TO_SEEKERS, _LENT_TO_MEMBERS, _LENT_TO_OTHERS, _LENT_TO_EMPLOYERS = 0.25, 0.1, 0.012, 0.7
"""Of those whose turn it is, who gets a loan: seekers of the months before, members of cooperatives, others, legal persons."""
_MOST_OWN_JOBS, _FEWEST_JOBS, _MOST_JOBS = 4, 5, 60
_AMOUNT_STEP, _FEWEST_STEPS, _MOST_STEPS = 50_000_000, 16, 50
"""Rial for each job committed, in steps."""

EDUCATION = {"0": 2, "1": 2, "2": 8, "3": 15, "4": 34, "5": 10, "6": 21, "7": 7, "8": 1}
"""Levels of education with their weight."""
OCCUPATIONS = {code: weight for code, weight in ISCO_SUB_MAJOR_GROUPS.items() if not code.startswith("0")}
"""Occupations that are sought, with their weight: all but those of the armed forces."""


@dataclass(frozen=True)
class Seekers:
    """Who is registered on the last day of a month, ordered by province; arrays of equal length."""

    number: Ints
    """The registration's number, the same in all its months."""
    person: Ints
    province: Ints
    """Place in `PROVINCES`."""
    registered: Ints
    """Day ordinals, the same in all months of a registration."""

    def at(self, which: Ints | Bools | slice) -> Seekers:
        """Some of them."""
        return Seekers(*(getattr(self, field.name)[which] for field in fields(self)))


@dataclass(frozen=True)
class Loans:
    """Loans approved in a month, ordered by province and day; arrays of equal length."""

    number: Ints
    """A number of its own in all months."""
    person: Ints
    """The borrower, -1 where it is a legal person."""
    workplace: Ints
    """The workplace whose employer borrows, -1 where the borrower is a natural person."""
    province: Ints
    """Place in `PROVINCES`."""
    approved: Ints
    """Day ordinals."""
    jobs: Ints
    """Jobs that the borrower commits himself to create."""
    amount: Ints
    """Rial."""

    def at(self, which: Ints | Bools | slice) -> Loans:
        """Some of them."""
        return Loans(*(getattr(self, field.name)[which] for field in fields(self)))


@dataclass(frozen=True)
class _Registrations:
    """The registration that each person has in a month, or would have; arrays of equal length."""

    number: Ints
    registered: Ints
    is_open: Bools


class LabourMarket:
    """The job seekers and the borrowers of a population."""

    def __init__(
        self,
        persons: Persons,
        workplaces: Workplaces,
        employment: Employment,
        households: Households,
        cooperatives: Cooperatives,
        seed: int,
    ) -> None:
        self._persons = persons
        self._workplaces = workplaces
        self._employment = employment
        self._households = households
        self._cooperatives = cooperatives
        self._seed = seed
        self._kept: tuple[int, Seekers] | None = None
        self._lent: tuple[int, Loans] | None = None

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "labour market", name)

    def _provinces(self, person: Ints) -> Ints:
        return self._households.provinces(self._households.of(person))

    def _ages(self, person: Ints, day: Ints) -> npt.NDArray[np.float64]:
        """Years."""
        ages: npt.NDArray[np.float64] = (day - self._persons.birth_days(person)) / _YEAR_DAYS
        return ages

    # ── job seekers ──────────────────────────────────────────────────────────────────────────────────────────────────

    def seekers(self, month: int) -> Seekers:
        """Who is registered on the last day of a month. Those of the last month asked for are kept."""
        if self._kept is None or self._kept[0] != month:
            self._kept = None
            self._kept = (month, self._registered(month))
        return self._kept[1]

    def educations(self, person: Ints) -> Ints:
        """Places in `EDUCATION`."""
        return drawn(self._stream("education"), person, EDUCATION)

    def occupations(self, number: Ints) -> Ints:
        """The occupation that is sought with each registration: places in `OCCUPATIONS`."""
        return drawn(self._stream("occupation"), number, OCCUPATIONS)

    def _registered(self, month: int) -> Seekers:
        end = self._persons.adults.stop
        numbers, persons, days = [], [], []
        for begin in range(0, end, _AT_A_TIME):
            person = np.arange(begin, min(begin + _AT_A_TIME, end))
            registrations = self._registrations(person, month)
            is_open = registrations.is_open
            numbers.append(registrations.number[is_open])
            persons.append(person[is_open])
            days.append(registrations.registered[is_open])
        person = np.concatenate(persons)
        seekers = Seekers(np.concatenate(numbers), person, self._provinces(person), np.concatenate(days))
        return seekers.at(np.lexsort((seekers.person, seekers.province)))

    def _registrations(self, person: Ints, month: int) -> _Registrations:
        """The registrations of workers and other adults; each is pure in person and month."""
        is_worker = person < self._persons.size
        of_job = self._after_jobs(np.where(is_worker, person, 0), month)
        of_adult = self._of_adults(person, month)
        number = np.where(is_worker, of_job.number, of_adult.number)
        registered = np.where(is_worker, of_job.registered, of_adult.registered)
        age = self._ages(person, registered)
        is_open = np.where(is_worker, of_job.is_open, of_adult.is_open) & (age >= _YOUNGEST) & (age < _OLDEST)
        return _Registrations(number, registered, is_open)

    def _after_jobs(self, person: Ints, month: int) -> _Registrations:
        """Who lost a job registers in the first month without it, or some months before its end, until the next job begins."""
        spells = self._employment.spells(person, month)
        job = spells.job
        lead = 1 + self._stream("lead").below(job, _LONGEST_LEAD)
        first = spells.last_month + 1 - np.where(self._stream("is early").chance(job, _EARLY_SHARE), lead, 0)
        is_open = self._stream("registers after job").chance(job, _SHARE_AFTER_JOB) & (first <= month)
        return _Registrations(job, self._days("registered", job, first), is_open)

    def _of_adults(self, person: Ints, month: int) -> _Registrations:
        """Who never had a job registers at the beginning of a cycle, and stays until it gives up or the registration lapses."""
        length = _SHORTEST_CYCLE + self._stream("cycle").below(person, _LONGEST_CYCLE - _SHORTEST_CYCLE + 1)
        cycle, passed = np.divmod(month + self._stream("phase").below(person, length), length)
        number = person * _MOST_CYCLES + cycle
        draw = self._stream("stay").unit(number)
        gives_up = _SHORTEST_STAY + self._stream("gives up").below(number, VALID - _SHORTEST_STAY)
        stay = np.select([draw < _RENEWING, draw < _RENEWING + _LAPSING], [RENEWED, VALID], default=gives_up)
        is_open = self._stream("registers").chance(number, _SHARE_OF_CYCLES) & (passed < stay)
        return _Registrations(number, self._days("registered", number, month - passed), is_open)

    def _days(self, name: str, number: Ints, month: Ints) -> Ints:
        """A day of each month."""
        return first_days(month) + self._stream(name).below(number, month_lengths(month))

    # ── loans ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def loans(self, month: int) -> Loans:
        """The loans approved in a month. Those of the last month asked for are kept."""
        if self._lent is None or self._lent[0] != month:
            natural, legal = self._to_persons(month), self._to_employers(month)
            columns = (np.concatenate([getattr(part, field.name) for part in (natural, legal)]) for field in fields(Loans))
            loans = Loans(*columns)
            self._lent = (month, loans.at(np.lexsort((loans.number, loans.approved, loans.province))))
        return self._lent[1]

    def activities(self, loans: Loans) -> pl.Series:
        """Divisions of ISIC rev. 4: those of the workplaces, and what else natural persons begin."""
        own = pl.Series(list(ISIC_DIVISIONS)).gather(drawn(self._stream("isic"), loans.number, ISIC_DIVISIONS))
        return own.zip_with(pl.Series(loans.workplace < 0), self._workplaces.activities(np.maximum(loans.workplace, 0)))

    def _turns(self, name: str, count: int, month: int) -> tuple[Ints, int]:
        """Those of `count` borrowers whose turn comes in the month, which it does once in the interval, and the turn's number."""
        found = []
        for begin in range(0, count, _AT_A_TIME):
            borrower = np.arange(begin, min(begin + _AT_A_TIME, count))
            found.append(borrower[self._stream(name).below(borrower, LOAN_INTERVAL) == month % LOAN_INTERVAL])
        return np.concatenate(found), month // LOAN_INTERVAL

    def _to_persons(self, month: int) -> Loans:
        person, turn = self._turns("person's turn", self._persons.adults.stop, month)
        number = person * _MOST_CYCLES + turn
        has_sought = np.zeros(person.size, dtype=np.bool_)
        for earlier in range(month - LOOKING_BACK, month):
            has_sought |= self._registrations(person, earlier).is_open
        is_member = np.isin(person, self._cooperatives.members(month - 1).person)
        share = np.select([has_sought, is_member], [_LENT_TO_SEEKERS, _LENT_TO_MEMBERS], default=_LENT_TO_OTHERS)
        approved = self._days("approved", number, np.full(person.size, month))
        age = self._ages(person, approved)
        may_borrow = (age >= _YOUNGEST_BORROWER) & (age < _OLDEST)
        # even a small ministry has a loan to report, so whoever is nearest to one gets it
        distance = np.where(may_borrow, self._stream("is lent").unit(number) / share, np.inf)
        is_lent = (distance < 1) | (may_borrow & (distance == distance.min(initial=np.inf)))
        person, number, approved = person[is_lent], number[is_lent], approved[is_lent]
        jobs = 1 + (self._stream("own jobs").unit(number) ** 2 * _MOST_OWN_JOBS).astype(np.int64)
        none = np.full(person.size, -1)
        return Loans(number, person, none, self._provinces(person), approved, jobs, self._amounts(number, jobs))

    def _to_employers(self, month: int) -> Loans:
        workplace, turn = self._turns("employer's turn", self._workplaces.size, month)
        number = (self._persons.total + workplace) * _MOST_CYCLES + turn
        is_lent = self._stream("is lent to employer").chance(number, _LENT_TO_EMPLOYERS)
        is_lent &= self._workplaces.statuses[workplace] == 1
        is_lent &= self._workplaces.employer_legal_ids(workplace).is_not_null().to_numpy()
        workplace, number = workplace[is_lent], number[is_lent]
        span = _MOST_JOBS - _FEWEST_JOBS + 1
        jobs = _FEWEST_JOBS + (self._stream("jobs").unit(number) ** 2 * span).astype(np.int64)
        approved = self._days("approved", number, np.full(workplace.size, month))
        none, province = np.full(workplace.size, -1), self._workplaces.provinces(workplace)
        return Loans(number, none, workplace, province, approved, jobs, self._amounts(number, jobs))

    def _amounts(self, number: Ints, jobs: Ints) -> Ints:
        """Rial."""
        steps = _FEWEST_STEPS + self._stream("amount").below(number, _MOST_STEPS - _FEWEST_STEPS + 1)
        return jobs * steps * _AMOUNT_STEP
