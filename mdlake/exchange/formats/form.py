"""In which form a data file is declared to come: its format, its encoding, what separates its fields. Nothing is read here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mdlake.errors import MdlakeError

__all__ = ["DELIMITERS", "Encoding", "FileFormat", "Form"]

FileFormat = Literal["csv", "xlsx", "parquet", "dbf"]
Encoding = Literal["utf-8", "windows-1256", "iran-system"]

DELIMITERS = (",", ";", "\t", "|")

_ENCODINGS: dict[FileFormat, tuple[Encoding | None, ...]] = {
    "csv": ("utf-8", "windows-1256"),
    "dbf": ("windows-1256", "iran-system"),
    "xlsx": (None,),
    "parquet": (None,),
}


@dataclass(frozen=True)
class Form:
    """The declared form of a file.

    Attributes:
        encoding: of text, for the two formats that do not say it themselves.
        delimiter: what separates the fields of a CSV file.
    """

    format: FileFormat
    encoding: Encoding | None = None
    delimiter: str | None = None

    @classmethod
    def of_file(cls, name: str, encoding: Encoding | None, delimiter: str | None) -> Form:
        """The form of a file by the ending of its name, as far as nothing else is said: CSV is UTF-8, separated by commas.

        Raises:
            MdlakeError: there is no such format, or what is said does not go with it.
        """
        stem, _, suffix = name.lower().rpartition(".")
        if not stem or suffix not in _ENCODINGS:
            raise MdlakeError(
                "the name ends as no format does",
                where=name,
                next_step=f"Let it end in {', '.join(f'.{f}' for f in _ENCODINGS)}.",
            )
        is_csv = suffix == "csv"
        form = cls(suffix, encoding or ("utf-8" if is_csv else None), delimiter or ("," if is_csv else None))
        if problem := form.problem():
            raise MdlakeError(problem, where=name, next_step="Say it with --encoding and --delimiter.")
        return form

    def problem(self) -> str | None:
        """What does not go together, as a sentence without a full stop; None where all does."""
        allowed = _ENCODINGS[self.format]
        if self.encoding not in allowed:
            named = " or ".join(encoding for encoding in allowed if encoding)
            return f"a file of format {self.format} has {f'the encoding {named}' if named else 'no encoding to declare'}"
        if self.format == "csv" and self.delimiter not in DELIMITERS:
            return f"the fields of a csv file are separated by one of {', '.join(map(repr, DELIMITERS))}"
        if self.format != "csv" and self.delimiter is not None:
            return f"a file of format {self.format} has no delimiter to declare"
        return None

    @property
    def suffix(self) -> str:
        """The ending of the name of such a file, with its dot."""
        return f".{self.format}"
