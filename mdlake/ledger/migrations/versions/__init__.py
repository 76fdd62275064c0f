"""The Alembic revisions of the ledger; Alembic reads them by file, and nothing else imports them."""

from __future__ import annotations

__all__: list[str] = []
