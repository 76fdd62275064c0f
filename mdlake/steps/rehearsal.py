"""The producers of a rehearsal: their senders and statistics units, with all keys in one folder of the installation.

For a rehearsal only, as `governance.rehearsal`. What they send goes the way of every package.
"""

from __future__ import annotations

from pathlib import Path

from mdlake.config import sender, statistics_unit
from mdlake.exchange import Descriptor, dispatch
from mdlake.governance import SyntheticOffices, rehearsal_folder
from mdlake.seals import read_recipients
from mdlake.steps.house import RECIPIENTS, House

__all__ = ["SyntheticProducers"]


class SyntheticProducers:
    """All producers of a configuration; their keys are made and admitted where they are missing.

    Raises:
        DecisionRefused: one of them has a key that is not of a rehearsal.
    """

    def __init__(self, house: House) -> None:
        self._home = house.home
        self._offices = SyntheticOffices(house.register, rehearsal_folder(house.home))
        desks = [desk(name) for name in house.configuration.organizations for desk in (sender, statistics_unit)]
        self._offices.appoint(house.now(), desks)

    def send(self, descriptor: Path) -> Path:
        """Pack a delivery, put the package into the landing of its organization, and return it.

        Args:
            descriptor: its file; the data file lies beside it.
        """
        organization = Descriptor.read(descriptor).mdlake.organization
        folder = self._home.landing / organization
        folder.mkdir(mode=0o700, exist_ok=True)
        recipients = read_recipients((self._home.control / RECIPIENTS).read_text("ascii"), RECIPIENTS)
        sender_key, unit_key = (self._offices.key(desk(organization)) for desk in (sender, statistics_unit))
        return dispatch(descriptor, folder, recipients, sender_key, unit_key)
