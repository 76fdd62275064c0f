"""The configuration as the rest of the program sees it: datasets with their contracts, every reference resolved.

A `Contract` is one version, valid from a period; asking a dataset for the contract of a period is the only way to get
one, so a backfill of an old month uses the contract of that month. Nothing here reads a file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from functools import cached_property

from mdlake.config.alerts import AlertsFile
from mdlake.config.models import (
    Agreement,
    CalendarFile,
    Comparison,
    Composition,
    DatasetFile,
    DisclosureRole,
    ForeignKey,
    Frozen,
    Generalization,
    HolidaysFile,
    Label,
    OrganizationFile,
    Requirement,
    RuleSetting,
    StandardFile,
    StatisticalRole,
)
from mdlake.config.offices import DecisionsFile, OfficesFile, sender, statistics_unit
from mdlake.config.queries import SavedQuery
from mdlake.errors import MdlakeError, UnknownName
from mdlake.standard import Classification, IdentifierType, Period, WorkingDays, periods_between

__all__ = ["Column", "Configuration", "Contract", "Dataset", "Deadline"]

PSEUDONYM_SUFFIX = "_pseudonym"
UNLINKABLE_SUFFIX = "_unlinkable"


@dataclass(frozen=True)
class Column:
    """One column of a contract with everything that the shared standard says of it."""

    name: str
    header: str
    aliases: tuple[str, ...]
    variable: str | None
    label: Label
    type: str
    identifier: IdentifierType | None
    classification: Classification | None
    unit: str | None
    role: StatisticalRole
    disclosure: DisclosureRole
    required: bool
    on_invalid: str
    dates: str | None
    values: Mapping[str, str]
    references: ForeignKey | None
    minimum: int | None
    maximum: int | None
    pattern: str | None
    publish: Generalization

    @property
    def is_linked(self) -> bool:
        """Whether the column leaves the secure zone as a pseudonym."""
        return self.identifier is not None and self.identifier.marker is not None

    @property
    def stays_secure(self) -> bool:
        """Whether the column never leaves the secure zone, in any form."""
        return self.type == "free_text" or (self.disclosure == "direct" and not self.is_linked)

    @property
    def pseudonym(self) -> str:
        """Name of the pseudonym's column in the research zone."""
        return self.name + PSEUDONYM_SUFFIX

    @property
    def unlinkable(self) -> str | None:
        """Name of the column that says why a kept row has no link, for identifiers that do not quarantine the row."""
        return self.name + UNLINKABLE_SUFFIX if self.is_linked and self.on_invalid == "blank" else None


