"""The boundary to the orchestrator: what a person can mend is told in full, a defect is told without any value.

The text of a foreign exception may hold a cell value (a parser shows what it could not read), and Dagster stores the text,
the cause and the context of whatever is raised. So nothing but our own messages passes here.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from mdlake.errors import GateRefused, MdlakeError

__all__ = ["told"]


@contextmanager
def told() -> Iterator[None]:
    """Turn any exception of a step into a `dagster.Failure` that may be shown to everybody."""
    try:
        yield
        return
    except MdlakeError as error:
        description = str(error)
        metadata: dict[str, str | dg.TableMetadataValue] = {
            "what": error.what,
            "where": error.where or "-",
            "next_step": error.next_step or "-",
        }
        if isinstance(error, GateRefused) and error.missing:
            metadata["missing"] = _table(error.missing)
    except Exception as error:  # noqa: BLE001 - the boundary: see the module
        frames = traceback.extract_tb(error.__traceback__)
        places = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames[-6:]]
        description = (
            f"a defect of the system ({type(error).__name__}); its text is held back because it may hold data. "
            f"Report it with these places: {' → '.join(places)}"
        )
        metadata = {"what": type(error).__name__, "where": " → ".join(places), "next_step": "report the defect"}
    failure = dg.Failure(description, metadata=metadata, allow_retries=False)
    try:
        raise failure from None
    finally:
        # whatever is raised while `with` hands an exception over takes that one along as its context
        failure.__context__ = None


def _table(missing: Sequence[tuple[str, str, str]]) -> dg.TableMetadataValue:
    """What is missing, who must act, what to run next: a row for each thing."""
    return dg.MetadataValue.table([dg.TableRecord({"missing": what, "who": who, "next": then}) for what, who, then in missing])
