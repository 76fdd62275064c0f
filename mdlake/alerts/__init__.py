"""Late, refused and failed things reach a person: what is told, to whom, in which words, and through which channel.

Everything told is derived from the ledger and from the runs that failed, and written into the ledger's outbox before it leaves.
Not here: Dagster, which only says which runs failed, and microdata of any kind.
"""

from __future__ import annotations

from mdlake.alerts.events import RunFailure
from mdlake.alerts.message import as_email, as_json
from mdlake.alerts.sending import Attempt, FailedRuns, Round, tell, try_channels
from mdlake.alerts.wording import counted

__all__ = ["Attempt", "FailedRuns", "Round", "RunFailure", "as_email", "as_json", "counted", "tell", "try_channels"]
