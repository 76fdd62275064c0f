"""What a decision refers to as it is now: contract versions, a document, another decision, each with its hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from mdlake.config import Configuration
from mdlake.errors import DecisionRefused, UnknownName
from mdlake.steps.house import House

__all__ = ["contract_marks", "document_mark", "withdrawal_mark"]


def contract_marks(configuration: Configuration, names: Iterable[str]) -> list[dict[str, str]]:
    """Contract versions named `organization/dataset@version`, or all versions of `organization/dataset`.

    Raises:
        UnknownName: there is no such dataset or version.
    """
    marks = []
    for name in names:
        key, _, version = name.partition("@")
        dataset = configuration.dataset(key)
        chosen = [contract for contract in dataset.versions if version in ("", contract.version)]
        if not chosen:
            raise UnknownName("contract version", version, [contract.version for contract in dataset.versions], where=key)
        marks += [{"dataset": key, "version": c.version, "sha256": dataset.standard_sha256(c)} for c in chosen]
    return marks


def document_mark(path: Path, version: str | None) -> dict[str, str]:
    """A document by the name of its file and its hash.

    Raises:
        DecisionRefused: its version is not said.
    """
    if not version:
        raise DecisionRefused("the version of the document is missing", where=str(path), next_step="Add --document-version.")
    name = re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_")
    return {"name": name, "version": version, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def withdrawal_mark(house: House, decision_id: str) -> dict[str, str]:
    """An accepted decision that is to be withdrawn.

    Raises:
        DecisionRefused: none of that id was accepted.
    """
    accepted = house.ledger.decisions.get(decision_id)
    if accepted is None:
        raise DecisionRefused("no such decision was accepted", where=decision_id, next_step="See `mdlake decide list`.")
    return {"id": decision_id, "sha256": accepted.sha256}
