"""The synthetic ministry: one population and the producers that tell of it, for any dataset and month.

The one place that knows all datasets. A new producer is a module with its `Dataset` classes and a line here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from mdlake.errors import ConfigurationError, UnknownName
from mdlake.synthetic.behzisti import WelfareClients
from mdlake.synthetic.calendar import Periodicity, month_number, period_text, reference_month
from mdlake.synthetic.cooperation import Cooperatives
from mdlake.synthetic.cooperatives import CooperativeMembers, CooperativeTable
from mdlake.synthetic.cspf import CivilPensionerTable
from mdlake.synthetic.dataset import Dataset
from mdlake.synthetic.defects import default_rates
from mdlake.synthetic.delivery import DeliveredFile, Order, delivered
from mdlake.synthetic.disability import Disabilities
from mdlake.synthetic.disputes import Disputes
from mdlake.synthetic.employment import Employment
from mdlake.synthetic.employment_deputy import EmploymentLoans, JobSeekers
from mdlake.synthetic.farmers_fund import InsuredMembers
from mdlake.synthetic.foreigners import Foreigners
from mdlake.synthetic.households import Households
from mdlake.synthetic.labour_market import LabourMarket
from mdlake.synthetic.page import Canary
from mdlake.synthetic.pensions import Pensions
from mdlake.synthetic.permits import Permits
from mdlake.synthetic.population import Persons, Workplaces
from mdlake.synthetic.provincial import LabourDisputes
from mdlake.synthetic.rural_insurance import RuralInsurance
from mdlake.synthetic.social_welfare import HouseholdMembers
from mdlake.synthetic.sso import InsuredContributions, WorkplaceTable
from mdlake.synthetic.sso_benefits import PensionerTable, UnemploymentBenefits
from mdlake.synthetic.training import Training
from mdlake.synthetic.tvto import SkillCertificates, Trainees
from mdlake.synthetic.unemployment import Unemployment
from mdlake.synthetic.welfare import HouseholdSupport, WelfareCases
from mdlake.synthetic.work_permits import ForeignWorkPermits

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
        cooperatives = Cooperatives(persons, self._seed)
        households, disabilities = Households(persons, self._seed), Disabilities(persons, self._seed)
        cases = WelfareCases(persons, households, disabilities, self._seed)
        support = HouseholdSupport(persons, households, cases, self._seed)
        pensions, unemployment = Pensions(persons, self._seed), Unemployment(persons, employment, self._seed)
        foreigners = Foreigners(persons, self._seed)
        training = Training(persons, households, employment, foreigners, self._seed)
        market = LabourMarket(persons, workplaces, employment, households, cooperatives, self._seed)
        datasets: tuple[Dataset, ...] = (
            InsuredContributions(persons, workplaces, employment, self._seed, self._contract_change),
            WorkplaceTable(workplaces, employment),
            PensionerTable(persons, households, pensions, self._seed),
            UnemploymentBenefits(persons, workplaces, employment, unemployment, self._seed),
            CivilPensionerTable(persons, pensions, self._seed),
            CooperativeTable(cooperatives, self._seed),
            CooperativeMembers(persons, cooperatives, self._seed),
            LabourDisputes(persons, workplaces, Disputes(workplaces, employment, self._seed), self._seed),
            WelfareClients(persons, households, disabilities, cases, self._seed),
            HouseholdMembers(persons, households, support, self._seed),
            InsuredMembers(persons, households, RuralInsurance(persons, households, self._seed), self._seed),
            Trainees(persons, foreigners, training, self._seed),
            SkillCertificates(persons, training, self._seed),
            JobSeekers(persons, households, market, self._seed),
            EmploymentLoans(persons, workplaces, cooperatives, market, self._seed),
            ForeignWorkPermits(foreigners, workplaces, Permits(foreigners, workplaces, self._seed), self._seed),
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

    def periodicity(self, dataset: str) -> Periodicity:
        """Whether a dataset is delivered each month or each quarter.

        Raises:
            UnknownName: no such dataset.
        """
        return self._dataset(dataset).periodicity

    def reporting_units(self, dataset: str) -> tuple[str, ...]:
        """Codes of the units that each send their own file of a dataset; none where it comes in one.

        Raises:
            UnknownName: no such dataset.
        """
        return self._dataset(dataset).reporting_units

    def due(self, dataset: str, period: str) -> tuple[tuple[str, str | None], ...]:
        """The deliveries that a dataset owes for a period: each as its own period and reporting unit.

        A quarterly dataset owes the quarter for the quarter's last month, and nothing for other months; a monthly one owes
        nothing for a quarter.

        Raises:
            UnknownName: no such dataset.
            ConfigurationError: the period is neither a month nor a quarter that can be delivered.
        """
        told = self._dataset(dataset)
        is_quarter = "-Q" in period
        month = reference_month(period, "quarter" if is_quarter else "month")
        own = period_text(month, told.periodicity)
        if own is None or (is_quarter and told.periodicity == "month"):
            return ()
        return tuple((own, unit) for unit in told.reporting_units or (None,))

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
        reporting_unit: str | None = None,
    ) -> DeliveredFile:
        """Write the delivery of a dataset for a period: a CSV file and then its descriptor.

        Args:
            dataset: organization/dataset.
            period: the month, YYYY-MM, or in a quarterly dataset the quarter, YYYY-Qn.
            folder: where to; made for its owner only if it is not there.
            sequence: which delivery of the period this is; the facts are the same in all.
            defects: rates by defect class in place of the usual ones.
            canaries: persons to plant, each in one record that is otherwise sound and plainly written.
            truth: False for very large deliveries, since the ground truth is held in memory.
            reporting_unit: whose part it is, in a dataset whose reporting units each send their own file.

        Raises:
            UnknownName: no such dataset, defect class or reporting unit.
            ConfigurationError: a period, rate, sequence or number of canaries that cannot be; a reporting unit that is
                missing, or given where there are none.
        """
        order = Order(period, sequence, defects or {}, canaries, truth, reporting_unit)
        told = _part(self._dataset(dataset), reporting_unit)
        return delivered(told, order, folder, seed=self._seed, page_rows=self._page_rows)


def _part(dataset: Dataset, unit: str | None) -> Dataset:
    """The dataset as the reporting unit has it, or as it is where it has no such units."""
    if unit is not None and dataset.reporting_units and unit not in dataset.reporting_units:
        raise UnknownName("reporting unit", unit, dataset.reporting_units, where=dataset.key)
    if unit is not None:
        return dataset.reported_by(unit)
    if dataset.reporting_units:
        raise ConfigurationError(
            "each reporting unit of the dataset sends its own file, and none is named",
            where=dataset.key,
            next_step=f"Give one of its reporting units, such as {dataset.reporting_units[0]}.",
        )
    return dataset


def _check_size(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigurationError(
            f"{name} is {value}",
            where="synthetic ministry",
            next_step=f"Give a whole number from {least} to {most}.",
        )
