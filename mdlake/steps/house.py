"""One installation as a step sees it: configuration, zones, ledger, gate, keys and clock, from one room.

The research room has no way to the secure zone, the landing or the keys: asking for them raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

from mdlake.config import Configuration, Contract, Dataset, Home, load_configuration
from mdlake.errors import MdlakeError
from mdlake.exchange import RECEIPT_NAMESPACE, Intake, Landing
from mdlake.governance import Gate, Passage, Register
from mdlake.lake import Retention, Table, Zone
from mdlake.layers import layer_order
from mdlake.ledger import Ledger
from mdlake.principles import RULES, rules_version
from mdlake.pseudonyms import InProcessKeyedHash, KeyedHash, KeyFile, KeyUse
from mdlake.seals import generate_identity, generate_signing_key, load_identity, load_signing_key, read_owner_only
from mdlake.standard import Period

__all__ = [
    "BATCH_ROWS",
    "CHECKPOINT_KEY",
    "KEY_FILE",
    "LAYER_BELOW",
    "RECIPIENTS",
    "House",
    "Room",
    "Run",
    "house_of",
    "open_house",
    "prepare",
]

Room = Literal["secure", "research"]

BATCH_ROWS = 1_200_000
"""Rows in memory at a time, and in one Parquet file."""

LAYER_BELOW = {"standardized": "raw", "pseudonymized": "standardized", "published": "pseudonymized"}
_ZONE_OF = {
    "raw": "secure",
    "standardized": "secure",
    "quarantine": "secure",
    "pseudonymized": "research",
    "published": "research",
}
KEY_FILE = "keyring.json"
CHECKPOINT_KEY, RECEIPT_KEY, INTAKE_IDENTITY = "checkpoint_ed25519", "receipt_ed25519", "intake_age"
RECIPIENTS = "recipients"
"""In `control/`: what producers encrypt to."""
_REVOKED_KEYS = "# Keys of which no signature counts, a line each: keytype base64-key revoked-at=YYYYMMDDHHMMSSZ\n"


@dataclass(frozen=True)
class Run:
    """On whose behalf a step works: the run's id goes into commits, verdicts and the audit."""

    run_id: str


@dataclass(frozen=True)
class House:
    """See the module. `now` is the only clock of the steps."""

    home: Home
    configuration: Configuration
    room: Room
    ledger: Ledger
    gate: Gate
    now: Callable[[], datetime]

    def zone(self, name: str) -> Zone:
        """A zone's tables.

        Raises:
            MdlakeError: the research room asks for the secure zone.
        """
        self._require_right(name == "secure", f"the {name} zone")
        retention = self.configuration.standard.zones[name]  # type: ignore[index]
        return Zone(
            name,
            self.home.zone(name),
            Retention(retention.log_retention_days, retention.file_retention_days),
        )

    def table(self, layer: str, dataset: Dataset, contract: Contract) -> Table:
        """The table of a layer (or of the `quarantine`) of a dataset."""
        return self.zone(_ZONE_OF[layer]).table(layer, dataset.key, layer_order(contract, layer))

    @property
    def landing(self) -> Landing:
        """The landing; only the secure room has it."""
        self._require_right(True, "the landing")
        return Landing(self.home.landing, self.configuration, self.ledger)

    @property
    def intake(self) -> Intake:
        """The intake of packages, with the lists of keys as they are now; only the secure room has it.

        Raises:
            KeyRefused: a key of the intake is missing, or others can read it.
            SealError: a list of keys cannot be used.
        """
        keys, lists = self.home.keys, self.register.keys
        identity, receipts = load_identity(keys / INTAKE_IDENTITY), load_signing_key(keys / RECEIPT_KEY)
        return Intake(self.landing, self.home.outbox, identity, receipts, lists.allowed, lists.revoked, self.gate)

    @cached_property
    def keyed_hash(self) -> KeyedHash:
        """The keyed hash; only the secure room has it. Every use becomes an entry of the audit log."""
        self._require_right(True, "the keys")

        def report(use: KeyUse) -> None:
            details = {"path": use.path, "epoch": use.epoch, "count": use.count, "run": use.run}
            self.ledger.audit.append("mdlake", "key.used", details, self.now())

        return InProcessKeyedHash(KeyFile(self.home.keys / KEY_FILE), report)

    def secret(self, name: str) -> bytes:
        """The content of an owner-only file below `keys/`; only the secure room has it.

        Raises:
            KeyRefused: it is missing, or others can read it.
        """
        self._require_right(True, "the keys")
        return read_owner_only(self.home.keys / name)

    @property
    def register(self) -> Register:
        """The decisions of offices; both rooms read them."""
        return self.gate.register

    def passage(self, layer: str, dataset: Dataset, contract: Contract, period: Period) -> Passage:
        """The wish to make a layer of a partition from the layer below as it is now."""
        state = self.table(LAYER_BELOW[layer], dataset, contract).state(period.key)
        return self.passage_of(layer, dataset, contract, period, state.content_id if state else None)

    def passage_of(self, layer: str, dataset: Dataset, contract: Contract, period: Period, content_id: str | None) -> Passage:
        """The wish to make a layer of a partition from a content of the layer below."""
        organization = self.configuration.organizations[dataset.organization]
        return Passage(
            layer=layer,
            source=LAYER_BELOW[layer],
            organization=dataset.organization,
            dataset=dataset.name,
            period=period,
            periodicity=dataset.file.periodicity,
            content_id=content_id,
            rule_version=rules_version(contract),
            contract_version=contract.version,
            standard_sha256=dataset.standard_sha256(contract),
            producer=organization.label.en,
        )

    def _require_right(self, secure: bool, what: str) -> None:
        if secure and self.room != "secure":
            raise MdlakeError(
                f"the research room has no right on {what}",
                where="house",
                next_step="Run this step in the secure code location.",
            )


