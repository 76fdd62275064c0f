"""What the research room has to publish: partitions whose pseudonymized content passed and is not published yet."""

from __future__ import annotations

from mdlake.ledger import Verdict
from mdlake.steps.house import House

__all__ = ["handover_due"]


def handover_due(house: House) -> tuple[Verdict, ...]:
    """The pseudonymized verdicts that wait for publication; read from the ledger alone."""
    published = {
        (verdict.organization, verdict.dataset, verdict.period): verdict.inputs.get("pseudonymized")
        for verdict in house.ledger.latest_verdicts("published")
    }
    return tuple(
        verdict
        for verdict in house.ledger.latest_verdicts("pseudonymized")
        if verdict.outcome != "refused"
        and f"{verdict.organization}/{verdict.dataset}" in house.configuration.datasets
        and published.get((verdict.organization, verdict.dataset, verdict.period)) != verdict.content_id
    )
