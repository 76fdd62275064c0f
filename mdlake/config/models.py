"""What `assets_config/` may say, as frozen models. One model per kind of file; nothing here reads a file or knows a dataset.

Every model forbids unknown fields, so that a misspelt key is an error and not a silent default. Values that steer the
data (bounds, thresholds, owners, retention) have no default in code: the configuration states them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from mdlake.errors import MdlakeError
from mdlake.standard import Period, WorkingDays, day_of_solar_hijri, period_of, solar_hijri_day

__all__ = [
    "LAYERS",
    "PRINCIPLES",
    "CalendarFile",
    "ClassificationFile",
    "CodeEntry",
    "ColumnSpec",
    "ColumnType",
    "ContractVersion",
    "DatasetFile",
    "DeliveryTerms",
    "DerivedPeriod",
    "DisclosureRole",
    "ForeignKey",
    "Frozen",
    "Generalization",
    "HolidaysFile",
    "Label",
    "LayerStandard",
    "Name",
    "OrganizationFile",
    "PeriodKey",
    "PrinciplesFile",
    "QueryFile",
    "QuerySource",
    "Requirement",
    "RuleSetting",
    "Severity",
    "SolarDay",
    "StandardFile",
    "Variable",
    "ZoneStandard",
]

LAYERS = ("raw", "standardized", "pseudonymized", "published")
PRINCIPLES = ("transformation", "system", "consistency", "quality")

ColumnType = Literal["identifier", "text", "free_text", "code", "integer", "amount", "date", "month"]
StatisticalRole = Literal["unit", "time", "classifying", "measure", "attribute"]
DisclosureRole = Literal["direct", "quasi", "sensitive", "plain"]
Severity = Literal["error", "warn"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Frozen(BaseModel):
    """Base of every model: immutable, strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def _period(value: Any) -> Any:
    if isinstance(value, Period):
        return value
    try:
        return Period.parse(str(value))
    except MdlakeError as error:
        raise ValueError(str(error)) from None


PeriodKey = Annotated[
    Period,
    BeforeValidator(_period),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}(-(\d{2}|Q[1-4]))?$", "description": "Solar Hijri period"}),
]


def _day(value: Any) -> Any:
    if isinstance(value, date):
        return value
    try:
        return day_of_solar_hijri(str(value))
    except MdlakeError as error:
        raise ValueError(str(error)) from None


