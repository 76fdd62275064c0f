"""Where everything that a run writes has its place: one root, `MDLAKE_HOME`, each part of it movable.

The parts of the lake may be object store URLs; landing, keys and control are folders of this machine. Nothing here
creates a folder: `prepare` of the command does, because who may read it is decided at that moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mdlake.errors import MdlakeError

__all__ = ["Home"]


@dataclass(frozen=True)
class Home:
    """The places of one installation.

    Attributes:
        secure, research: root of a zone's tables, a path or an URL such as ``s3://bucket/research``.
        ledger_url: URL of the control records, in SQLite or PostgreSQL; the ledger refuses one with a password.
    """

    root: Path
    config: Path
    landing: Path
    outbox: Path
    keys: Path
    control: Path
    dagster: Path
    secure: str
    research: str
    ledger_url: str

    @property
    def scratch(self) -> Path:
        """Pieces of partitions that are too large for memory; of this machine even where the secure zone is not."""
        return self.root / "secure" / ".scratch"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Home:
        """The home that `MDLAKE_HOME` (default `./.mdlake`) names, each part overridable by its own variable.

        `MDLAKE_CONFIG`, `MDLAKE_LANDING`, `MDLAKE_OUTBOX`, `MDLAKE_KEYS`, `MDLAKE_CONTROL`, `MDLAKE_SECURE`,
        `MDLAKE_RESEARCH`, `MDLAKE_LEDGER` move one part.

        Raises:
            MdlakeError: a part that must be a folder of this machine is given as an URL, or the ledger's password is in the
                environment.
        """
        root = Path(environment.get("MDLAKE_HOME", ".mdlake")).absolute()

        def place(variable: str, default: Path) -> Path:
            text = environment.get(variable)
            if text and "://" in text:
                raise MdlakeError("must be a folder of this machine", where=variable, next_step="Give a path.")
            return Path(text).absolute() if text else default

        def zone(variable: str, default: Path) -> str:
            text = environment.get(variable)
            return text.rstrip("/") if text and "://" in text else str(Path(text).absolute() if text else default)

        control = place("MDLAKE_CONTROL", root / "control")
        ledger_url = environment.get("MDLAKE_LEDGER", f"sqlite:///{control / 'ledger.db'}")
        if ledger_url.startswith("postgresql") and "PGPASSWORD" in environment:
            fix = "Unset it; let the server know the account, or keep the password in ~/.pgpass (docs/security.md)."
            raise MdlakeError("a password in the environment goes to every child process", where="PGPASSWORD", next_step=fix)
        return cls(
            root=root,
            config=place("MDLAKE_CONFIG", Path("assets_config").absolute()),
            landing=place("MDLAKE_LANDING", root / "landing"),
            outbox=place("MDLAKE_OUTBOX", root / "outbox"),
            keys=place("MDLAKE_KEYS", root / "keys"),
            control=control,
            dagster=place("DAGSTER_HOME", root / "dagster"),
            secure=zone("MDLAKE_SECURE", root / "secure"),
            research=zone("MDLAKE_RESEARCH", root / "research"),
            ledger_url=ledger_url,
        )

    def zone(self, name: str) -> str:
        """Root of the zone `secure` or `research`."""
        return {"secure": self.secure, "research": self.research}[name]

    def environment(self) -> dict[str, str]:
        """The variables that make a child process see the same home. None of them is a secret."""
        return {
            "MDLAKE_HOME": str(self.root),
            "MDLAKE_CONFIG": str(self.config),
            "MDLAKE_LANDING": str(self.landing),
            "MDLAKE_OUTBOX": str(self.outbox),
            "MDLAKE_KEYS": str(self.keys),
            "MDLAKE_CONTROL": str(self.control),
            "MDLAKE_SECURE": self.secure,
            "MDLAKE_RESEARCH": self.research,
            "MDLAKE_LEDGER": self.ledger_url,
            "DAGSTER_HOME": str(self.dagster),
        }
