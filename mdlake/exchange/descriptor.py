"""The descriptor that comes with a delivery: Data Package v2 with the ministry's own properties. Here: its form only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mdlake.errors import DeliveryRefused
from mdlake.exchange.formats import Encoding, FileFormat, Form

__all__ = ["Descriptor"]

_FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.(csv|xlsx|parquet|dbf)$")]
_Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,63}$")]
_Number = Annotated[int, Field(ge=0, lt=2**63)]
_NEXT_STEP = "Write the descriptor as docs/exchange-standard.md says, and send again."


class _Part(BaseModel):
    """Unknown properties are allowed in a descriptor: Data Package v2 has many that we do not read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Dialect(_Part):
    delimiter: str = ","


class _Field(_Part):
    name: str


class _Table(_Part):
    """The Table Schema of the file: what columns are is the contract's to say, so that of a field only its name is read."""

    fields: tuple[_Field, ...] = Field(min_length=1)


class _Resource(_Part):
    path: _FileName
    format: FileFormat
    encoding: Encoding | None = None
    dialect: _Dialect | None = None
    bytes: _Number
    hash: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    table: _Table = Field(alias="schema")

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the file's columns, in its order."""
        return tuple(field.name for field in self.table.fields)

    @property
    def form(self) -> Form:
        """As what the file is to be read; Data Package says what a CSV file is that does not say it."""
        if self.format == "csv":
            return Form("csv", self.encoding or "utf-8", (self.dialect or _Dialect()).delimiter)
        return Form(self.format, self.encoding, self.dialect.delimiter if self.dialect else None)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.form.problem() or not self.path.endswith(self.form.suffix):
            raise ValueError("format, encoding, dialect and the ending of the name do not go together")
        return self


class _Properties(_Part):
    organization: _Word
    dataset: _Word
    period: _Word
    contract_version: _Word
    reporting_unit: _Word | None = None
    declared_rows: _Number
    sequence: int = Field(ge=1, lt=2**31)
    supersedes: int | None = Field(default=None, ge=1, lt=2**31)


class Descriptor(_Part):
    """What a sender says of one delivery."""

    name: str
    resources: tuple[_Resource, ...] = Field(min_length=1, max_length=1)
    mdlake: _Properties

    @classmethod
    def read(cls, path: Path) -> Descriptor:
        """Read a descriptor.

        Raises:
            DeliveryRefused: `unreadable_descriptor`; the message names the fields that are wrong, not what they hold.
        """
        if path.is_symlink():
            raise DeliveryRefused(
                "unreadable_descriptor", "the descriptor is a link", where=path.name, next_step="Send the file itself."
            )
        return cls.parse(path.read_bytes(), path.name)

    @classmethod
    def parse(cls, content: bytes, where: str) -> Descriptor:
        """The descriptor in a file called `where`, or `DeliveryRefused` as `read`."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            fields = sorted({_field(detail) for detail in error.errors(include_input=False, include_url=False)})
            raise DeliveryRefused(
                "unreadable_descriptor",
                f"the descriptor is not right in: {', '.join(fields)}",
                where=where,
                next_step=_NEXT_STEP,
            ) from None

    @property
    def resource(self) -> _Resource:
        """The one data file."""
        return self.resources[0]

    @property
    def key(self) -> str:
        """`organization/dataset`."""
        return f"{self.mdlake.organization}/{self.mdlake.dataset}"


def _field(detail: Any) -> str:
    return ".".join(str(part) for part in detail["loc"]) or "the file as a whole (no JSON object)"
