"""The landing: what was accepted, where it lies and as what it is read. Taking something in is the intake's."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mdlake.config import Configuration, Contract
from mdlake.errors import MdlakeError
from mdlake.exchange.agreement import place_of, require_headers
from mdlake.exchange.descriptor import Descriptor
from mdlake.exchange.formats import Form, read_header
from mdlake.layers import HeaderMatch
from mdlake.ledger import Delivery, Ledger

__all__ = ["Landing", "locked"]


@dataclass(frozen=True)
class Landing:
    """The landing of one installation."""

    root: Path
    configuration: Configuration
    ledger: Ledger

    def path(self, delivery: Delivery) -> Path:
        """The data file of a recorded delivery; its descriptor lies beside it."""
        return self.root / delivery.organization / delivery.file_name

    def form(self, delivery: Delivery) -> Form:
        """As what the data file of an accepted delivery is to be read.

        Raises:
            MdlakeError: the descriptor that was kept beside it is gone.
            DeliveryRefused: it cannot be read.
        """
        descriptor = self.path(delivery).with_suffix(".json")
        if not descriptor.is_file():
            fix = "Restore accepted/ from the backup, or take the package in again."
            raise MdlakeError("the descriptor of an accepted delivery is gone", where=descriptor.name, next_step=fix)
        return Descriptor.read(descriptor).resource.form

    def headers(self, delivery: Delivery, contract: Contract, form: Form) -> HeaderMatch:
        """How the header line of a delivery fits the contract.

        Raises:
            DeliveryRefused: `missing_column`, `unknown_column`, `repeated_column`, or the file cannot be read.
        """
        place = place_of(f"{delivery.organization}/{delivery.dataset}", delivery.period, delivery.reporting_unit)
        return require_headers(read_header(self.path(delivery), form), contract, place)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One intake of an organization at a time; the lock ends with the process that holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
