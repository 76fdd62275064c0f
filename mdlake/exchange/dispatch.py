"""A package made at a producer's desk: described, held against all that the intake would refuse, sealed, signed; and sent.

Offline: nothing is needed but the configuration, the sender's key and the IT Centre's recipients. Not here: the check of the
statistics unit, which comes signed, and whether the intake knows the keys or accepted something before.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mdlake.config import Configuration
from mdlake.errors import DeliveryRefused, MdlakeError
from mdlake.exchange.agreement import place_of, require_agreed, require_begun, require_readable
from mdlake.exchange.descriptor import Descriptor
from mdlake.exchange.formats import Form, read_header
from mdlake.exchange.package import PACKAGE_SUFFIX, pack
from mdlake.exchange.self_check import SignedCheck
from mdlake.seals import Recipient, SigningKey
from mdlake.standard import Period, day_in_iran

__all__ = ["Consignment", "dispatch", "file_sha256", "send"]

_PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"


@dataclass(frozen=True)
class Consignment:
    """What a sender says of a delivery beside what the file itself shows.

    Attributes:
        dataset: `organization/dataset`.
        supersedes: the sequence of the accepted delivery that this one replaces; None for the first.
    """

    dataset: str
    period: str
    contract_version: str
    form: Form
    sequence: int = 1
    supersedes: int | None = None
    reporting_unit: str | None = None

    def descriptor(self, data: Path, rows: int) -> bytes:
        """The descriptor of a data file with so many rows: its columns, its size, its hash, and what is said here.

        Raises:
            DeliveryRefused: the header of the file cannot be read.
        """
        organization, _, dataset = self.dataset.partition("/")
        form = self.form
        resource = {
            "name": dataset,
            "path": data.name,
            "format": form.format,
            **({"encoding": form.encoding} if form.encoding else {}),
            **({"dialect": {"delimiter": form.delimiter}} if form.delimiter else {}),
            "bytes": data.stat().st_size,
            "hash": file_sha256(data),
            "schema": {"fields": [{"name": name, "type": "string"} for name in read_header(data, form)]},
        }
        said = {
            "organization": organization,
            "dataset": dataset,
            "period": self.period,
            **({"reporting_unit": self.reporting_unit} if self.reporting_unit else {}),
            "contract_version": self.contract_version,
            "declared_rows": rows,
            "sequence": self.sequence,
            "supersedes": self.supersedes,
        }
        whole = {"$schema": _PROFILE, "name": data.stem, "resources": [resource], "mdlake": said}
        return json.dumps(whole, ensure_ascii=False, indent=2).encode()


def dispatch(
    configuration: Configuration,
    descriptor: bytes,
    data: Path,
    self_check: SignedCheck,
    folder: Path,
    recipients: Sequence[Recipient],
    key: SigningKey,
    at: datetime,
) -> Path:
    """Pack a delivery into a folder, and return the package; its signature lies beside it.

    Args:
        at: the moment of packing, with a time zone; a period that begins later is none of which anybody can deliver.

    Raises:
        DeliveryRefused: the intake would refuse it: for what the descriptor says, for the file, or for the self-check.
        SealError: a package of this name is there already.
    """
    read = Descriptor.parse(descriptor, data.with_suffix(".json").name)
    said, resource = read.mdlake, read.resource
    contract = require_agreed(configuration, read)
    where = place_of(read.key, said.period, said.reporting_unit)
    require_begun(Period.parse(said.period), day_in_iran(at), where)
    if said.supersedes is not None and said.supersedes >= said.sequence:
        what, fix = f"sequence {said.sequence} cannot replace {said.supersedes}", f"Number it {said.supersedes + 1} or higher."
        raise DeliveryRefused("older_sequence", what, where=where, next_step=fix)
    if (data.name, data.stat().st_size, file_sha256(data)) != (resource.path, resource.bytes, resource.hash):
        fix = "Write the descriptor from the file that is sent."
        raise DeliveryRefused("hash_mismatch", "the file is not the one that was described", where=where, next_step=fix)
    self_check.require_of(read)
    require_readable(read, contract, data)
    package = folder / f"{data.stem}{PACKAGE_SUFFIX}"
    pack(package, data, descriptor, self_check.content, self_check.signature, recipients, key)
    return package


def send(package: Path, folder: Path) -> Path:
    """Copy a package into a folder, such as one that leads to the landing, and return what arrived there.

    Each of its two files has its name only when all of it is there and was read again; the signature comes last, for with it
    the package is complete.

    Raises:
        MdlakeError: it is no package with its signature, something of its name is there already, or it arrived damaged.
    """
    signature = package.with_name(f"{package.name}.sig")
    if not package.name.endswith(PACKAGE_SUFFIX) or not package.is_file() or not signature.is_file():
        fix = f"Give a file that ends in {PACKAGE_SUFFIX}, its .sig beside it: mdlake deliver pack makes both."
        raise MdlakeError("this is no package with its signature", where=str(package), next_step=fix)
    if not folder.is_dir():
        raise MdlakeError("there is no such folder", where=str(folder), next_step="Ask the IT Centre for the way in.")
    for file in (package, signature):
        if os.path.lexists(folder / file.name):
            fix = "Wait for its receipt. What is new has a package of another name."
            raise MdlakeError("a file of this name is on its way already", where=str(folder / file.name), next_step=fix)
    for file in (package, signature):
        _copy(file, folder / file.name)
    return folder / package.name


def _copy(file: Path, target: Path) -> None:
    unfinished = target.with_name(f"{target.name}.part")
    try:
        with file.open("rb") as source, unfinished.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
        if file_sha256(unfinished) != file_sha256(file):
            fix = "Look after the disk or the network on the way, and send it again."
            raise MdlakeError("what arrived is not what was sent", where=str(target), next_step=fix)
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """The hash of a file as a descriptor writes it."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
