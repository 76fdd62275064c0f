"""The people and the workplaces of the synthetic ministry: what they are, whichever producer tells of them.

A person or a workplace is a pure function of the seed and its index, so columns are made for the rows asked
for and nothing is stored but the workplaces' codes and sizes. Who works where is in `employment`; how a
producer writes it down is not here.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import polars as pl

from mdlake.synthetic.calendar import first_days, month_lengths
from mdlake.synthetic.codes import legal_ids, national_codes, padded, postal_codes
from mdlake.synthetic.places import ISIC_DIVISIONS, NATIONALITIES, PROVINCES, branch_provinces, drawn
from mdlake.synthetic.randomness import Bools, Ints, Permutation, Stream
from mdlake.synthetic.words import FEMALE_NAMES, MALE_NAMES, SURNAMES, TRADE_NAMES, TRADES, WORKPLACE_KINDS

__all__ = ["Persons", "Workplaces"]

_FIRST_SERIAL, _SERIALS = 1_000_000, 825_000_000
"""National codes run from prefix 001 on; 99 of 825 million, 12 %, begin with a zero, none with three."""
_SAME_DIGITS = np.arange(1, 8) * 111_111_111

_WORKERS, _ADULTS, _ELDERS, _CHILDREN = range(4)
_BIRTH_YEARS = ((1336, 1382), (1340, 1384), (1312, 1342), (1385, 1406))
"""Of workers, other adults, elders and children; the second year is not included."""
_SHARES = (0.4, 0.3, 0.5)
"""Other adults, elders and children, for each worker."""
_HEADS = 0.7
_NEVER = 10**7
_FILES = 9_999
_ACTIVITIES = 999
_ACTIVE_SHARE, _CLOSED_SHARE = 0.88, 0.05


def _leaning(stream: Stream, index: Ints, words: int) -> Ints:
    """Places in a word list whose front is drawn more often than its back."""
    return (stream.unit(index) ** 2 * words).astype(np.int64)


class Persons:
    """People by index: workers first, who hold the jobs of `employment`, then other adults, elders and children.

    Any index ≥ 0 has codes of its own; from `total` on they are strangers, who are as workers are.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        """Workers."""
        bounds = np.cumsum([size, *(round(share * size) for share in _SHARES)])
        self._bounds = bounds
        self.workers, self.adults, self.elders, self.children = (
            range(int(begin), int(end)) for begin, end in zip([0, *bounds], bounds, strict=False)
        )
        self.total = int(bounds[-1])
        self.heads = max(1, round(_HEADS * size))
        """The first workers, who are heads of a household; the others are their wives and husbands."""
        self._seed = seed
        self._serial = Permutation(_SERIALS, seed, "persons", "national code")
        self._insurance = Permutation(90_000_000, seed, "persons", "insurance number")

    def kinds(self, index: Ints) -> Ints:
        """0 workers, 1 other adults, 2 elders, 3 children; strangers are 0."""
        kind = np.searchsorted(self._bounds, index, side="right")
        return np.where(kind > _CHILDREN, _WORKERS, kind)

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "persons", name)

    def national_codes(self, index: Ints) -> pl.Series:
        """Ten digits, valid, unique, never one digit ten times."""
        value = self._serial.at(index)
        skipped = _SAME_DIGITS - _FIRST_SERIAL - np.arange(_SAME_DIGITS.size)
        return national_codes(value + _FIRST_SERIAL + np.searchsorted(skipped, value, side="right"))

    def insurance_numbers(self, index: Ints) -> pl.Series:
        """Eight digits, unique; at every tenth person two more digits stand in front."""
        number = 10_000_000 + self._insurance.at(index)
        is_long = self._stream("long insurance number").chance(index, 0.1)
        prefix = 10 + self._stream("insurance prefix").below(index, 90)
        return pl.Series(np.where(is_long, prefix * 100_000_000 + number, number)).cast(pl.String)

    def is_male(self, index: Ints) -> Bools:
        """Seven of ten heads of households are men, half of adults and children; husbands and wives are not of one sex."""
        kind = self.kinds(index)
        is_second = (kind == _WORKERS) & (index >= self.heads) & (index < self.size)
        is_second_elder = (kind == _ELDERS) & ((index - self.elders.start) % 2 == 1)
        asked = np.where(is_second, (index - self.heads) % self.heads, index - is_second_elder)
        share = np.array([0.7, 0.5, 0.5, 0.5])[kind]
        is_male: Bools = (self._stream("sex").unit(asked) < share) ^ is_second ^ is_second_elder
        return is_male

    def birth_days(self, index: Ints) -> Ints:
        """Day ordinals; the young are more than the old. Some children are born in the months that are delivered."""
        first, last = np.array(_BIRTH_YEARS).T[:, self.kinds(index)]
        month = 12 * last - 1 - (self._stream("birth month").unit(index) ** 1.3 * 12 * (last - first)).astype(np.int64)
        return first_days(month) + self._stream("birth day").below(index, month_lengths(month))

    def death_days(self, index: Ints) -> Ints:
        """Day ordinals; elders die some time after 1399, all others after the months that are delivered."""
        day = first_days(12 * 1399) + (self._stream("death").unit(index) ** 0.5 * 30 * 365).astype(np.int64)
        return np.where(self.kinds(index) == _ELDERS, day, _NEVER)

    def are_alive(self, index: Ints, month: int) -> Bools:
        """Who is born and lives on the last day of the month."""
        last = int(first_days(month + 1)) - 1
        alive: Bools = (self.birth_days(index) <= last) & (self.death_days(index) > last)
        return alive

    def first_names(self, index: Ints) -> pl.Series:
        """A man's or a woman's first name."""
        names = pl.Series(MALE_NAMES + FEMALE_NAMES)
        stream = self._stream("first name")
        male = _leaning(stream, index, len(MALE_NAMES))
        female = len(MALE_NAMES) + _leaning(stream, index, len(FEMALE_NAMES))
        return names.gather(np.where(self.is_male(index), male, female))

    def last_names(self, index: Ints) -> pl.Series:
        """A surname."""
        return pl.Series(SURNAMES).gather(_leaning(self._stream("last name"), index, len(SURNAMES)))

    def father_names(self, index: Ints) -> pl.Series:
        """The father's first name."""
        return pl.Series(MALE_NAMES).gather(_leaning(self._stream("father name"), index, len(MALE_NAMES)))

    def nationalities(self, index: Ints) -> Ints:
        """Places in the list of nationalities."""
        return drawn(self._stream("nationality"), index, NATIONALITIES)


