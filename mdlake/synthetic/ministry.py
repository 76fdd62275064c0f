"""The synthetic ministry: one population and the producers that tell of it, for any dataset and month.

The one place that knows all datasets. A new producer is a module with its `Dataset` classes and a line here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from mdlake.errors import ConfigurationError, UnknownName
from mdlake.synthetic.calendar import month_number
from mdlake.synthetic.dataset import Dataset
from mdlake.synthetic.defects import default_rates
from mdlake.synthetic.delivery import DeliveredFile, Order, delivered
from mdlake.synthetic.employment import Employment
from mdlake.synthetic.page import Canary
from mdlake.synthetic.population import Persons, Workplaces
from mdlake.synthetic.sso import InsuredContributions, WorkplaceTable

__all__ = ["Ministry"]

_PERSONS, _WORKPLACES = (100, 50_000_000), (10, 5_000_000)


class Ministry:
    """A coherent population and its producers.

    Args:
        persons: people in the population, 100 to 50 million; a month's list of insured has about as many
        rows. workplaces: workplaces, 10 to 5 million. seed: everything follows from it; the same seed gives
        the same bytes, whatever was delivered before. contract_change: the month, YYYY-MM, from which the
        list of insured comes from the fund's new system. page_rows: records held in memory at a time.

    Raises:
        ConfigurationError: a size, seed or month that cannot be.
    """

    def __init__(
        self,
        persons: int = 20_000,
        workplaces: int = 1_500,
        seed: int = 1403,
        contract_change: str = "1403-03",
        *,
        page_rows: int = 250_000,
    ) -> None:
        _check_size("persons", persons, *_PERSONS)
        _check_size("workplaces", workplaces, *_WORKPLACES)
        _check_size("seed", seed, 0, 2**63)
        _check_size("page_rows", page_rows, 1, 500_000)
        month_number(contract_change)
        self._persons, self._workplaces = persons, workplaces
        self._seed = seed
        self._contract_change = contract_change
        self._page_rows = page_rows

    @cached_property
    def _datasets(self) -> dict[str, Dataset]:
        persons = Persons(self._persons, self._seed)
        workplaces = Workplaces(self._workplaces, persons, self._seed)
        employment = Employment(persons, workplaces, self._seed)
        datasets: tuple[Dataset, ...] = (
            InsuredContributions(persons, workplaces, employment, self._seed, self._contract_change),
            WorkplaceTable(workplaces, employment),
        )
        return {dataset.key: dataset for dataset in datasets}

    def _dataset(self, key: str) -> Dataset:
        if key not in self._datasets:
            raise UnknownName("dataset", key, self._datasets, where="synthetic ministry")
        return self._datasets[key]

    @property
    def datasets(self) -> tuple[str, ...]:
        """Keys of the datasets that can be delivered."""
        return tuple(self._datasets)

    def defect_rates(self, dataset: str) -> dict[str, float]:
        """The defect classes of a dataset with their usual shares of records.

        Raises:
            UnknownName: no such dataset.
        """
        return default_rates(self._dataset(dataset).defects)

    def deliver(
        self,
        dataset: str,
        period: str,
        folder: Path,
        *,
        sequence: int = 1,
        defects: Mapping[str, float] | None = None,
        canaries: Sequence[Canary] = (),
        truth: bool = True,
    ) -> DeliveredFile:
        """Write the delivery of a dataset for a month: a CSV file and then its descriptor.

        Args:
            dataset: organization/dataset.
            period: the month, YYYY-MM.
            folder: where to; made for its owner only if it is not there.
            sequence: which delivery of the month this is; the facts are the same in all.
            defects: rates by defect class in place of the usual ones.
            canaries: persons to plant, each in one record that is otherwise sound and plainly written.
            truth: False for very large deliveries, since the ground truth is held in memory.

        Raises:
            UnknownName: no such dataset or defect class.
            ConfigurationError: a period, rate, sequence or number of canaries that cannot be.
        """
        order = Order(period, sequence, defects or {}, canaries, truth)
        return delivered(self._dataset(dataset), order, folder, seed=self._seed, page_rows=self._page_rows)


def _check_size(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigurationError(
            f"{name} is {value}",
            where="synthetic ministry",
            next_step=f"Give a whole number from {least} to {most}.",
        )
