"""The registered identifier types: canonical form, check digits, and the reason when an identifier is wrong.

Which column holds which type is said by a dataset's configuration, never guessed: one random ten-digit
number in ten passes the check of a national code. Whether a branch exists is a question to a
classification; keys and pseudonyms are not here.

No official text of these algorithms was found. They were cross-checked over several public implementations,
and the tests hold the published vectors. The rule "weighted sum of all ten digits modulo 11 is 0", also
found in public, is wrong for national codes: it rejects those whose remainder is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal

import polars as pl

from mdlake.errors import UnknownName
from mdlake.standard.spelling import Spelling, spelling_of
from mdlake.standard.text import clean_code

__all__ = [
    "FAULTS",
    "FLAGS",
    "IDENTIFIER_TYPES",
    "IdentifierEntity",
    "IdentifierType",
    "identifier_type",
]

IdentifierEntity = Literal["person", "workplace", "legal_entity", "household", "place", "contact", "account", "case"]

FAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "missing": "nothing is written",
        "not_digits": "holds something else than digits",
        "wrong_length": "has too few or too many digits",
        "wrong_form": "has the digits of another kind of number",
        "all_zero": "is a placeholder of zeros",
        "check_digit": "does not agree with its check digit",
    }
)
"""Reason codes of identifiers that are wrong; the first that applies is given."""

FLAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "repeated_digits": "is one digit ten times, which passes the check and is often a placeholder",
        "unusual_form": "has a digit where the postal system gives none",
    }
)
"""Reason codes of identifiers that are right, and deserve a look."""

_ZEROS: Final = "^0+$"


def _as_it_is(text: pl.Expr) -> pl.Expr:
    return text


def _always(text: pl.Series) -> pl.Series:
    return text.is_not_null()


def _complete_as_it_is(digits: pl.Series) -> pl.Series:
    return digits


def _never(text: pl.Expr) -> pl.Expr:
    return text.is_null() & text.is_not_null()


@dataclass(frozen=True, slots=True)
class IdentifierType:
    """One type of identifier.

    Args:
        name: as configuration writes it.
        entity: what it identifies.
        marker: first letters of its pseudonyms; None for a type that never gets one.
        description: for people.
        form: regular expression of the canonical text.
        lengths: how many digits it may have.
        made: regular expression of the digits, without check digits, of those that `numbered` makes.
        prefix: what stands before the digits of the canonical text.
        respell: canonical text from clean text that is not in form yet.
        check: whether the canonical texts of a column agree with their check digits.
        complete: canonical texts from the digits that `made` allows.
        flag_reason: key of `FLAGS`, given where `unusual` holds.
        unusual: whether a canonical text deserves a look.
    """

    name: str
    entity: IdentifierEntity
    marker: str | None
    description: str
    form: str
    lengths: tuple[int, ...]
    made: str
    prefix: str = ""
    respell: Callable[[pl.Expr], pl.Expr] = _as_it_is
    check: Callable[[pl.Series], pl.Series] = _always
    complete: Callable[[pl.Series], pl.Series] = _complete_as_it_is
    flag_reason: str | None = None
    unusual: Callable[[pl.Expr], pl.Expr] = _never

    def read(self, column: pl.Series) -> pl.DataFrame:
        """The String columns `canonical` and `fault` of a delivered column (numbers are read as text), in its order.

        `canonical` is null where the text cannot be put in form, and stays beside the faults ``all_zero`` and
        ``check_digit``; `fault` is null where the identifier is right, else a key of `FAULTS`.
        """
        return _read(self, column.cast(pl.String))

    @property
    def count(self) -> int:
        """How many identifiers `numbered` can make."""
        return _spelling(self.made).count

    def numbered(self, numbers: pl.Series) -> pl.Series:
        """String: an invented identifier for each number (UInt64, from 0, below `count`), two different ones for two numbers.

        Each is canonical, right by its check digits, and has no flag. That it belongs to nobody cannot be known.
        """
        return self.complete(_spelling(self.made).written(numbers))

    def flag(self, canonical: pl.Expr) -> pl.Expr:
        """String: a key of `FLAGS`, from a canonical column; null where there is nothing to say."""
        return pl.when(self.unusual(canonical)).then(pl.lit(self.flag_reason, pl.String))


def identifier_type(name: str) -> IdentifierType:
    """The registered type of this name. Raises UnknownName with the list of all types."""
    if name not in IDENTIFIER_TYPES:
        raise UnknownName("identifier type", name, IDENTIFIER_TYPES)
    return IDENTIFIER_TYPES[name]


@lru_cache
def _spelling(made: str) -> Spelling:
    return spelling_of(made)


def _read(identifier: IdentifierType, column: pl.Series) -> pl.DataFrame:
    """Nearly every value is right as it stands; only the others are respelled, and only what stays wrong is looked into."""
    text, in_form = column, _has_form(identifier, column)
    others = (~in_form).arg_true()
    if len(others):
        respelled = _respelled(identifier, column.gather(others))
        text = column.clone().scatter(others, respelled)
        in_form = in_form.scatter(others, _has_form(identifier, respelled))
    canonical = text if in_form.all() else text.set(~in_form, None)
    right = in_form & identifier.check(canonical).fill_null(False)
    for length in identifier.lengths:
        right = right & (canonical != identifier.prefix + "0" * length).fill_null(False)
    fault = pl.repeat(None, len(text), dtype=pl.String, eager=True)
    wrong = (~right).arg_true()
    if len(wrong):
        frame = pl.DataFrame({"text": text.gather(wrong), "in_form": in_form.gather(wrong)})
        fault = fault.scatter(wrong, frame.select(_fault(identifier)).to_series())
    return pl.DataFrame([canonical.alias("canonical"), fault.alias("fault")])


def _has_form(identifier: IdentifierType, text: pl.Series) -> pl.Series:
    return text.str.contains(identifier.form).fill_null(False)


def _respelled(identifier: IdentifierType, rows: pl.Series) -> pl.Series:
    # A hyphen inside is a separator of people; one in front is a sign, and no identifier has it.
    joined = clean_code(pl.col("text")).str.replace_all(r"(?-u:\b)[-\x{2010}-\x{2015}](?-u:\b)", "")
    # Two steps: an expression that names a cleaned column thrice would clean it thrice.
    cleaned = rows.alias("text").to_frame().select(joined)
    return cleaned.select(identifier.respell(pl.col("text"))).to_series()


def _fault(identifier: IdentifierType) -> pl.Expr:
    """What is wrong with values that are not right."""
    digits = pl.col("text").str.strip_prefix(identifier.prefix) if identifier.prefix else pl.col("text")
    return (
        pl.when(pl.col("text").is_null())
        .then(pl.lit("missing"))
        .when(pl.col("in_form") & digits.str.contains(_ZEROS))
        .then(pl.lit("all_zero"))
        .when("in_form")
        .then(pl.lit("check_digit"))
        .when(digits.str.contains("[^0-9]"))
        .then(pl.lit("not_digits"))
        .when(~digits.str.len_bytes().is_in(identifier.lengths))
        .then(pl.lit("wrong_length"))
        .otherwise(pl.lit("wrong_form"))
    )


def _number(text: pl.Series) -> pl.Series:
    return text.cast(pl.UInt64, strict=False)


def _digits(text: pl.Series, count: int) -> list[pl.Series]:
    number = _number(text)
    return [number // 10**place % 10 for place in reversed(range(count))]


def _weighted(digits: Sequence[pl.Series], weights: Sequence[int]) -> pl.Series:
    total = digits[0] * weights[0]
    for digit, weight in zip(digits[1:], weights[1:], strict=True):
        total += digit * weight
    return total


@lru_cache
def _weighted_fives(weights: tuple[int, int, int, int, int]) -> pl.Series:
    """The weighted sum of the digits of every number of five digits: two of them look up what ten digits take forty steps for."""
    number = pl.int_range(100_000, dtype=pl.UInt64, eager=True)
    return _weighted([number // 10**place % 10 for place in (4, 3, 2, 1, 0)], weights).cast(pl.UInt16)


def _national_code_agrees(text: pl.Series) -> pl.Series:
    number = _number(text)
    remainder = _national_code_remainder(number)
    check = (number % 10).cast(pl.UInt16)
    return ((remainder < 2) & (check == remainder)) | ((remainder >= 2) & (check + remainder == 11))


def _national_code_completed(digits: pl.Series) -> pl.Series:
    remainder = _national_code_remainder(_number(digits) * 10)
    return _followed_by(digits, pl.Series([0, 1, *range(9, 0, -1)], dtype=pl.UInt16).gather(remainder))


def _national_code_remainder(number: pl.Series) -> pl.Series:
    """The weighted sum of the first nine of ten digits, modulo 11."""
    upper, lower = number // 100_000, number % 100_000
    return (_weighted_fives((10, 9, 8, 7, 6)).gather(upper) + _weighted_fives((5, 4, 3, 2, 0)).gather(lower)) % 11


def _followed_by(digits: pl.Series, check: pl.Series) -> pl.Series:
    return digits + check.cast(pl.String)


def _legal_id_agrees(text: pl.Series) -> pl.Series:
    *digits, check = _digits(text, 11)
    return _legal_id_check(digits) == check


def _legal_id_completed(digits: pl.Series) -> pl.Series:
    return _followed_by(digits, _legal_id_check(_digits(digits, 10)))


def _legal_id_check(digits: Sequence[pl.Series]) -> pl.Series:
    weights = (29, 27, 23, 19, 17) * 2
    return (_weighted(digits, weights) + (digits[9] + 2) * sum(weights)) % 11 % 10


def _bank_card_agrees(text: pl.Series) -> pl.Series:
    """Luhn (ISO/IEC 7812-1, annex B)."""
    *digits, check = _digits(text, 16)
    return (_luhn_sum(digits) + check) % 10 == 0


def _bank_card_completed(digits: pl.Series) -> pl.Series:
    return _followed_by(digits, _luhn_sum(_digits(digits, 15)) * 9 % 10)


def _luhn_sum(digits: Sequence[pl.Series]) -> pl.Series:
    """The sum of 15 digits of which every other one counts twice."""
    # Twice a digit above 4 has two digits, whose sum is 9 less: modulo 10, that is 1 more.
    carries = [(digit > 4).cast(pl.UInt64) for digit in digits[0::2]]
    return _weighted([*digits, *carries], (2, 1) * 7 + (2,) + (1,) * 8)


def _sheba_agrees(text: pl.Series) -> pl.Series:
    """ISO 13616: account, I and R as 18 and 27, and check digits, read as one number, leave 1 modulo 97."""
    check = text.str.slice(2, 2).cast(pl.UInt64, strict=False)
    return (_sheba_remainder(text.str.slice(4)) + check) % 97 == 1


def _sheba_completed(digits: pl.Series) -> pl.Series:
    check = 98 - _sheba_remainder(digits)
    return "IR" + check.cast(pl.String).str.zfill(2) + digits


def _sheba_remainder(account: pl.Series) -> pl.Series:
    """What the number without its check digits leaves modulo 97: 22 digits, I and R, and two zeros."""
    upper, lower = (account.str.slice(start, 11).cast(pl.UInt64, strict=False) for start in (0, 11))
    return (upper % 97 * (10**17 % 97) + lower % 97 * (10**6 % 97) + 182_700) % 97


def _pad_to_ten(text: pl.Expr) -> pl.Expr:
    # A spreadsheet drops the zeros in front; fewer than eight digits are a mistake.
    return pl.when(text.str.len_bytes().is_in((8, 9))).then(text.str.zfill(10)).otherwise(text)


def _as_domestic(text: pl.Expr) -> pl.Expr:
    return text.str.replace(r"^(?:\+98|0098|98|0)?(9[0-9]{9})$", "0${1}")


def _upper_case(text: pl.Expr) -> pl.Expr:
    return text.str.to_uppercase()


def _is_one_digit_repeated(text: pl.Expr) -> pl.Expr:
    return text.str.contains(f"^(?:{'|'.join(f'{digit}{{10}}' for digit in range(1, 10))})$")


def _is_unusual_postal_code(text: pl.Expr) -> pl.Expr:
    return ~text.str.contains("^[13-9]{4}[1346-9][013-9]{5}$") | text.str.contains(
        f"^(?:{'|'.join(f'{digit}{{4}}' for digit in range(10))})"
    )


_TEN: Final = "^[0-9]{10}$"

IDENTIFIER_TYPES: Final[Mapping[str, IdentifierType]] = MappingProxyType(
    {
        identifier.name: identifier
        for identifier in (
            IdentifierType(
                "national_code",
                "person",
                "nat",
                "National code of an Iranian: ten digits, the last a check digit; 8 or 9 digits are padded",
                _TEN,
                (10,),
                made="0[1-9][0-9]{7}",
                respell=_pad_to_ten,
                check=_national_code_agrees,
                complete=_national_code_completed,
                flag_reason="repeated_digits",
                unusual=_is_one_digit_repeated,
            ),
            IdentifierType(
                "foreigner_code",
                "person",
                "for",
                "Unique code of a foreign national: ten to twelve digits",
                "^[0-9]{10,12}$",
                (10, 11, 12),
                made="[1-9][0-9]{11}",
            ),
            IdentifierType(
                "insurance_number",
                "person",
                "ins",
                "Social insurance number: eight or ten digits",
                "^(?:[0-9]{8}|[0-9]{10})$",
                (8, 10),
                made="[0-9]{9}[1-9]",
            ),
            IdentifierType(
                "legal_id",
                "legal_entity",
                "leg",
                "National id of a legal entity: eleven digits, the last a check digit",
                "^[0-9]{11}$",
                (11,),
                made="1[0-9]{9}",
                check=_legal_id_agrees,
                complete=_legal_id_completed,
            ),
            IdentifierType(
                "workplace_code",
                "workplace",
                "wrk",
                "Workplace code: branch 3, activity 3, file 4 digits; 8 or 9 digits are padded",
                _TEN,
                (10,),
                made="[0-9]{9}[1-9]",
                respell=_pad_to_ten,
            ),
            IdentifierType(
                "household_id",
                "household",
                "hhd",
                "Household id: ten to twelve digits",
                "^[0-9]{10,12}$",
                (10, 11, 12),
                made="[1-9][0-9]{9}",
            ),
            IdentifierType(
                "postal_code",
                "place",
                None,
                "Postal code: ten digits; a digit where the postal system gives none is flagged",
                _TEN,
                (10,),
                made="1[3-9][13-9]{2}[1346-9][013-9]{5}",
                flag_reason="unusual_form",
                unusual=_is_unusual_postal_code,
            ),
            IdentifierType(
                "mobile",
                "contact",
                None,
                "Mobile number: 09 and nine digits, from +98, 0098, 98, 0 or nothing in front",
                "^09[0-9]{9}$",
                (11,),
                made="09[0-9]{9}",
                respell=_as_domestic,
            ),
            IdentifierType(
                "sheba",
                "account",
                None,
                "Sheba (IBAN) of a bank account: IR and 24 digits, the first two check digits",
                "^IR[0-9]{24}$",
                (24,),
                made="[0-9]{22}",
                prefix="IR",
                respell=_upper_case,
                check=_sheba_agrees,
                complete=_sheba_completed,
            ),
            IdentifierType(
                "bank_card",
                "account",
                None,
                "Bank card number: 16 digits, the last a check digit",
                "^[0-9]{16}$",
                (16,),
                made="6[0-9]{14}",
                check=_bank_card_agrees,
                complete=_bank_card_completed,
            ),
            IdentifierType(
                "case_number",
                "case",
                None,
                "Number of a case at a board: province 2, year 4, running number 6 digits; hyphens between them go",
                "^[0-9]{12}$",
                (12,),
                made="[1-9][0-9]{11}",
            ),
        )
    }
)
"""Every identifier type by name."""
