"""A producer with its keys: packs what the synthetic ministry delivers, as its IT unit and its statistics unit would."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdlake.config import DELIVERY_NAMESPACE, SELF_CHECK_NAMESPACE, sender, statistics_unit
from mdlake.exchange import pack
from mdlake.governance import rehearsal_folder
from mdlake.seals import Recipient, SigningKey, generate_signing_key, load_signing_key, read_recipients, sign
from mdlake.steps import RECIPIENTS, House, SyntheticProducers
from mdlake.synthetic import DeliveredFile

__all__ = ["Producer", "send_unchecked"]


@dataclass
class Producer:
    """One organization's two desks."""

    organization: str
    sender_key: SigningKey
    unit_key: SigningKey

    @classmethod
    def founded(cls, organization: str, keys: Path) -> Producer:
        """A producer with new keys in a folder."""
        made = (generate_signing_key(keys / f"{desk}-{organization}", desk) for desk in ("sender", "unit"))
        return cls(organization, *made)

    @classmethod
    def of_rehearsal(cls, organization: str, house: House) -> Producer:
        """A producer with the keys of the rehearsal, which are made where they are missing."""
        SyntheticProducers(house)
        folder = rehearsal_folder(house.home)
        desks = (load_signing_key(folder / desk(organization)) for desk in (sender, statistics_unit))
        return cls(organization, *desks)

    @property
    def allowed_lines(self) -> str:
        """What the IT Centre writes down of it."""
        lines = (
            (sender(self.organization), DELIVERY_NAMESPACE, self.sender_key),
            (statistics_unit(self.organization), SELF_CHECK_NAMESPACE, self.unit_key),
        )
        return "".join(f'{name} namespaces="{space}" {key.public_line}\n' for name, space, key in lines)

    def pack(self, file: DeliveredFile, folder: Path, recipients: tuple[Recipient, ...], **changed: object) -> Path:
        """The package of a delivery, written to a folder under the name of the delivery.

        Args:
            changed: properties of the descriptor that are other than the ministry wrote them.
        """
        descriptor = json.loads(file.descriptor_path.read_text(encoding="utf-8"))
        descriptor["mdlake"].update(changed)
        return self.pack_as(descriptor, file.csv_path, folder, recipients)

    def pack_as(self, descriptor: dict[str, Any], data: Path, folder: Path, recipients: tuple[Recipient, ...]) -> Path:
        """The package of a data file with whatever a descriptor says; the self-check says the same."""
        said = descriptor["mdlake"]
        names = ("organization", "dataset", "period", "reporting_unit", "contract_version")
        check = {name: said[name] for name in names if said.get(name) is not None}
        check |= {"format": "mdlake-self-check/1", "rows": said["declared_rows"], "hash": descriptor["resources"][0]["hash"]}
        content = json.dumps(check).encode()
        signature = sign(content, self.unit_key, SELF_CHECK_NAMESPACE)
        package = folder / f"{data.stem}.tar.age"
        pack(package, data, json.dumps(descriptor).encode(), content, signature, recipients, self.sender_key)
        return package


def send_unchecked(house: House, *descriptors: Path) -> None:
    """Have deliveries sent as they are written, by a program that checks nothing; each descriptor lies beside its data file."""
    recipients = read_recipients((house.home.control / RECIPIENTS).read_text(encoding="ascii"), RECIPIENTS)
    producers: dict[str, Producer] = {}
    for path in descriptors:
        descriptor = json.loads(path.read_text(encoding="utf-8"))
        name = descriptor["mdlake"]["organization"]
        producer = producers.setdefault(name, producers.get(name) or Producer.of_rehearsal(name, house))
        folder = house.home.landing / name
        folder.mkdir(mode=0o700, exist_ok=True)
        producer.pack_as(descriptor, path.with_name(descriptor["resources"][0]["path"]), folder, recipients)
