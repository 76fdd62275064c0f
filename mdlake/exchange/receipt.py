"""Receipts: the answer to each package, which its sender can show: what came, when, and whether and why it was refused.

A receipt is JSON in both languages with an OpenSSH signature of the IT Centre beside it. Not here: the decision itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from mdlake.ledger import Delivery, Package
from mdlake.ledger.records import canonical_json, moment_text
from mdlake.seals import SigningKey, sign

__all__ = ["REASONS", "RECEIPT_NAMESPACE", "Reason", "write_receipt"]

RECEIPT_NAMESPACE = "mdlake-receipt"
_FORMAT = "mdlake-receipt/1"


class Reason(NamedTuple):
    """Why a package is refused, in a sentence for people."""

    fa: str
    en: str


REASONS: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        "missing_signature": Reason("امضای بسته نرسیده است.", "The signature of the package did not come."),
        "not_a_file": Reason("آنچه رسیده پروندهٔ ساده نیست.", "What came is no plain file."),
        "unknown_sender": Reason("هیچ کلیدی از این فرستنده شناخته نیست.", "No key of this sender is known."),
        "revoked_key": Reason("کلید امضا باطل شده است.", "The key of the signature is revoked."),
        "bad_signature": Reason(
            "امضا از این فرستنده نیست یا بسته پس از امضا تغییر کرده است.",
            "The signature is not this sender's, or the package was changed after it was signed.",
        ),
        "replay": Reason("همین بسته پیش‌تر رسیده و پاسخ گرفته است.", "This very package came before and was answered."),
        "other_recipient": Reason("بسته برای گیرندهٔ دیگری رمز شده است.", "The package is encrypted to somebody else."),
        "changed_package": Reason("بسته هنگام خواندن تغییر کرد.", "The package was changed while it was read."),
        "damaged_package": Reason("بسته ناقص یا خراب است.", "The package is cut off or damaged."),
        "unreadable_package": Reason("درون بسته بایگانی tar سالمی نیست.", "There is no sound tar in the package."),
        "unsafe_member": Reason(
            "بسته چیزی جز پرونده‌های سادهٔ بی‌مسیر دارد.", "The package holds something else than plain files with plain names."
        ),
        "repeated_member": Reason("دو پرونده در بسته یک نام دارند.", "Two files in the package have one name."),
        "unexpected_member": Reason("بسته پروندهٔ اضافه دارد.", "The package holds a file too many."),
        "too_large": Reason("پرونده‌ای در بسته بزرگ‌تر از حد مجاز است.", "A file in the package is larger than allowed."),
        "missing_member": Reason("پرونده‌ای در بسته نیست.", "A file is missing in the package."),
        "missing_self_check": Reason("خودارزیابی واحد آمار در بسته نیست.", "The self-check of the statistics unit is missing."),
        "self_check_signature": Reason(
            "خودارزیابی را واحد آمار امضا نکرده است.", "The self-check is not signed by the statistics unit."
        ),
        "unreadable_self_check": Reason("خودارزیابی خوانا نیست.", "The self-check cannot be read."),
        "other_self_check": Reason("خودارزیابی از این ارسال نیست.", "The self-check is of another delivery."),
        "unreadable_descriptor": Reason("شناسنامهٔ بسته خوانا نیست.", "The descriptor cannot be read."),
        "other_organization": Reason("شناسنامه از سازمان دیگری است.", "The descriptor is of another organization."),
        "not_expected": Reason("این مجموعه داده یا دوره مقرر نیست.", "Nobody expects this dataset or period."),
        "future_period": Reason("دورهٔ آمار هنوز آغاز نشده است.", "The reference period has not begun."),
        "closed_period": Reason("دوره برای دریافت داده بسته شده است.", "The period is closed for deliveries."),
        "older_sequence": Reason(
            "ارسالی با همین شماره یا شمارهٔ بالاتر پذیرفته شده است.", "A delivery of this or a higher sequence was accepted."
        ),
        "supersedes": Reason(
            "ارسالی که باید جایگزین شود همان ارسال معتبر کنونی نیست.", "It replaces another delivery than the one that counts."
        ),
        "contract_version": Reason("نسخهٔ قرارداد داده درست نیست.", "The version of the contract is not the one in force."),
        "missing_reporting_unit": Reason("واحد گزارش‌دهنده گفته نشده است.", "The reporting unit is not said."),
        "unknown_reporting_unit": Reason("واحد گزارش‌دهنده شناخته نیست.", "The reporting unit is not known."),
        "unexpected_reporting_unit": Reason("این مجموعه داده واحد گزارش‌دهنده ندارد.", "The dataset has no reporting units."),
        "hash_mismatch": Reason("پروندهٔ داده همان نیست که شناسنامه می‌گوید.", "The data file is not the one that was described."),
        "dialect": Reason("جداکنندهٔ ستون‌ها همان نیست که گفته شده است.", "The separator is not the one that was said."),
        "encoding": Reason("کدگذاری متن همان نیست که گفته شده است.", "The text is not encoded as was said."),
        "too_many_columns": Reason("شمار ستون‌ها بیش از حد است.", "There are too many columns."),
        "missing_column": Reason("ستونی از قرارداد نیامده است.", "A column of the contract is missing."),
        "unknown_column": Reason("ستونی بیرون از قرارداد آمده است.", "There is a column that the contract does not have."),
        "schema": Reason("ستون‌های شناسنامه همان ستون‌های پرونده نیست.", "The descriptor's columns are not those of the file."),
        "row_count": Reason("شمار سطرها همان نیست که اعلام شده است.", "There are not as many rows as were declared."),
        "repeated_column": Reason("ستونی دو بار آمده است.", "A column comes twice."),
        "empty_file": Reason("پروندهٔ داده خالی است.", "The data file is empty."),
        "unreadable_file": Reason("پروندهٔ داده خوانا نیست.", "The data file cannot be read."),
    }
)
"""Every code with which a package or a delivery is refused."""


def write_receipt(path: Path, package: Package, delivery: Delivery | None, key: SigningKey) -> None:
    """Write the receipt of a package to `path`, and its signature to `path`.sig; written again it says the same.

    Args:
        package: as recorded.
        delivery: what was in it, as recorded; None where that was not known.
    """
    reason = REASONS[package.reason] if package.reason else None
    said = {
        "format": _FORMAT,
        "package": {"name": package.name, "sha256": package.sha256, "bytes": package.size_bytes, "number": package.package_id},
        "organization": package.organization,
        "received_at": moment_text(package.received_at),
        "signed_by": package.signer,
        "state": package.state,
        "reason": None
        if reason is None
        else {"code": package.reason, "fa": reason.fa, "en": reason.en, "detail": package.message},
        "delivery": None if delivery is None else _delivery(delivery),
    }
    content = f"{canonical_json(said)}\n".encode()
    _replace(path.with_name(f"{path.name}.sig"), sign(content, key, RECEIPT_NAMESPACE).encode())
    _replace(path, content)


def _delivery(delivery: Delivery) -> dict[str, object]:
    names = ("dataset", "period", "reporting_unit", "sequence", "contract_version", "declared_rows", "sha256", "size_bytes")
    return {name: getattr(delivery, name) for name in names}


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    unfinished = path.with_name(f".{path.name}.part")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
