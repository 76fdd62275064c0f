"""The ledger: control records in SQL, which say what came, what was found, and who did what.

Here: packages, deliveries, verdicts, month closes, accepted decisions, the outbox of messages to people, and the hash-chained
audit log with its signed checkpoints, in SQLite or PostgreSQL. Not here: microdata of any kind; a record holds counts, names,
codes, content ids and partition keys only.
"""

from __future__ import annotations

from mdlake.ledger.alerts import AlertEvent, AlertMessage, AlertOutbox, Subscription
from mdlake.ledger.audit import AuditEntry, AuditLog, AuditReport, Checkpoint
from mdlake.ledger.records import AcceptedDecision, Delivery, MonthClose, Package, Submission, Verdict
from mdlake.ledger.store import Ledger

__all__ = [
    "AcceptedDecision",
    "AlertEvent",
    "AlertMessage",
    "AlertOutbox",
    "AuditEntry",
    "AuditLog",
    "AuditReport",
    "Checkpoint",
    "Delivery",
    "Ledger",
    "MonthClose",
    "Package",
    "Submission",
    "Subscription",
    "Verdict",
]
