"""`mdlake status --deliveries`: who sent in time, late, or not at all, by organization, dataset and reporting unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from mdlake.cli.surroundings import console, print_grouped_table, print_json, print_table
from mdlake.config import Dataset
from mdlake.errors import UnknownName
from mdlake.standard import day_in_iran, solar_hijri_day
from mdlake.steps import DELIVERY_STATES, DeliveryStanding, House, delivery_counts, delivery_standings

__all__ = ["of_organizations", "show_deliveries", "show_organizations"]

_COLUMNS = (*DELIVERY_STATES, "resubmitted")
_COLOURS = {"on time": "green", "late": "yellow", "overdue": "red", "refused": "red", "resubmitted": "yellow"}
_WORST_FIRST = ("overdue", "refused", "late", "awaited", "not due", "on time")
_NAMED_UNITS = 6
"""How many reporting units of a state are named in a line; the table of the units has all."""


def of_organizations(house: House, datasets: Sequence[Dataset], organizations: Sequence[str]) -> tuple[Dataset, ...]:
    """Those of the datasets that these organizations send; all of them where none is named.

    Raises:
        UnknownName: there is no such organization.
    """
    known = house.configuration.organizations
    for name in organizations:
        if name not in known:
            raise UnknownName("organization", name, known)
    return tuple(dataset for dataset in datasets if not organizations or dataset.organization in organizations)


def show_deliveries(house: House, datasets: Sequence[Dataset], periods: Sequence[str], as_of: datetime, *, as_json: bool) -> None:
    """Print how the deliveries of datasets stand at a moment."""
    standings = delivery_standings(house, as_of, datasets, periods)
    day = solar_hijri_day(day_in_iran(as_of))
    if as_json:
        found = [standing.as_json() for standing in standings]
        print_json({"as_of": day, "counts": delivery_counts(standings), "deliveries": found})
        return
    if not standings:
        first = house.configuration.calendar.owed_from
        console.print(f"as of {day} nothing is owed yet: deliveries are owed from {first} on (calendar.yaml, contracts)")
        return
    show_organizations(standings, day)
    by_dataset = _grouped(standings, lambda standing: standing.dataset)
    columns = ("owed", "due", "delivery", "late by", "came", "sent", "refused")
    print_grouped_table(columns, {name: _period_rows(found) for name, found in by_dataset.items()})
    for dataset in datasets:
        if dataset.newest.reporting_units is not None and dataset.key in by_dataset:
            _print_units(dataset, by_dataset[dataset.key])
    _tell_unannounced(house, standings)


def show_organizations(standings: Sequence[DeliveryStanding], day: str) -> None:
    """Print how many deliveries of each organization stand how at the end of a Solar Hijri day."""
    by_organization = _grouped(standings, lambda standing: standing.organization)
    rows = [(name, *_cells(found)) for name, found in by_organization.items()]
    print_table(f"deliveries as of {day}", ("organization", *_COLUMNS), rows)


def _grouped(
    standings: Iterable[DeliveryStanding], name: Callable[[DeliveryStanding], str]
) -> Mapping[str, Sequence[DeliveryStanding]]:
    groups: dict[str, list[DeliveryStanding]] = {}
    for standing in standings:
        groups.setdefault(name(standing), []).append(standing)
    return groups


def _cells(standings: Iterable[DeliveryStanding]) -> tuple[str, ...]:
    """The number in each state; empty where there is none, so that the eye finds the others."""
    counts = delivery_counts(standings)
    return tuple(_coloured(name, str(counts[name])) if name in counts else "" for name in _COLUMNS)


def _coloured(state: str, text: str) -> str:
    return f"[{_COLOURS[state]}]{text}[/]" if state in _COLOURS else text


def _period_rows(standings: Sequence[DeliveryStanding]) -> Iterator[tuple[str, ...]]:
    """A row for each period of a dataset; those of which nothing came stand in one, as long as they follow each other."""
    periods = [tuple(parts) for _, parts in groupby(standings, lambda standing: standing.period)]
    for nothing_came, group in groupby(periods, lambda parts: all(standing.state == "overdue" for standing in parts)):
        found = tuple(group)
        if nothing_came and len(found) > 1:
            count = sum(len(parts) for parts in found)
            yield _row(found[0], f"{found[0][0].period} – {found[-1][0].period}", _coloured("overdue", f"{count} overdue"))
        else:
            yield from (_row(parts, parts[0].period, _said(parts)) for parts in found)


def _row(parts: Sequence[DeliveryStanding], periods: str, said: str) -> tuple[str, ...]:
    """A period with all the parts that are owed of it; how late is the latest of them."""
    first = parts[0]
    came = solar_hijri_day(day_in_iran(first.received_at)) if first.received_at and len(parts) == 1 else "–"
    late = max(standing.days_late for standing in parts)
    sent, refused = (sum(getattr(standing, name) for standing in parts) for name in ("accepted", "refused"))
    return periods, solar_hijri_day(first.due_day), said, str(late or ""), came, str(sent or ""), str(refused or "")


def _said(parts: Sequence[DeliveryStanding]) -> str:
    """The state of a period; of several parts each with its number, the worst first."""
    if len(parts) == 1:
        [standing] = parts
        return _coloured(standing.state, f"{standing.state} ({standing.reason})" if standing.reason else standing.state)
    by_state = _grouped(parts, lambda standing: standing.state)
    worst_first = sorted(by_state, key=_WORST_FIRST.index)
    return ", ".join(_coloured(state, f"{len(by_state[state])} {state}{_units(state, by_state[state])}") for state in worst_first)


def _units(state: str, standings: Sequence[DeliveryStanding]) -> str:
    """Which units they are, where they are few and somebody has to ask them."""
    if state in ("on time", "not due") or len(standings) > _NAMED_UNITS:
        return ""
    return f" ({' '.join(standing.unit for standing in standings)})"


def _print_units(dataset: Dataset, standings: Sequence[DeliveryStanding]) -> None:
    """Each reporting unit with its name, over all the periods that are shown."""
    units = dataset.newest.reporting_units
    labels = {code.code: code.label_en for code in units.codes} if units else {}
    by_unit = _grouped(standings, lambda standing: standing.unit)
    rows = [(f"{unit} {labels.get(unit, '')}", *_cells(found)) for unit, found in by_unit.items()]
    print_table(f"reporting units of {dataset.key}", ("unit", *_COLUMNS), rows)


def _tell_unannounced(house: House, standings: Sequence[DeliveryStanding]) -> None:
    """That due days may yet move, where the holidays of their year were not announced."""
    years = {solar_hijri_day(standing.due_day)[:4] for standing in standings}
    unknown = sorted(years - {str(year) for year in house.configuration.holidays.announced_years})
    if unknown:
        what = "their due days move for the weekend and the yearly holidays alone; add the announced days to holidays.yaml"
        console.print(f"no lunar holidays of {', '.join(unknown)} are configured: {what}", highlight=False, soft_wrap=True)