@dataclass(frozen=True)
class Contract:
    """One version of a dataset's contract.

    Attributes:
        valid_to: the last period it governs; None while it is the newest.
        missing_values: fields that say that there is nothing, beside the blank.
        rules: every rule's strictness for this dataset, the dataset's own before the ministry's.
        reporting_units: who sends a file of its own each; None where the organization sends one for all.
        reporting_unit_column: in which each row names its reporting unit; None where no column does.
    """

    dataset: str
    version: str
    valid_from: Period
    valid_to: Period | None
    unit_key: tuple[str, ...]
    missing_values: tuple[str, ...]
    columns: tuple[Column, ...]
    edits: tuple[Comparison, ...]
    requirements: tuple[Requirement, ...]
    alternatives: tuple[tuple[str, ...], ...]
    agreements: tuple[Agreement, ...]
    compositions: tuple[Composition, ...]
    rules: Mapping[str, RuleSetting]
    reporting_units: Classification | None = None
    reporting_unit_column: str | None = None

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by their canonical name, in the contract's order."""
        return {column.name: column for column in self.columns}

    @cached_property
    def rule_version(self) -> str:
        """Marks the strictness in force: 16 hex digits over all settings and all that is said of columns together."""
        text = json.dumps(
            {
                "rules": {name: setting.model_dump() for name, setting in sorted(self.rules.items())},
                "edits": [edit.model_dump() for edit in self.edits],
                "requirements": [requirement.model_dump() for requirement in self.requirements],
                "agreements": [agreement.model_dump() for agreement in self.agreements],
                "compositions": [composition.model_dump() for composition in self.compositions],
                "columns": {c.name: [c.type, c.required, c.minimum, c.maximum, c.pattern, c.on_invalid] for c in self.columns},
                # only where there are any, so that the versions of all others stay what they were
                **({"reporting_units": self._units_with_bounds} if self.reporting_units else {}),
                **({"reporting_unit_column": self.reporting_unit_column} if self.reporting_unit_column else {}),
                **({"alternatives": self.alternatives} if self.alternatives else {}),
            },
            sort_keys=True,
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def column(self, name: str) -> Column:
        """The column of that name, or `UnknownName`."""
        if name not in self.by_name:
            raise UnknownName("column", name, self.by_name, where=f"{self.dataset} {self.version}")
        return self.by_name[name]

    @property
    def _units_with_bounds(self) -> list[list[str]]:
        codes = self.reporting_units.codes if self.reporting_units else ()
        return sorted([code.code, code.first_month.key, code.last_month.key] for code in codes)

    def units(self, period: Period) -> tuple[str, ...]:
        """Codes of the units that each owe a part of the period, ascending; the empty code alone where one file is all."""
        return tuple(sorted(self.reporting_units.valid_at(period))) if self.reporting_units else ("",)

    @property
    def month_column(self) -> Column | None:
        """The column that states the reference period of a row."""
        return next((column for column in self.columns if column.role == "time" and column.type == "month"), None)

    @property
    def linked(self) -> tuple[Column, ...]:
        """The identifiers that become pseudonyms."""
        return tuple(column for column in self.columns if column.is_linked)


_SAID = frozenset(field.name for field in fields(Contract)) - {"valid_to"}
"""The end of a version is said by the one after it."""


def _plain(value: object) -> object:
    """What JSON has no form for in a contract: what has a name of its own, such as a classification, by it."""
    match value:
        case Frozen():
            return value.model_dump(mode="json")
        case Classification() | IdentifierType():
            return value.name
        case Column():
            return vars(value)
    return str(value)


@dataclass(frozen=True)
class Dataset:
    """A dataset of one organization with all versions of its contract."""

    organization: str
    name: str
    file: DatasetFile
    versions: tuple[Contract, ...]

    @property
    def key(self) -> str:
        """`organization/dataset`."""
        return f"{self.organization}/{self.name}"

    @property
    def table_name(self) -> str:
        """Its name in SQL, within the schema of a layer."""
        return f"{self.organization}_{self.name}"

    def contract(self, period: Period) -> Contract:
        """The contract in force in a period.

        Raises:
            MdlakeError: the period lies before the first version.
        """
        month = period.months()[-1]
        in_force = [version for version in self.versions if version.valid_from <= month]
        if not in_force:
            raise MdlakeError(
                f"no contract is in force in {period}",
                where=self.key,
                next_step=f"The first version begins in {self.versions[0].valid_from}; choose a later period.",
            )
        return in_force[-1]

    def standard_sha256(self, contract: Contract) -> str:
        """SHA-256 (hex) over all that one version of the contract says, strictness and shared variables included.

        What the Statistics Centre approves (Article 5): another text is another standard, whatever its version is called.
        """
        said = {name: value for name, value in vars(contract).items() if name in _SAID}
        about = {name: getattr(self.file, name) for name in ("temporal_type", "statistical_unit", "periodicity")}
        text = json.dumps({**said, **about}, default=_plain, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def newest(self) -> Contract:
        """The newest version: what the asset shows before any period is chosen."""
        return self.versions[-1]


@dataclass(frozen=True)
class Deadline:
    """By when a delivery is owed, as Gregorian dates in Iran.

    Attributes:
        due_day: from which days late are counted.
        last_day: of grace; what comes up to it is in time.
    """

    due_day: date
    last_day: date


@dataclass(frozen=True)
class Configuration:
    """Everything in `assets_config/`, checked and resolved."""

    alerts: AlertsFile
    calendar: CalendarFile
    holidays: HolidaysFile
    standard: StandardFile
    offices: OfficesFile
    decisions: DecisionsFile
    classifications: Mapping[str, Classification]
    organizations: Mapping[str, OrganizationFile]
    datasets: Mapping[str, Dataset]
    queries: Mapping[str, SavedQuery]

    def query(self, name: str) -> SavedQuery:
        """The saved query of that name, or `UnknownName`."""
        if name not in self.queries:
            raise UnknownName("saved query", name, self.queries)
        return self.queries[name]

    def dataset(self, key: str) -> Dataset:
        """The dataset `organization/dataset`, or `UnknownName`."""
        if key not in self.datasets:
            raise UnknownName("dataset", key, self.datasets)
        return self.datasets[key]

    @cached_property
    def signing_offices(self) -> Mapping[str, Label]:
        """Everybody who may sign decisions, by name: the offices, and the statistics unit of each organization."""
        units = {statistics_unit(key): organization.statistics_unit for key, organization in self.organizations.items()}
        return {name: office.label for name, office in self.offices.offices.items()} | units

    @cached_property
    def key_holders(self) -> Mapping[str, Label]:
        """Everybody who signs something, by name: who signs decisions, and who sends in the name of each organization."""
        return {**self.signing_offices, **{sender(key): one.label for key, one in self.organizations.items()}}

    @cached_property
    def months(self) -> tuple[Period, ...]:
        """Every month between the calendar's bounds."""
        return periods_between(self.calendar.first_period, self.calendar.last_period)

    def periods(self, dataset: Dataset) -> tuple[Period, ...]:
        """The reference periods of a dataset: its months, or the quarters that lie whole within the bounds."""
        if dataset.file.periodicity == "month":
            return self.months
        quarters = sorted({month.quarter() for month in self.months})
        return tuple(quarter for quarter in quarters if set(quarter.months()) <= set(self.months))

    def owed_periods(self, dataset: Dataset) -> tuple[Period, ...]:
        """The reference periods that are held against their due day: from `owed_from` and the first contract on."""
        first = max(self.calendar.owed_from, dataset.versions[0].valid_from)
        return tuple(period for period in self.periods(dataset) if period.months()[0] >= first)

    def deadline(self, dataset: Dataset, period: Period) -> Deadline:
        """By when each delivery of a period is owed; a day on which nothing falls due moves to the next working day."""
        terms, month = dataset.file.delivery, period.months()[-1].next()
        due_day = self.working_days.first_from(month.first_day + timedelta(days=terms.due_day - 1))
        return Deadline(due_day, self.working_days.first_from(due_day + timedelta(days=terms.grace_days)))

    @cached_property
    def working_days(self) -> WorkingDays:
        """On which days anything falls due."""
        return self.holidays.working_days

    def period(self, dataset: Dataset, key: str) -> Period:
        """The reference period of a partition key.

        Raises:
            MdlakeError: no such period, or it lies outside the calendar's bounds.
        """
        period = Period.parse(key)
        known = self.periods(dataset)
        due = dataset.file.periodicity
        if period.kind != due:
            kind = f"a {period.kind}, and this dataset comes once a {due}"
            own = [period.quarter()] if (period.kind, due) == ("month", "quarter") else [p for p in known if _within(p, period)]
            fix = f"Write its period as {' or '.join(p.key for p in own[:4] or known[-1:])}."
            raise MdlakeError(f"{key} is {kind}", where=dataset.key, next_step=fix)
        if period not in known:
            raise MdlakeError(
                f"{key} is not a reference period of this dataset",
                where=dataset.key,
                next_step=f"Its periods run from {known[0]} to {known[-1]} (calendar.yaml).",
            )
        return period


def _within(part: Period, whole: Period) -> bool:
    return whole.first_day <= part.first_day and part.last_day <= whole.last_day
