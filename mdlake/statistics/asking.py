"""One question in SQL and its answer. Here: what may be asked, and which part of the engine's complaint may be told.

A complaint about the question (a misspelt name, a bracket too few) repeats the question only. One about a value may repeat
the value, so of that only its kind is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mdlake.errors import MdlakeError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, Error, Statement

__all__ = ["Answer", "ask"]


@dataclass(frozen=True)
class Answer:
    """Rows in the order of the question; `is_cut` where there were more than asked for."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    is_cut: bool


def ask(
    connection: DuckDBPyConnection, sql: str, parameters: Mapping[str, str] | None = None, most_rows: int | None = None
) -> Answer:
    """The answer to one SELECT.

    Args:
        parameters: values of the question's `$name`s.
        most_rows: rows to return at most; all, if None.

    Raises:
        MdlakeError: not one SELECT, a parameter without value or a value without parameter, or the engine's complaint.
    """
    import duckdb  # noqa: PLC0415 - see test_architecture: importing a module loads no engine

    statement = _one_select(connection, sql)
    given = dict(parameters or {})
    for name in sorted(statement.named_parameters ^ set(given)):
        missing = name in statement.named_parameters
        raise MdlakeError(
            f"${name} has no value" if missing else f"${name} does not occur",
            where="the question",
            next_step="Give it, or write it into the question." if missing else "Use it, or do not give it.",
        )
    try:
        result = connection.execute(statement, given)
        columns = tuple(column[0] for column in result.description or ())
        rows = result.fetchall() if most_rows is None else result.fetchmany(most_rows + 1)
    except duckdb.Error as error:
        raise _told_of(error) from None
    is_cut = most_rows is not None and len(rows) > most_rows
    return Answer(columns, tuple(rows[:most_rows]), is_cut)


def _one_select(connection: DuckDBPyConnection, sql: str) -> Statement:
    """The only statement of a text; only a SELECT (also SHOW, DESCRIBE, SUMMARIZE) may be asked.

    Raises:
        MdlakeError: it is none, more than one, or changes something.
    """
    import duckdb  # noqa: PLC0415 - as above

    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise _told_of(error) from None
    if len(statements) != 1:
        count = len(statements)
        raise MdlakeError(f"{count} statements where one is expected", where="the question", next_step="Ask one at a time.")
    (statement,) = statements
    if statement.type != duckdb.StatementType.SELECT:
        raise MdlakeError(
            f"{statement.type.name} is not allowed",
            where="the question",
            next_step="The warehouse is only read: ask with SELECT, DESCRIBE or SHOW TABLES.",
        )
    return statement


def _told_of(error: Error) -> MdlakeError:
    """The engine's complaint as far as it may be told."""
    import duckdb  # noqa: PLC0415 - as above

    about_the_question = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.PermissionException)
    if isinstance(error, about_the_question):
        complaint = str(error).partition("\n\nLINE ")[0].replace("\n", " ").strip()
        return MdlakeError(complaint.rstrip(".!"), where="the question", next_step="`mdlake sql --tables` shows what there is.")
    kind = type(error).__name__.removesuffix("Exception")
    if isinstance(error, duckdb.OutOfMemoryException):
        fix = "Ask for fewer periods or columns, or aggregate earlier."
    elif isinstance(error, duckdb.IOException):
        fix = "A file was replaced since the warehouse was opened: ask again."
    else:
        fix = "Look for a conversion or a subquery that does not hold for every row (`try_cast` gives null instead)."
    return MdlakeError(
        f"the engine stopped ({kind}); its text is held back because it may hold data", where="the question", next_step=fix
    )
