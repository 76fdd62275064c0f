"""Classifications: lists of codes, each valid from a month to a month, with labels for people.

The lists themselves are configuration. What a delivery holds is checked against `Classification.valid_at` of
its reference period, so that a month of 1400 is judged by the codes of 1400.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise

from mdlake.errors import MdlakeError, UnknownName
from mdlake.standard.calendar import FIRST_YEAR, LAST_YEAR, Language, Period

__all__ = ["Classification", "Code"]

_FIRST_MONTH = Period("month", FIRST_YEAR, 1)
_LAST_MONTH = Period("month", LAST_YEAR, 12)


@dataclass(frozen=True, slots=True)
class Code:
    """One code of a classification.

    Args:
        code: as it is stored, ASCII by convention.
        label_fa: its name in Persian.
        label_en: its name in English.
        valid_from: first month in which it holds; None: always did.
        valid_to: last month in which it holds, included; None: still does.
        parent: the code it belongs to on the level above.

    Raises:
        MdlakeError: the validity is not two months in order.
    """

    code: str
    label_fa: str
    label_en: str
    valid_from: Period | None = None
    valid_to: Period | None = None
    parent: str | None = None

    def __post_init__(self) -> None:
        if any(bound is not None and bound.kind != "month" for bound in (self.valid_from, self.valid_to)):
            raise MdlakeError(
                f"code {self.code!r} has a validity that is no month",
                next_step="Write months, such as 1399-01.",
            )
        if self.last_month < self.first_month:
            raise MdlakeError(
                f"code {self.code!r} ends in {self.valid_to} before it starts in {self.valid_from}",
                next_step="Mend valid_from or valid_to.",
            )

    @property
    def first_month(self) -> Period:
        """`valid_from`, or the first month of the calendar."""
        return self.valid_from or _FIRST_MONTH

    @property
    def last_month(self) -> Period:
        """`valid_to`, or the last month of the calendar."""
        return self.valid_to or _LAST_MONTH

    def is_valid_at(self, period: Period) -> bool:
        """Whether it holds in the month, or in the last month of the quarter or year."""
        return self.first_month <= period.months()[-1] <= self.last_month


@dataclass(frozen=True, slots=True)
class Classification:
    """A list of codes. A code may come back with another label, at months that do not overlap.

    Args:
        name: as configuration writes it.
        title_fa: its title in Persian.
        title_en: its title in English.
        codes: in the order in which tables show them.

    Raises:
        MdlakeError: a code is valid twice in one month.
    """

    name: str
    title_fa: str
    title_en: str
    codes: tuple[Code, ...]

    def __post_init__(self) -> None:
        for earlier, later in _neighbours(self.codes):
            if later.first_month <= earlier.last_month:
                raise MdlakeError(
                    f"code {later.code!r} stands twice for {later.first_month}",
                    where=f"classification {self.name}",
                    next_step="End the first with valid_to before the second starts with valid_from.",
                )

    def valid_at(self, period: Period) -> frozenset[str]:
        """The codes that hold in the period; for a quarter or a year, in its last month."""
        return frozenset(code.code for code in self.codes if code.is_valid_at(period))

    def label(self, code: str, language: Language, at: Period | None = None) -> str:
        """The name of a code in the period, or its latest name.

        Raises:
            UnknownName: the language is neither ``fa`` nor ``en``.
            MdlakeError: there is no such code; it is not repeated, since it may come from data.
        """
        if language not in ("fa", "en"):
            raise UnknownName("language", language, ("fa", "en"))
        found = [entry for entry in self.codes if entry.code == code and (at is None or entry.is_valid_at(at))]
        if not found:
            raise MdlakeError(
                "a code asked for is not in the list" + (f" of {at}" if at else ""),
                where=f"classification {self.name}",
                next_step="`valid_at(period)` gives the codes of a period.",
            )
        latest = max(found, key=lambda entry: entry.first_month)
        return latest.label_fa if language == "fa" else latest.label_en


def _neighbours(codes: Iterable[Code]) -> Iterable[tuple[Code, Code]]:
    ordered = sorted(codes, key=lambda entry: (entry.code, entry.first_month))
    for _, same in groupby(ordered, key=lambda entry: entry.code):
        yield from pairwise(same)
