"""Each column type read in plain Python, one value at a time: the oracle of the vectorised standardization.

It shares no code with `mdlake.standard`; the calendar comes from persiantools. What a column is comes from its contract.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from persiantools.jdatetime import JalaliDate

from mdlake.config import Column
from mdlake.standard import Period

__all__ = ["Reading", "clean", "plain_text", "read", "solar_month", "word"]

_ZWNJ = "\u200c"
_TIME = r"(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?Z| ?[+-]\d{2}:?\d{2})?)?"
_SIGNED_DATE = re.compile(rf"'?(\d{{4}}) ?([/.-]) ?(\d{{1,2}}) ?\2 ?(\d{{1,2}}){_TIME}", re.ASCII)
_COMPACT_DATE = re.compile(rf"'?(\d{{4}})(\d{{2}})(\d{{2}})(?:\.0)?{_TIME}", re.ASCII)
_SIGNED_MONTH = re.compile(r"'?(\d{4}) ?[/-] ?(\d{1,2})", re.ASCII)
_COMPACT_MONTH = re.compile(r"'?(\d{4})(\d{2})(?:\.0)?", re.ASCII)


@dataclass(frozen=True)
class Reading:
    """What becomes of one value: its canonical form, the reason why it has none, and whether its writing changed."""

    value: object
    fault: str | None
    edited: bool


def read(raw: str | None, column: Column, period: Period) -> Reading:
    """One delivered value by the instruction of its column."""
    if column.type == "identifier":
        return _identifier(raw, column)
    if column.type in ("text", "free_text"):
        return _text(raw) if column.pattern is None else _formed(raw, column.pattern)
    if column.type == "code":
        return _code(raw, column, period)
    value: date | str | int | None
    if column.type == "date":
        value, plain, reason = _date(raw, str(column.dates)), r"\d{4}/\d{2}/\d{2}", "not_a_date"
    elif column.type == "month":
        value, plain, reason = _month(raw), r"\d{4}/\d{2}", "not_a_month"
    else:
        value, plain, reason = _number(raw), r"[+-]?\d+", "not_a_number"
    if raw is None or plain_text(raw) is None:
        return Reading(None, None, False)
    if value is None:
        return Reading(None, reason, False)
    return Reading(value, None, re.fullmatch(plain, raw, re.ASCII) is None)


def _text(raw: str | None) -> Reading:
    """A name, title or note."""
    text = None if raw is None else plain_text(raw)
    return Reading(text, None, text is not None and text != raw)


def _formed(raw: str | None, pattern: str) -> Reading:
    """A code without a classification, by the form that all of it must have."""
    code = None if raw is None else clean(raw)
    if code is None:
        return Reading(None, None, False)
    if re.fullmatch(pattern, code, re.ASCII) is None:
        return Reading(None, "wrong_form", False)
    return Reading(code, None, code != raw)


def solar_month(day: date | None) -> str | None:
    """A Gregorian day as a Solar Hijri month, such as 1403-01."""
    return None if day is None else JalaliDate.to_jalali(day).strftime("%Y-%m")  # type: ignore[no-untyped-call]


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _is_space(character: str) -> bool:
    return character.isspace() and character not in "\x1c\x1d\x1e\x1f"


def _is_dropped(character: str) -> bool:
    point, category = ord(character), unicodedata.category(character)
    return (
        character in "\u0640\u061c\u180e\u200b\u200d\u200e\u200f\ufeff\xad"
        or category == "Cc"
        or 0x202A <= point <= 0x202E
        or 0x2060 <= point <= 0x206F
        or (category == "Mn" and 0x600 <= point <= 0x6FF)
    )


def _letters(text: str) -> str:
    kept = (" " if _is_space(c) else "" if _is_dropped(c) else c for c in unicodedata.normalize("NFC", text))
    return unicodedata.normalize("NFC", "".join(kept).translate(str.maketrans("يىك", "ییک")))


def _digits(text: str) -> str:
    return "".join(str(unicodedata.digit(c)) if c in "۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩" else c for c in text)


def plain_text(text: str) -> str | None:
    """A name or title as it is stored; None where nothing is left."""
    words = (part.strip(_ZWNJ) for part in re.split(" +", _letters(text)))
    return re.sub(f"{_ZWNJ}+", _ZWNJ, " ".join(filter(None, words))) or None


def clean(text: str) -> str | None:
    """A number or code without what surrounds it; None where nothing is left."""
    code = _digits(_letters(text)).replace(" ", "").replace(_ZWNJ, "").replace("٫", ".").replace("٬", "").lstrip("'")
    return re.sub(r"^([+-]?[0-9]+)\.0$", r"\1", code) or None


def word(text: str) -> str | None:
    """The key under which two spellings of a word meet."""
    folded = _digits(_letters(text)).replace(" ", "").replace(_ZWNJ, "").replace("ۀ", "ه")
    return folded.lower() or None


# ── identifiers ──────────────────────────────────────────────────────────────────────────────────────────────────────

_LENGTHS = {
    "national_code": (10,),
    "workplace_code": (10,),
    "insurance_number": (8, 10),
    "legal_id": (11,),
    "postal_code": (10,),
}


def _identifier(raw: str | None, column: Column) -> Reading:
    assert column.identifier is not None
    kind = column.identifier.name
    code = None if raw is None else clean(raw)
    if code is not None:
        code = re.sub(r"(?<=[A-Za-z0-9_])[-\u2010-\u2015](?=[A-Za-z0-9_])", "", code)
        if kind in ("national_code", "workplace_code") and len(code.encode()) in (8, 9):
            code = code.zfill(10)
    fault = _identifier_fault(code, kind)
    in_form = fault in (None, "all_zero", "check_digit")
    edited = code is not None and in_form and code != raw
    if fault == "missing" and not column.required:
        return Reading(None, None, edited)
    return Reading(None if fault else code, fault, edited)


def _identifier_fault(code: str | None, kind: str) -> str | None:
    if not code:
        return "missing"
    if re.fullmatch(r"[0-9]+", code) is None:
        return "not_digits"
    if len(code) not in _LENGTHS[kind]:
        return "wrong_length"
    if set(code) == {"0"}:
        return "all_zero"
    return None if _agrees(code, kind) else "check_digit"


def _agrees(code: str, kind: str) -> bool:
    if kind == "national_code":
        rest = sum(int(digit) * weight for digit, weight in zip(code, range(10, 1, -1), strict=False)) % 11
        return int(code[9]) == (rest if rest < 2 else 11 - rest)
    if kind == "legal_id":
        weights = (29, 27, 23, 19, 17) * 2
        total = sum((int(digit) + int(code[9]) + 2) * weight for digit, weight in zip(code, weights, strict=False))
        return total % 11 % 10 == int(code[10])
    return True


# ── codes, numbers, dates ────────────────────────────────────────────────────────────────────────────────────────────


def _code(raw: str | None, column: Column, period: Period) -> Reading:
    assert column.classification is not None
    codes = column.classification.codes
    known = {entry.code for entry in codes}
    valid = {e.code for e in codes if (not e.valid_from or e.valid_from <= period) and (not e.valid_to or period <= e.valid_to)}
    words = {word(written): target for written, target in column.values.items()}
    code = None if raw is None else clean(raw)
    widths = {len(entry) for entry in known}
    if code is not None and len(widths) == 1 and all(entry.isdigit() for entry in known):
        code = code.zfill(widths.pop())
    meant = None if raw is None else words.get(word(raw))
    code = meant or code
    edited = code is not None and code != raw
    if code is None or code in valid:
        return Reading(code, None, edited)
    return Reading(None, "code_not_valid_in_period" if code in known else "unknown_code", edited)


def _number(raw: str | None) -> int | None:
    text = None if raw is None else clean(raw)
    if text is None:
        return None
    text = text.replace(",", "").replace("٬", "").replace("'", "")
    if re.fullmatch(r"[+-]?[0-9]+", text) is None or not -(2**63) <= int(text) < 2**63:
        return None
    return int(text)


def _tidy(raw: str) -> str:
    return _digits(plain_text(raw) or "")


def _date(raw: str | None, hand: str) -> date | None:
    if raw is None:
        return None
    found = _SIGNED_DATE.fullmatch(_tidy(raw))
    parts = found.group(1, 3, 4) if found else None
    if parts is None:
        found = _COMPACT_DATE.fullmatch(_tidy(raw))
        parts = found.group(1, 2, 3) if found else None
    if parts is None:
        return None
    year, month, day = (int(part) for part in parts)
    try:
        if 1206 <= year <= 1500 and hand in ("solar_hijri", "either"):
            return JalaliDate(year, month, day).to_gregorian()  # type: ignore[no-untyped-call]
        return date(year, month, day) if year >= 1700 and hand in ("gregorian", "either") else None
    except ValueError:
        return None


def _month(raw: str | None) -> str | None:
    if raw is None:
        return None
    found = _SIGNED_MONTH.fullmatch(_tidy(raw)) or _COMPACT_MONTH.fullmatch(_tidy(raw))
    if found is None or not 1206 <= int(found[1]) <= 1500 or not 1 <= int(found[2]) <= 12:
        return None
    return f"{found[1]}-{int(found[2]):02}"