SolarDay = Annotated[
    date,
    BeforeValidator(_day),
    PlainSerializer(solar_hijri_day, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$", "description": "Solar Hijri day"}),
]


def _day_of_every_year(value: Any) -> Any:
    """A month and a day, held against a leap year, in which every day is that any year has."""
    try:
        day_of_solar_hijri(f"{_LEAP_YEAR}-{value}")
    except MdlakeError:
        raise ValueError("this is no day of a Solar Hijri year: write it as 01-13") from None
    return value


_LEAP_YEAR = 1403
YearlyDay = Annotated[
    str,
    BeforeValidator(_day_of_every_year),
    WithJsonSchema({"type": "string", "pattern": r"^\d{2}-\d{2}$", "description": "Solar Hijri month and day"}),
]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Label(Frozen):
    """A title in both languages."""

    fa: str = Field(min_length=1)
    en: str = Field(min_length=1)


class CalendarFile(Frozen):
    """`calendar.yaml`: the bounds of the partitions, which never come from the clock, and how long is waited for what is due."""

    first_period: PeriodKey
    last_period: PeriodKey
    owed_from: PeriodKey = Field(description="the first month whose deliveries are held against their due days")
    settling_minutes: int = Field(
        ge=0, description="a period of which some reporting units sent their part is run when nothing came for so long"
    )
    closing_days: int = Field(ge=0, description="days after a month's end when it is closed whatever is missing")

    @model_validator(mode="after")
    def _in_order(self) -> CalendarFile:
        if self.first_period.kind != "month" or self.last_period.kind != "month":
            raise ValueError("first_period and last_period must be months, such as 1399-11")
        if self.last_period < self.first_period:
            raise ValueError("last_period lies before first_period")
        if self.owed_from.kind != "month" or not self.first_period <= self.owed_from <= self.last_period:
            raise ValueError("owed_from must be a month from first_period to last_period")
        return self


class HolidaysFile(Frozen):
    """`holidays.yaml`: the days on which nothing falls due."""

    weekend: tuple[Weekday, ...] = Field(max_length=6)
    yearly: Mapping[YearlyDay, Label] = Field(description="Solar Hijri days that are free in every year, such as 01-13")
    announced: Mapping[SolarDay, Label] = Field(
        description="days of the lunar year, as they were announced for each Solar Hijri year"
    )

    @property
    def working_days(self) -> WorkingDays:
        """The same as arithmetic takes it."""
        weekend = frozenset(get_args(Weekday).index(name) for name in self.weekend)
        return WorkingDays(weekend, frozenset(self.yearly), frozenset(self.announced))

    @property
    def announced_years(self) -> frozenset[int]:
        """The Solar Hijri years of which any day was announced."""
        return frozenset(period_of(day, "year").year for day in self.announced)


class LayerStandard(Frozen):
    """Who owns a layer (Article 3) and how a person should read it."""

    label: Label
    description: Label
    owner: Name


class ZoneStandard(Frozen):
    """Delta retention of one zone, in days; set on each table at its creation."""

    log_retention_days: int = Field(ge=1)
    file_retention_days: int = Field(ge=0)


class Variable(Frozen):
    """A variable of the shared standard: defined once, with an owner, used by every contract that carries it."""

    label: Label
    type: ColumnType
    owner: Name
    disclosure: DisclosureRole
    identifier: Name | None = None
    classification: Name | None = None
    unit: str | None = None


class StandardFile(Frozen):
    """`standard.yaml`: layers, zones and the shared variables."""

    layers: Mapping[Literal["raw", "standardized", "pseudonymized", "published"], LayerStandard]
    zones: Mapping[Literal["secure", "research"], ZoneStandard]
    variables: Mapping[Name, Variable]


class CodeEntry(Frozen):
    """One code of a classification, with the months in which it is valid (none: without bound)."""

    code: str = Field(min_length=1)
    fa: str = Field(min_length=1)
    en: str = Field(min_length=1)
    valid_from: PeriodKey | None = None
    valid_to: PeriodKey | None = None
    parent: str | None = None


class ClassificationFile(Frozen):
    """`classifications/<name>.yaml`; the parents of its codes stand in the classification that `level_above` names."""

    label: Label
    owner: Name
    level_above: Name | None = Field(default=None, description="the classification in which the codes have their parents")
    codes: tuple[CodeEntry, ...] = Field(min_length=1)


class OrganizationFile(Frozen):
    """`organizations/<organization>/organization.yaml`: a producer of statistics (Article 2)."""

    label: Label
    kind: Literal["headquarters", "affiliated", "provincial"]
    statistics_unit: Label
    contact: str = Field(min_length=3)


class ForeignKey(Frozen):
    """The column's values are statistical units of another dataset."""

    dataset: str = Field(pattern=r"^[a-z][a-z0-9_]*/[a-z][a-z0-9_]*$")
    column: Name


class Generalization(Frozen):
    """What publication does to a column: exactly one of the fields, or `keep` or `drop` for the whole.

    `band` is a width in the column's unit, `top_code` the largest value shown, `prefix` a number of leading characters.
    """

    action: Literal["keep", "drop", "year", "year_month", "band", "top_code", "prefix"]
    width: int | None = Field(default=None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"action": value}
        if isinstance(value, Mapping) and len(value) == 1 and "action" not in value:
            action, width = next(iter(value.items()))
            return {"action": action, "width": width}
        return value

    @model_validator(mode="after")
    def _width_where_needed(self) -> Generalization:
        needs = self.action in {"band", "top_code", "prefix"}
        if needs and self.width is None:
            raise ValueError(f"{self.action} needs a number, such as {{{self.action}: 5}}")
        if not needs and self.width is not None:
            raise ValueError(f"{self.action} takes no number")
        return self


class ColumnSpec(Frozen):
    """One column of a contract: how it comes, what it is, what happens to it.

    Fields left out are taken from the shared variable that `variable` names; what neither states is an error.
    """

    header: str = Field(min_length=1, description="the producer's column header")
    aliases: tuple[str, ...] = ()
    variable: Name | None = None
    label: Label | None = None
    type: ColumnType | None = None
    identifier: Name | None = None
    classification: Name | None = None
    unit: str | None = None
    role: StatisticalRole
    disclosure: DisclosureRole | None = None
    required: bool = Field(description="a missing value counts against completeness")
    on_invalid: Literal["quarantine", "blank"] = Field(
        description="a value that cannot be read: the row leaves, or the value stays blank"
    )
    dates: Literal["solar_hijri", "gregorian", "either"] | None = None
    values: Mapping[str, str] = Field(default_factory=dict, description="words the producer writes → code")
    references: ForeignKey | None = None
    minimum: int | None = None
    maximum: int | None = None
    pattern: str | None = Field(default=None, description="form of a text that is a code: a regular expression of all of it")
    publish: Generalization


class RuleSetting(Frozen):
    """How strictly one rule is held: `threshold` is the largest share (0 to 1) of failures that still passes."""

    severity: Severity
    threshold: float = Field(ge=0)


class Comparison(Frozen):
    """A logical edit: `left operator right` must hold where both are known. A date is held against a month by its month."""

    left: Name
    operator: Literal["<", "<=", "==", ">=", ">"]
    right: Name


class Agreement(Frozen):
    """Columns that one unit has one value of, in the partition and since the last period."""

    unit: Name
    columns: tuple[Name, ...] = Field(min_length=1)


class Composition(Frozen):
    """A unit made of rows, such as a household of its members: exactly one of them has the code, such as that of the head."""

    unit: Name
    column: Name
    code: str


class Requirement(Frozen):
    """A column that must be filled in the rows where another column has one of some codes."""

    column: Name
    where: Name
    among: tuple[str, ...] = Field(min_length=1, description="codes of the classification of `where`")


class ContractVersion(Frozen):
    """A contract valid from a period until the next version begins."""

    version: str = Field(pattern=r"^\d+\.\d+$")
    valid_from: PeriodKey
    approved_note: str | None = None
    unit_key: tuple[Name, ...] = Field(min_length=1, description="columns that identify one statistical unit's row")
    reporting_unit_column: Name | None = Field(
        default=None, description="the column in which each row names the reporting unit that sends it"
    )
    missing_values: tuple[str, ...] = Field(
        default=(), description="what the producer writes where there is nothing, such as NA or -; a blank always is nothing"
    )
    columns: Mapping[Name, ColumnSpec] = Field(min_length=1)
    edits: tuple[Comparison, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    alternatives: tuple[tuple[Name, ...], ...] = Field(
        default=(), description="columns of which each row fills exactly one, such as a national code or a foreigner's code"
    )
    agreements: tuple[Agreement, ...] = ()
    compositions: tuple[Composition, ...] = ()
    rules: Mapping[str, RuleSetting] = Field(default_factory=dict, description="this dataset's own strictness")


class DeliveryTerms(Frozen):
    """By when a period is owed: each reporting unit's part where there are any.

    `due_day` is a day of the Solar Hijri month after the period's end, which every month has; what comes up to `grace_days`
    (days, not working days) later is in time too.
    """

    due_day: int = Field(ge=1, le=29)
    grace_days: int = Field(ge=0, le=60)


class DatasetFile(Frozen):
    """`organizations/<organization>/<dataset>.yaml`."""

    label: Label
    description: Label
    temporal_type: Literal["status", "event", "flow"]
    statistical_unit: Label
    periodicity: Literal["month", "quarter"]
    delivery: DeliveryTerms
    reporting_units: Name | None = Field(
        default=None, description="a classification: each code of it sends its own file, and a period's table unites them"
    )
    versions: tuple[ContractVersion, ...] = Field(min_length=1)


class DerivedPeriod(Frozen):
    """A period that follows from the one asked for: the month so many months after its last one, or that month's quarter."""

    label: Label
    kind: Literal["month", "quarter"]
    months_after: int = Field(ge=-120, le=120)


class QuerySource(Frozen):
    """A table that a saved query asks, from one of its periods to another."""

    dataset: str = Field(pattern=r"^[a-z][a-z0-9_]*/[a-z][a-z0-9_]*$")
    layer: Literal["published", "pseudonymized"]
    first: Name
    last: Name


class QueryFile(Frozen):
    """`queries/<query>.yaml`, beside `queries/<query>.sql`."""

    label: Label
    question: Label
    period: Literal["month", "quarter"] = Field(description="what kind of period is asked for; `$period` in the SQL")
    derived: Mapping[Name, DerivedPeriod] = Field(default_factory=dict, description="further `$…` of the SQL")
    sources: tuple[QuerySource, ...] = Field(min_length=1)
    columns: Mapping[Name, Label] = Field(min_length=1, description="what each column of the answer means")


class PrinciplesFile(Frozen):
    """`principles.yaml`: how strictly each rule is held in the whole ministry."""

    rules: Mapping[str, RuleSetting]
