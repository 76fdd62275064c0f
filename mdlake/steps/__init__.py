"""The steps of the way: each makes one layer of one dataset-month, or judges it. What reads, transforms, writes and records.

Here meet the pure layers and rules, the lake, the ledger, the gate and the keys. Not here: Dagster, which only wraps
these steps, and the command.
"""

from __future__ import annotations

from mdlake.steps.arrivals import Arrival, arrivals
from mdlake.steps.delivery_calendar import (
    DELIVERY_STATES,
    DeliveryStanding,
    behind_calendar,
    delivery_counts,
    delivery_standings,
)
from mdlake.steps.handover import handovers, unexcepted_periods
from mdlake.steps.house import CHECKPOINT_KEY, KEY_FILE, LAYER_BELOW, RECIPIENTS, House, Room, Run, house_of, open_house, prepare
from mdlake.steps.judge import Judgement, failure_text, judge, worst_part
from mdlake.steps.made import Made
from mdlake.steps.maintenance import Maintained, maintain
from mdlake.steps.marks import contract_marks, document_mark, withdrawal_mark
from mdlake.steps.month_close import MonthStanding, close_month, month_standing, months_to_close
from mdlake.steps.packages import receive_packages, waiting_mark
from mdlake.steps.pseudonymized import make_pseudonymized
from mdlake.steps.published import make_published
from mdlake.steps.raw import make_raw
from mdlake.steps.rehearsal import SyntheticProducers
from mdlake.steps.standardized import make_standardized
from mdlake.steps.status import PartitionStatus, chosen_partitions, due_partitions, partition_statuses

__all__ = [
    "CHECKPOINT_KEY",
    "DELIVERY_STATES",
    "KEY_FILE",
    "LAYER_BELOW",
    "RECIPIENTS",
    "Arrival",
    "DeliveryStanding",
    "House",
    "Judgement",
    "Made",
    "Maintained",
    "MonthStanding",
    "PartitionStatus",
    "Room",
    "Run",
    "SyntheticProducers",
    "arrivals",
    "behind_calendar",
    "chosen_partitions",
    "close_month",
    "contract_marks",
    "delivery_counts",
    "delivery_standings",
    "document_mark",
    "due_partitions",
    "failure_text",
    "handovers",
    "house_of",
    "judge",
    "maintain",
    "make_pseudonymized",
    "make_published",
    "make_raw",
    "make_standardized",
    "month_standing",
    "months_to_close",
    "open_house",
    "partition_statuses",
    "prepare",
    "receive_packages",
    "unexcepted_periods",
    "waiting_mark",
    "withdrawal_mark",
    "worst_part",
]
