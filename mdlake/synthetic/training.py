"""Who learns a trade: courses that end in a month, their results, and the certificates that follow some of them.

Each month follows from the life course of each person by itself. How the training organization writes it down is in `tvto`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import first_days, month_lengths
from mdlake.synthetic.codes import padded
from mdlake.synthetic.employment import Employment
from mdlake.synthetic.foreigners import Foreigners
from mdlake.synthetic.households import Households
from mdlake.synthetic.places import PROVINCES, drawn
from mdlake.synthetic.population import Persons
from mdlake.synthetic.randomness import Bools, Ints, Stream

__all__ = ["FAILED", "LONGEST_WAIT", "PASSED", "UNFINISHED", "Certificates", "Courses", "StandardCourses", "Training"]

PASSED, FAILED, UNFINISHED = 1, 2, 3
_RESULTS = {"1": 78, "2": 12, "3": 10}

_SHORTEST_CYCLE, _LONGEST_CYCLE = 20, 60
"""Months. A person ends at most one course in a cycle, in its last month, and no course lasts as long as a cycle."""
_MOST_CYCLES = 4096
_AT_A_TIME = 1_000_000
_YEAR_DAYS = 365.25
_YOUNGEST, _YOUNG_UNTIL, _OLDEST = 15, 40, 55
"""Years of age at the start of a course; from 40 on half as many take one, from 55 on none."""
_SHARE, _SHARE_IN_JOB = 0.9, 0.45
"""Of the cycles, those in which a course is taken, and those in which it is beside a job that goes on."""
_MONTHS_AHEAD = 6
"""Who begins a job so soon after the course does not take it beside one that goes on."""

LONGEST_WAIT = 3
"""Months from the end of a course until its certificate, at least one."""
_ASKING_SHARE = 0.8

_COURSES_OF_FIELD = 12
_SHORTEST_COURSE, _LONGEST_COURSE, _HOURS_STEP = 20, 600, 4
_HOURS_A_WEEK = 20
_FIELDS = {
    "01": 14, "02": 8, "03": 4, "04": 5, "05": 6, "06": 5, "07": 5, "08": 4, "09": 3, "10": 9,
    "11": 2, "12": 4, "13": 4, "14": 3, "15": 4, "16": 8, "17": 5, "18": 7, "19": 3, "20": 3,
}  # fmt: skip
"""Fields of training with the weight they have among the courses taken."""
_OCCUPATIONS = (
    (25, 35), (74, 74), (74, 31), (72, 72), (72, 72), (72, 72), (71, 71), (71, 71), (75, 75), (75, 75),
    (81, 73), (75, 51), (61, 61), (61, 61), (51, 14), (51, 51), (73, 73), (33, 43), (73, 26), (32, 53),
)  # fmt: skip
"""Of each field, the two sub-major groups of ISCO-08 that its courses lead to."""


class StandardCourses:
    """The list of standards that courses are taught by, by place in it; twelve in each field."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.count = _COURSES_OF_FIELD * len(_FIELDS)

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "training", "standard courses", name)

    def fields(self, course: Ints) -> Ints:
        """1–20."""
        return course // _COURSES_OF_FIELD + 1

    def occupations(self, course: Ints) -> Ints:
        """The sub-major group of ISCO-08 that a course leads to."""
        occupation: Ints = np.array(_OCCUPATIONS)[self.fields(course) - 1, self._stream("occupation").below(course, 2)]
        return occupation

    def levels(self, course: Ints) -> Ints:
        """1 the highest, 3 the lowest."""
        return 1 + self._stream("level").below(course, 3)

    def hours(self, course: Ints) -> Ints:
        """Hours, short courses more often."""
        steps = (_LONGEST_COURSE - _SHORTEST_COURSE) // _HOURS_STEP + 1
        step = (self._stream("hours").unit(course) ** 2 * steps).astype(np.int64)
        return _SHORTEST_COURSE + _HOURS_STEP * step

    def codes(self, course: Ints) -> pl.Series:
        """Fifteen digits: unit group of ISCO-08 4, field 3, level 1, number in the field 4, edition 3."""
        minor = 11 + 10 * self._stream("minor group").below(course, 3) + self._stream("unit group").below(course, 3)
        head = (self.occupations(course) * 100 + minor) * 1_000 + self.fields(course)
        tail = (course % _COURSES_OF_FIELD + 1) * 1_000 + 1 + self._stream("edition").below(course, 4)
        return padded((head * 10 + self.levels(course)) * 10_000_000 + tail, 15)


@dataclass(frozen=True)
class Courses:
    """Courses that persons took, one row per person and course, ordered by province; arrays of equal length."""

    number: Ints
    """A number of its own in all months."""
    person: Ints
    """Index in the population, -1 for a foreigner."""
    foreigner: Ints
    """Index among the foreigners, -1 for a person of the population."""
    province: Ints
    """Place in `PROVINCES`."""
    course: Ints
    """Place in the list of standards."""
    start: Ints
    """Day ordinals."""
    end: Ints
    """Day ordinals, in the month in which the course ended."""
    result: Ints
    """PASSED, FAILED or UNFINISHED."""

    def at(self, which: Ints | Bools | slice) -> Courses:
        """Some of them."""
        return Courses(*(getattr(self, field.name)[which] for field in fields(self)))

    def with_others(self, *others: Courses) -> Courses:
        """These and others, in the order of all of them."""
        columns = (np.concatenate([getattr(courses, field.name) for courses in (self, *others)]) for field in fields(Courses))
        joined = Courses(*columns)
        return joined.at(np.lexsort((joined.number, joined.province)))


