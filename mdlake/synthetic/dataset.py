"""What a dataset of the synthetic ministry is: a month's records as pages, its contract, hands and defects.

One subclass per dataset, in the module of its producer. Files and ground truth are in `delivery`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from mdlake.errors import ConfigurationError
from mdlake.synthetic.calendar import Periodicity
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
    periodicity: Periodicity = "month"
    reporting_units: tuple[str, ...] = ()
    """Codes of the units that each send a file of their own; none where the organization sends one for all."""
    byte_order_mark: bool
    habits: tuple[Habit, ...]
    defects: tuple[Defect, ...]

    def reported_by(self, unit: str) -> Dataset:
        """The dataset as one reporting unit has it: `size` and `page` tell of its records alone.

        Raises:
            ConfigurationError: the dataset has no reporting units.
        """
        raise ConfigurationError(
            "the dataset is delivered in one file, without reporting units", where=self.key, next_step="Leave the unit out."
        )

    @abstractmethod
    def contract(self, period: str) -> Contract:
        """The contract of a period, written YYYY-MM, or YYYY-Qn in a quarterly dataset."""

    @abstractmethod
    def size(self, month: int) -> int:
        """How many records the month has before defects; `month` is a running month number, of a quarter its last one."""

    @abstractmethod
    def page(self, month: int, begin: int, end: int, planted: PlantedCanaries) -> Page:
        """Records `begin` to `end` (not included) of the month, with the canaries in their rows."""
