"""Every error that mdlake raises on purpose. One small hierarchy, so that a caller can tell a person's mistake from a defect.

A message says what is wrong, where, and what to do next. It never holds a cell value: counts, names of columns, rule ids,
row numbers of the delivery and partition keys only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = [
    "ConfigurationError",
    "DecisionRefused",
    "DeliveryRefused",
    "GateRefused",
    "KeyRefused",
    "LakeError",
    "LandingBlocked",
    "LedgerError",
    "MdlakeError",
    "NotDelivered",
    "OtherRecipient",
    "PartitionBusy",
    "SealError",
    "UnknownName",
]


class MdlakeError(Exception):
    """Something a person can mend.

    Args:
        what: what is wrong, one sentence without a full stop.
        where: the file, dataset, period or column it is about.
        next_step: what to do, as a sentence or a command.
    """

    def __init__(self, what: str, *, where: str = "", next_step: str = "") -> None:
        self.what = what
        self.where = where
        self.next_step = next_step
        super().__init__(what, where, next_step)

    def __reduce__(self) -> tuple[object, ...]:
        # an exception's own pickling calls the class without keywords, which would hang a pool that passes it on
        return (_rebuilt, (type(self), dict(vars(self)), self.args))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.next_step}" if self.next_step else text


class UnknownName(MdlakeError):
    """A name (identifier type, rule, level, office, dataset) that nothing has; the message lists what exists."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, where: str = "") -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        super().__init__(
            f"there is no {kind} called {name!r}",
            where=where,
            next_step=f"Known: {', '.join(self.known) or 'none'}.",
        )


class ConfigurationError(MdlakeError):
    """The configuration cannot be used; `mdlake config check` lists every reason."""


class DecisionRefused(MdlakeError):
    """A decision cannot be drafted, signed or accepted as it is."""


class DeliveryRefused(MdlakeError):
    """A delivery is not taken in. `reason` is its code in the ledger, such as ``missing_column``."""

    def __init__(self, reason: str, what: str, *, where: str = "", next_step: str = "") -> None:
        self.reason = reason
        super().__init__(what, where=where, next_step=next_step)


class GateRefused(MdlakeError):
    """The gate did not let a partition pass; `missing` lists what is missing, who must act, what to run next."""

    missing: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def of(cls, what: str, missing: Sequence[tuple[str, str, str]], *, where: str) -> GateRefused:
        """The refusal with its list, one thing a line."""
        lines = [f"  {number}. {thing}. Who: {who}. Next: {then}" for number, (thing, who, then) in enumerate(missing, start=1)]
        count = "one thing is" if len(missing) == 1 else f"{len(missing)} things are"
        refused = cls(f"{what}; {count} missing:\n" + "\n".join(lines), where=where)
        refused.missing = tuple((thing, who, then) for thing, who, then in missing)
        return refused


class PartitionBusy(MdlakeError):
    """A partition is being run by somebody else."""


class KeyRefused(MdlakeError):
    """A key is missing, malformed, or readable by someone other than its owner."""


class SealError(MdlakeError):
    """A signature or an encryption does not hold, or cannot be made."""


class OtherRecipient(SealError):
    """What was encrypted is for somebody else."""


class NotDelivered(MdlakeError):
    """A message to a person was not taken by the server of its channel.

    `for_good`: trying again changes nothing; `of_channel`: it is the same for every message of the channel.
    """

    def __init__(
        self, what: str, *, where: str = "", next_step: str = "", for_good: bool = False, of_channel: bool = False
    ) -> None:
        self.for_good, self.of_channel = for_good, of_channel
        super().__init__(what, where=where, next_step=next_step)


class LandingBlocked(MdlakeError):
    """A package cannot be taken in for a reason that is not its sender's, and stays where it is."""


class LakeError(MdlakeError):
    """A table cannot be read or a partition cannot be written."""


class LedgerError(MdlakeError):
    """The control records are missing, of another version, or were tampered with."""


def _rebuilt(kind: type[MdlakeError], values: dict[str, object], args: tuple[object, ...]) -> MdlakeError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(values)
    return error
