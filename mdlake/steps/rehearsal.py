"""The producers of a rehearsal: their senders and statistics units, with all keys in one folder of the installation.

For a rehearsal only, as `governance.rehearsal`. What they send goes the way of every package.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from mdlake.config import sender, statistics_unit
from mdlake.exchange import Descriptor, FileCheck, SignedCheck, check_file, dispatch, require_agreed, send
from mdlake.governance import SyntheticOffices, rehearsal_folder
from mdlake.seals import read_recipients
from mdlake.standard import Period
from mdlake.steps.house import RECIPIENTS, House

__all__ = ["SyntheticProducers"]


class SyntheticProducers:
    """All producers of a configuration; their keys are made and admitted where they are missing.

    Attributes:
        keys: the folder of their keys, where they may also write what nobody else is to read.

    Raises:
        DecisionRefused: one of them has a key that is not of a rehearsal.
    """

    def __init__(self, house: House) -> None:
        self._home, self._configuration, self._now = house.home, house.configuration, house.now
        self.keys = rehearsal_folder(house.home)
        self._offices = SyntheticOffices(house.register, self.keys)
        desks = [desk(name) for name in house.configuration.organizations for desk in (sender, statistics_unit)]
        self._offices.appoint(house.now(), desks)

    def send(self, descriptor: Path) -> FileCheck:
        """Check a delivery, sign what was found, pack and send it to the landing of its organization; what was found.

        Args:
            descriptor: its file; the data file lies beside it.

        Raises:
            DeliveryRefused: the intake would refuse it, whatever its rows say.
        """
        read, configuration = Descriptor.read(descriptor), self._configuration
        said, data = read.mdlake, descriptor.with_name(read.resource.path)
        contract = require_agreed(configuration, read)
        period = Period.parse(said.period)
        check = check_file(data, read.resource.form, read.key, contract, period, said.reporting_unit)
        sender_key, unit_key = (self._offices.key(desk(said.organization)) for desk in (sender, statistics_unit))
        signed = SignedCheck.by(unit_key, check.self_check())
        recipients = read_recipients((self._home.control / RECIPIENTS).read_text("ascii"), RECIPIENTS)
        landing = self._home.landing / said.organization
        landing.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".sending-", dir=self.keys) as folder:
            content, at = descriptor.read_bytes(), self._now()
            send(dispatch(configuration, content, data, signed, Path(folder), recipients, sender_key, at), landing)
        return check