class Workplaces:
    """Workplaces by index, in the order of their codes. Only the active ones (status 1) employ anybody."""

    def __init__(self, size: int, persons: Persons, seed: int) -> None:
        self.size = size
        self._persons = persons
        self._seed = seed
        space = branch_provinces().size * _ACTIVITIES * _FILES
        self._place = Permutation(space, seed, "workplaces", "code")
        self._legal = Permutation(100_000_000, seed, "workplaces", "legal id")

    def _stream(self, name: str) -> Stream:
        return Stream(self._seed, "workplaces", name)

    def _numbers(self, serial: Ints) -> Ints:
        """Distinct serials as distinct numbers of branch, activity and file."""
        rest, file = np.divmod(self._place.at(serial), _FILES)
        branch, activity = np.divmod(rest, _ACTIVITIES)
        number: Ints = (branch + 1) * 10_000_000 + (activity + 1) * 10_000 + file + 1
        return number

    @cached_property
    def _sorted_numbers(self) -> Ints:
        return np.sort(self._numbers(np.arange(self.size)))

    @cached_property
    def statuses(self) -> Ints:
        """1 active, 2 inactive, 3 closed; all workplaces, the same in every month."""
        draw = self._stream("status").unit(np.arange(self.size))
        return np.where(draw < _ACTIVE_SHARE, 1, np.where(draw < 1 - _CLOSED_SHARE, 2, 3))

    @cached_property
    def _reach(self) -> Ints:
        """Running sum of whole weights ~ 1 / (rank + 5) (Zipf–Mandelbrot), 0 for workplaces not active."""
        rank = np.empty(self.size, dtype=np.int64)
        rank[np.argsort(self._stream("rank").bits(np.arange(self.size)))] = np.arange(self.size)
        return np.cumsum(np.where(self.statuses == 1, (1 << 40) // (rank + 5), 0))

    def employing(self, job: Ints, half: Ints) -> Ints:
        """The workplace of each job, large ones more often.

        Args:
            job: the job's number.
            half: 0 to draw from all active workplaces, 1 and 2 from the first and the second half of them,
                so that two jobs of one person are never at one workplace.
        """
        reach = self._reach
        active = np.flatnonzero(self.statuses == 1)
        middle = int(reach[active[active.size // 2 - 1]])
        begin = np.array([0, 0, middle])[half]
        length = np.array([reach[-1], middle, reach[-1] - middle])[half]
        point = (self._stream("jobs").bits(job) % length.astype(np.uint64)).astype(np.int64) + begin
        workplace: Ints = np.searchsorted(reach, point, side="right")
        return workplace

    def codes(self, index: Ints) -> pl.Series:
        """Ten digits: branch 3, activity 3, file 4."""
        return padded(self._sorted_numbers[index], 10)

    def unregistered_codes(self, number: Ints) -> pl.Series:
        """Well-formed codes that no workplace of the table has."""
        return padded(self._numbers(self.size + number), 10)

    def branches(self, index: Ints) -> Ints:
        """The number of the branch, which is the first three digits of the code."""
        return self._sorted_numbers[index] // 10_000_000

    def provinces(self, index: Ints) -> Ints:
        """1–31."""
        return branch_provinces()[self.branches(index) - 1]

    def counties(self, index: Ints) -> Ints:
        """The province's number, then 01 to the number of its counties; the first counties are the larger."""
        province = self.provinces(index)
        counties = np.array([place.counties for place in PROVINCES])[province]
        place = (self._stream("county").unit(index) ** 2 * counties).astype(np.int64)
        county: Ints = province * 100 + 1 + place
        return county

    def names(self, index: Ints) -> pl.Series:
        """What the workplace calls itself; one in twenty holds quotation marks, another a comma."""
        kind = pl.Series(WORKPLACE_KINDS).gather(_leaning(self._stream("kind"), index, len(WORKPLACE_KINDS)))
        trade = pl.Series(TRADES).gather(_leaning(self._stream("trade"), index, len(TRADES)))
        brand = pl.Series(TRADE_NAMES).gather(self._stream("brand").below(index, len(TRADE_NAMES)))
        owner = pl.Series(SURNAMES).gather(_leaning(self._stream("owner"), index, len(SURNAMES)))
        form = pl.Series(self._stream("name form").unit(index))
        frame = pl.DataFrame({"kind": kind, "trade": trade, "brand": brand, "owner": owner, "form": form})
        return frame.select(
            pl.when(pl.col("form") < 0.05)
            .then(pl.format('{} {} "{}"', "kind", "trade", "brand"))
            .when(pl.col("form") < 0.10)
            .then(pl.format("{} {}, {}", "kind", "trade", "brand"))
            .when(pl.col("form") < 0.55)
            .then(pl.format("{} {} {}", "kind", "trade", "brand"))
            .otherwise(pl.format("{} {} {}", "kind", "trade", "owner"))
        ).to_series()

    def _is_legal_person(self, index: Ints) -> Bools:
        return self._stream("legal person").chance(index, 0.45)

    def employer_national_codes(self, index: Ints) -> pl.Series:
        """A person's code, null where the employer is a legal person."""
        employer = self._stream("employer").below(index, self._persons.size)
        return self._persons.national_codes(employer).set(pl.Series(self._is_legal_person(index)), None)

    def employer_legal_ids(self, index: Ints) -> pl.Series:
        """Eleven digits, valid and unique, null where the employer is a natural person."""
        prefix = np.where(self._stream("legal prefix").chance(index, 0.6), 10, 14)
        ids = legal_ids(prefix * 100_000_000 + self._legal.at(index))
        return ids.set(pl.Series(~self._is_legal_person(index)), None)

    def activities(self, index: Ints) -> pl.Series:
        """Divisions of ISIC rev. 4."""
        return pl.Series(list(ISIC_DIVISIONS)).gather(drawn(self._stream("isic"), index, ISIC_DIVISIONS))

    def postal_codes(self, index: Ints) -> pl.Series:
        """Ten digits in the postal alphabet."""
        return postal_codes(self._stream("postal code").bits(index))

    def phones(self, index: Ints) -> pl.Series:
        """Eleven digits: a line with its area code, or, at three of ten, a mobile."""
        areas = np.array([int(place.area_code) for place in PROVINCES])[self.provinces(index)]
        line = areas * 100_000_000 + 20_000_000 + self._stream("line").below(index, 70_000_000)
        mobile = 9_100_000_000 + self._stream("mobile").below(index, 299_999_999)
        return padded(np.where(self._stream("has mobile").chance(index, 0.3), mobile, line), 11)
