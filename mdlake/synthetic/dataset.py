"""What a dataset of the synthetic ministry is: a month's records as pages, its contract, hands and defects.

One subclass per dataset, in the module of its producer. Files and ground truth are in `delivery`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from mdlake.synthetic.defects import Defect
from mdlake.synthetic.handwriting import Habit
from mdlake.synthetic.page import Page, PlantedCanaries

__all__ = ["Contract", "Dataset"]


@dataclass(frozen=True)
class Contract:
    """The version agreed on for a period, and its columns in order, canonical name to header."""

    version: str
    headers: Mapping[str, str]


class Dataset(ABC):
    """A dataset that a producer delivers."""

    key: str
    """organization/dataset."""
    byte_order_mark: bool
    habits: tuple[Habit, ...]
    defects: tuple[Defect, ...]

    @abstractmethod
    def contract(self, period: str) -> Contract:
        """The contract of a period, written YYYY-MM."""

    @abstractmethod
    def size(self, month: int) -> int:
        """How many records the month has before defects; `month` is a running month number."""

    @abstractmethod
    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Records `begin` to `end` (not included) of the month, with the canaries in their rows."""
