"""Why a value or a row could not be read, in words for its producer: every reason code with its title and its fix.

Not here: finding them; that is of identifiers the standard's, of everything else `standardized`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from mdlake.config import Label

__all__ = ["DUPLICATE_ROW", "FAULTS", "MALFORMED_ROW", "Fault"]

DUPLICATE_ROW, MALFORMED_ROW = "row:duplicate", "row:malformed"


class Fault(NamedTuple):
    """What is wrong with the value (or the row), and what its producer does about it."""

    title: Label
    fix: Label


def _fault(title_fa: str, title_en: str, fix_fa: str, fix_en: str) -> Fault:
    return Fault(Label(fa=title_fa, en=title_en), Label(fa=fix_fa, en=fix_en))


FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "missing": _fault(
            "نوشته نشده و در قرارداد لازم است",
            "is not there, and the contract requires it",
            "شناسه را بنویسید",
            "write the identifier",
        ),
        "not_digits": _fault(
            "نویسه‌ای جز رقم دارد",
            "holds something else than digits",
            "تنها رقم‌ها را بنویسید",
            "write the digits alone",
        ),
        "wrong_length": _fault(
            "شمار رقم‌های آن درست نیست",
            "has too few or too many digits",
            "شماره را کامل بنویسید؛ صفرهای آغاز را نگه دارید",
            "write the whole number, with its leading zeros",
        ),
        "wrong_form": _fault(
            "رقم‌های شمارهٔ دیگری را دارد، یا شکلی را که قرارداد گفته ندارد",
            "has the digits of another kind of number, or not the form that the contract gives",
            "ببینید شمارهٔ دیگری به جای آن ننوشته باشید",
            "look whether another number was written in its place",
        ),
        "all_zero": _fault(
            "سراسر صفر است",
            "is a placeholder of zeros",
            "شمارهٔ درست را بنویسید؛ اگر نیست خالی بگذارید",
            "write the right number, or leave it empty if there is none",
        ),
        "check_digit": _fault(
            "با رقم کنترل سازگار نیست",
            "does not agree with its check digit",
            "شماره را با مدرک مقابله کنید؛ رقمی اشتباه یا جابه‌جا شده است",
            "compare the number with the document: a digit is wrong, or two changed places",
        ),
        "not_a_number": _fault(
            "عدد خوانده نمی‌شود",
            "cannot be read as a whole number",
            "عدد را بدون واحد، متن و اعشار بنویسید",
            "write a whole number, without unit or text",
        ),
        "not_a_date": _fault(
            "تاریخ خوانده نمی‌شود",
            "cannot be read as a date",
            "تاریخ را مانند ۱۴۰۳/۰۱/۱۵ بنویسید و ببینید آن روز در تقویم هست",
            "write the date as 1403/01/15, and look whether the calendar has that day",
        ),
        "not_a_month": _fault(
            "ماه خوانده نمی‌شود",
            "cannot be read as a month",
            "ماه را مانند ۱۴۰۳-۰۱ بنویسید",
            "write the month as 1403-01",
        ),
        "unknown_code": _fault(
            "در طبقه‌بندی نیست",
            "is not in the classification",
            "کد طبقه‌بندی را بنویسید، یا افزودن واژهٔ خود را به قرارداد بخواهید",
            "write a code of the classification, or have your word added to the contract",
        ),
        "code_not_valid_in_period": _fault(
            "در طبقه‌بندی هست ولی در آن ماه معتبر نیست",
            "is in the classification, and not valid in that month",
            "کد معتبر همان ماه را بنویسید",
            "write the code that is valid in that month",
        ),
        MALFORMED_ROW: _fault(
            "سطر به ستون‌های قرارداد جدا نمی‌شود",
            "the line does not divide into the columns",
            "جداکننده و علامت نقل قول سطر را درست کنید",
            "correct the separators and quotation marks of the line",
        ),
        DUPLICATE_ROW: _fault(
            "همان سطر پیش‌تر در پرونده آمده است",
            "the same row stands in the file before",
            "هر سطر را یک بار بفرستید",
            "send each row once",
        ),
    }
)
"""By reason code."""