def open_house(home: Home, room: Room, now: Callable[[], datetime]) -> House:
    """The house of an installation, seen from a room. Connects to nothing and reads nothing but the configuration.

    Raises:
        ConfigurationError: the configuration has problems.
    """
    return house_of(home, load_configuration(home.config, RULES), room, now)


def house_of(home: Home, configuration: Configuration, room: Room, now: Callable[[], datetime]) -> House:
    """The house of an installation with a configuration that was read already."""
    ledger = Ledger(home.ledger_url)
    gate = Gate(ledger, Register(home, configuration, ledger), now)
    return House(home, configuration, room, ledger, gate, now)


def prepare(home: Home, now: datetime) -> tuple[str, ...]:
    """Make the folders, the ledger and the keys of an installation where they are missing; what is there stays.

    Returns:
        What was made, in words.

    Raises:
        KeyRefused: there is a key file that others can read.
    """
    made = []
    folders = [
        (home.root, 0o755),
        (home.control, 0o700),
        (home.control / "decisions", 0o700),
        (home.landing, 0o700),
        (home.outbox, 0o700),
        (home.keys, 0o700),
        (home.keys / "alerts", 0o700),
    ]
    folders += [(Path(url), mode) for url, mode in ((home.secure, 0o700), (home.research, 0o750)) if "://" not in url]
    for folder, mode in folders:
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=mode)
            made.append(str(folder))
    Ledger(home.ledger_url).upgrade()
    key_file = KeyFile(home.keys / KEY_FILE)
    if key_file.path.exists():
        key_file.read()
    else:
        key_file.create(now.isoformat())
        made.append(str(key_file.path))
    revoked = home.control / "revoked_keys"
    if not revoked.exists():
        revoked.write_text(_REVOKED_KEYS, encoding="ascii")
    services = ((CHECKPOINT_KEY, "checkpoints", "mdlake-checkpoint"), (RECEIPT_KEY, "receipts", RECEIPT_NAMESPACE))
    made += [str(home.keys / name) for name, who, space in services if _make_service_key(home, name, who, space)]
    identity = home.keys / INTAKE_IDENTITY
    if not identity.exists():
        recipients = generate_identity(identity).recipients
        (home.control / RECIPIENTS).write_text("".join(f"{recipient}\n" for recipient in recipients), encoding="ascii")
        made.append(str(identity))
    return tuple(made)


def _make_service_key(home: Home, name: str, principal: str, namespace: str) -> bool:
    """Make a key with which the system itself signs, and write down whose it is; whether it was missing."""
    if (home.keys / name).exists():
        return False
    key = generate_signing_key(home.keys / name, principal)
    with (home.control / "allowed_signers").open("a", encoding="ascii") as allowed:
        allowed.write(f'{principal} namespaces="{namespace}" {key.public_line}\n')
    return True