@dataclass(frozen=True)
class Certificates:
    """Skill certificates of a month, in the order of their courses; arrays of equal length."""

    courses: Courses
    """The course that each of them is for."""
    issued: Ints
    """Day ordinals."""


class Training:
    """The courses and certificates of a population and of the foreigners among it."""

    def __init__(
        self, persons: Persons, households: Households, employment: Employment, foreigners: Foreigners, seed: int
    ) -> None:
        self._persons = persons
        self._households = households
        self._employment = employment
        self._foreigners = foreigners
        self._seed = seed
        self._kept: dict[int, Courses] = {}
        self._last_certificates: tuple[int, Certificates] | None = None
        self.standards = StandardCourses(seed)

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "training", name)

    def ended(self, month: int) -> Courses:
        """The courses that ended in a month. The months last asked for are kept, as many as certificates look back on."""
        if month not in self._kept:
            if len(self._kept) > LONGEST_WAIT:
                del self._kept[next(iter(self._kept))]
            first, *others = (self._of_trainees(trainee, month) for trainee in self._trainees())
            self._kept[month] = first.with_others(*others)
        return self._kept[month]

    def certificates(self, month: int) -> Certificates:
        """The certificates issued in a month, for courses that persons of the population passed one to three months before.

        The last month asked for is kept.
        """
        if self._last_certificates is None or self._last_certificates[0] != month:
            self._last_certificates = (month, self._issued(month))
        return self._last_certificates[1]

    def _issued(self, month: int) -> Certificates:
        parts = []
        for waited in range(1, LONGEST_WAIT + 1):
            courses = self.ended(month - waited)
            asks = self._stream("asks").chance(courses.number, _ASKING_SHARE)
            waits = 1 + self._stream("waits").below(courses.number, LONGEST_WAIT) == waited
            parts.append(courses.at((courses.result == PASSED) & (courses.person >= 0) & asks & waits))
        certified = parts[0].with_others(*parts[1:])
        day = first_days(month) + self._stream("issued").below(certified.number, int(month_lengths(month)))
        return Certificates(certified, day)

    def _trainees(self) -> Iterator[Ints]:
        """Workers, other adults and, after everybody of the population, the foreigners; some at a time."""
        foreigners = range(self._persons.total, self._persons.total + self._foreigners.total)
        for numbers in (range(self._persons.adults.stop), foreigners):
            for begin in range(numbers.start, numbers.stop, _AT_A_TIME):
                yield np.arange(begin, min(begin + _AT_A_TIME, numbers.stop))

    def _of_trainees(self, trainee: Ints, month: int) -> Courses:
        """The courses of some that ended in the month."""
        length = _SHORTEST_CYCLE + self._stream("cycle").below(trainee, _LONGEST_CYCLE - _SHORTEST_CYCLE + 1)
        cycle, passed = np.divmod(month + self._stream("phase").below(trainee, length), length)
        at_end = passed == length - 1
        trainee, number = trainee[at_end], trainee[at_end] * _MOST_CYCLES + cycle[at_end]
        is_foreign = trainee >= self._persons.total
        field = drawn(self._stream("field"), number, _FIELDS)
        course = field * _COURSES_OF_FIELD + self._stream("course").below(number, _COURSES_OF_FIELD)
        result = 1 + drawn(self._stream("result"), number, _RESULTS)
        end = first_days(month) + self._stream("end day").below(number, int(month_lengths(month)))
        days = self.standards.hours(course) * 7 // _HOURS_A_WEEK
        courses = Courses(
            number=number,
            person=np.where(is_foreign, -1, trainee),
            foreigner=np.where(is_foreign, trainee - self._persons.total, -1),
            province=self._provinces(trainee, is_foreign),
            course=course,
            # who does not finish leaves halfway
            start=end - np.where(result == UNFINISHED, days // 2, days),
            end=end,
            result=result,
        )
        return courses.at(self._are_taken(courses, month))

    def _provinces(self, trainee: Ints, is_foreign: Bools) -> Ints:
        """Where each lives."""
        weights = {str(number): place.branches for number, place in enumerate(PROVINCES)}
        household = self._households.of(np.where(is_foreign, 0, trainee))
        return np.where(is_foreign, drawn(self._stream("province"), trainee, weights), self._households.provinces(household))

    def _are_taken(self, courses: Courses, month: int) -> Bools:
        """Which of the courses whose time has come are taken: by the young more, and by who has no job or soon a new one."""
        is_foreign, person = courses.person < 0, np.maximum(courses.person, 0)
        foreigner = np.maximum(courses.foreigner, 0)
        birth = np.where(is_foreign, self._foreigners.birth_days(foreigner), self._persons.birth_days(person))
        age = (courses.start - birth) / _YEAR_DAYS
        by_age = np.where(age < _YOUNG_UNTIL, 1.0, 0.5) * ((age >= _YOUNGEST) & (age < _OLDEST))
        has_jobs = ~is_foreign & (person < self._persons.size)
        later = self._employment.spells(np.where(has_jobs, person, 0), month + _MONTHS_AHEAD)
        stays = has_jobs & (later.first_month <= month)
        taken: Bools = self._stream("takes").unit(courses.number) < by_age * np.where(stays, _SHARE_IN_JOB, _SHARE)
        return taken
