"""The self-check of a producer's statistics unit (note of Article 5): what it found in a data file before it was sent.

Here: its form, and whether it is about this delivery and signed by the unit. Not here: the checking itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mdlake.config import SELF_CHECK_NAMESPACE, statistics_unit
from mdlake.errors import DeliveryRefused, SealError
from mdlake.exchange.descriptor import Descriptor
from mdlake.seals import AllowedSigners, SigningKey, check_signature, sign, verify

__all__ = ["Finding", "SelfCheck", "SignedCheck", "require_self_check"]

_Count = Annotated[int, Field(ge=0, lt=2**63)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Strict):
    """A rule and how many rows do not keep it."""

    rule: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    rows: _Count


class SelfCheck(_Strict):
    """`self-check.json`: of which file it is, and what was found."""

    format: Literal["mdlake-self-check/1"]
    organization: str
    dataset: str
    period: str
    reporting_unit: str | None = None
    contract_version: str
    hash: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    rows: _Count
    findings: tuple[Finding, ...] = ()

    @property
    def content(self) -> bytes:
        """The file: what is signed, byte for byte."""
        return self.model_dump_json(exclude_none=True).encode()

    def write(self, path: Path) -> None:
        """Write it to be signed by ssh-keygen; the signature of what was there before is gone."""
        path.with_name(f"{path.name}.sig").unlink(missing_ok=True)
        path.write_bytes(self.content)


@dataclass(frozen=True)
class SignedCheck:
    """A self-check with the statistics unit's signature of it, as the two files that go into the package."""

    content: bytes
    signature: str

    @classmethod
    def by(cls, key: SigningKey, check: SelfCheck) -> SignedCheck:
        """A self-check signed with the unit's key."""
        return cls(check.content, sign(check.content, key, SELF_CHECK_NAMESPACE))

    @classmethod
    def read(cls, path: Path) -> SignedCheck:
        """The files that `write` or ssh-keygen wrote: the check, and beside it its signature.

        Raises:
            DeliveryRefused: `missing_self_check`.
        """
        signature = path.with_name(f"{path.name}.sig")
        for file in (path, signature):
            if not file.is_file():
                fix = "Have the statistics unit check and sign: mdlake deliver check --sign KEY."
                raise DeliveryRefused("missing_self_check", "the file is not there", where=str(file), next_step=fix)
        return cls(path.read_bytes(), signature.read_bytes().decode("ascii", "replace"))

    @property
    def check(self) -> SelfCheck:
        """What is said in it, or `DeliveryRefused` (`unreadable_self_check`)."""
        return _parsed(self.content)

    def write(self, path: Path) -> None:
        """Write the check, and its signature beside it; what a check before it wrote is replaced."""
        path.write_bytes(self.content)
        path.with_name(f"{path.name}.sig").write_text(self.signature, encoding="ascii")

    def require_of(self, descriptor: Descriptor) -> None:
        """Look whether the intake would find the check signed, and about this delivery; whose the key is, it alone knows.

        Raises:
            DeliveryRefused: as `require_self_check`.
        """
        try:
            check_signature(self.content, self.signature, SELF_CHECK_NAMESPACE)
        except SealError as error:
            raise _not_signed(error.what) from None
        _require_about(self.content, descriptor)


def require_self_check(
    content: bytes, signature: str, descriptor: Descriptor, allowed: AllowedSigners, at: datetime
) -> SelfCheck:
    """The self-check of a delivery, signed by the statistics unit of its organization.

    Args:
        content, signature: of `self-check.json` and `self-check.json.sig`.
        at: when the key must have been valid.

    Raises:
        DeliveryRefused: `self_check_signature`, `unreadable_self_check`, or `other_self_check` if it is about another delivery.
    """
    said = descriptor.mdlake
    unit = statistics_unit(said.organization)
    try:
        verify(content, signature, allowed, unit, SELF_CHECK_NAMESPACE, at)
    except SealError as error:
        raise _not_signed(f"the self-check is not signed by {unit}: {error.what}") from None
    return _require_about(content, descriptor)


def _not_signed(what: str) -> DeliveryRefused:
    fix = f"Have it signed by the statistics unit: ssh-keygen -Y sign -n {SELF_CHECK_NAMESPACE} -f KEY self-check.json."
    return DeliveryRefused("self_check_signature", what, next_step=fix)


def _require_about(content: bytes, descriptor: Descriptor) -> SelfCheck:
    """The self-check in a file, if it is about this delivery."""
    said, check = descriptor.mdlake, _parsed(content)
    delivered = {
        "organization": said.organization,
        "dataset": said.dataset,
        "period": said.period,
        "reporting_unit": said.reporting_unit,
        "contract_version": said.contract_version,
        "hash": descriptor.resource.hash,
        "rows": said.declared_rows,
    }
    other = sorted(name for name, stated in delivered.items() if getattr(check, name) != stated)
    if other:
        fix = "Check this data file, and have that check signed."
        raise DeliveryRefused("other_self_check", f"the self-check is of another delivery: {', '.join(other)}", next_step=fix)
    return check


def _parsed(content: bytes) -> SelfCheck:
    try:
        return SelfCheck.model_validate_json(content)
    except ValidationError as error:
        fields = ", ".join(
            sorted({str(detail["loc"][0]) if detail["loc"] else "JSON" for detail in error.errors(include_input=False)})
        )
        fix = "Write it as the exchange standard says, and have it signed again."
        raise DeliveryRefused("unreadable_self_check", f"the self-check is not right in: {fields}", next_step=fix) from None
