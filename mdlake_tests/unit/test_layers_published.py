"""Columns of the layers and their lineage, pseudonyms, and generalization on publication against a plain reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slow_reading import solar_month

from mdlake.config import LAYERS, Column, Configuration, Contract, Generalization
from mdlake.errors import UnknownName
from mdlake.layers import layer_columns, layer_order, layer_schema, pseudonymize, publish
from mdlake.pseudonyms import InProcessKeyedHash, KeyFile, KeyUse, derive_key, pseudonym_of
from mdlake.standard import Period

unhurried = settings(deadline=None, max_examples=60)

BELOW = {"published": "pseudonymized", "pseudonymized": "standardized", "standardized": "raw", "quarantine": "raw"}


def contracts(configuration: Configuration) -> Iterator[Contract]:
    """Every version of every dataset of the ministry."""
    return (version for dataset in configuration.datasets.values() for version in dataset.versions)


# ── columns and lineage ──────────────────────────────────────────────────────────────────────────────────────────────


def origins(contract: Contract, layer: str, name: str) -> set[str]:
    """The raw columns that a column is made of, all the way down."""
    if layer == "raw":
        return {name}
    (column,) = [c for c in layer_columns(contract, layer) if c.name == name]
    below = BELOW[layer]
    assert set(column.sources) <= set(layer_schema(contract, below).names()), f"{layer}.{name} has sources that {below} lacks"
    return set().union(*(origins(contract, below, source) for source in column.sources))


def test_the_lineage_of_every_published_column_leads_to_columns_of_the_contract(configuration: Configuration) -> None:
    for contract in contracts(configuration):
        for column in layer_columns(contract, "published"):
            found = origins(contract, "published", column.name)
            assert found, column.name
            assert found <= set(contract.by_name), column.name
            assert all(contract.column(name).publish.action != "drop" for name in found)


def test_no_column_that_stays_secure_is_a_source_of_anything_in_the_research_zone(configuration: Configuration) -> None:
    assert any(c.stays_secure for c in configuration.dataset("sso/insured_contributions").newest.columns)
    for contract in contracts(configuration):
        secret = {c.name for c in contract.columns if c.stays_secure}
        for layer in ("pseudonymized", "published"):
            for column in layer_columns(contract, layer):
                assert not origins(contract, layer, column.name) & secret, f"{layer}.{column.name}"


def test_an_identifier_is_in_the_research_zone_by_its_pseudonym_alone(configuration: Configuration) -> None:
    for contract in contracts(configuration):
        identifiers = {c.name for c in contract.columns if c.identifier}
        for layer in ("pseudonymized", "published"):
            assert not identifiers & set(layer_schema(contract, layer).names())
        assert {c.pseudonym for c in contract.linked} <= set(layer_schema(contract, "pseudonymized").names())


def test_every_layer_has_labels_in_both_languages_and_leads_its_order_by_columns_that_it_has(
    configuration: Configuration,
) -> None:
    for contract in contracts(configuration):
        for layer in (*LAYERS, "quarantine"):
            columns = layer_columns(contract, layer)
            assert len({c.name for c in columns}) == len(columns)
            assert all(c.label.fa and c.label.en and c.name.isascii() for c in columns)
            order = layer_order(contract, layer)
            assert order
            assert set(order) <= {c.name for c in columns}
            if layer in ("pseudonymized", "published"):
                assert order[0].endswith("_pseudonym"), "an order by anything else would tell of the delivery"


def test_an_unknown_layer_is_named_with_those_that_exist(configuration: Configuration) -> None:
    with pytest.raises(UnknownName, match="pseudonymized, published, quarantine, raw, standardized"):
        layer_columns(next(contracts(configuration)), "bronze")


# ── pseudonyms ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_batch_is_pseudonymized_by_the_plain_definition_and_loses_what_stays_secure(
    configuration: Configuration, tmp_path: Any
) -> None:
    contract = configuration.dataset("sso/insured_contributions").newest
    ring = KeyFile(tmp_path / "keys" / "ring.json").create("2024-06-01T08:00:00+00:00")
    uses: list[KeyUse] = []
    keyed = InProcessKeyedHash(KeyFile(tmp_path / "keys" / "ring.json"), uses.append)
    codes = ["0499370899", "0076229645", "0499370899", "1583250689"]
    rows = pl.DataFrame(
        {
            "national_code": codes,
            "insurance_number": ["12345678", None, "0499370899", None],
            "insurance_number_unlinkable": [None, "missing", None, "not_digits"],
            "first_name": ["علی"] * 4,
            "workplace_code": ["0010100171"] * 4,
            "days_worked": [31, 0, 15, 7],
        }
    )
    missing = {
        name: pl.lit(None, dtype) for name, dtype in layer_schema(contract, "standardized").items() if name not in rows.columns
    }
    batch = rows.with_columns(**missing).select(layer_schema(contract, "standardized").names())
    done = pseudonymize(batch, contract, keyed, "run-1")
    assert done.schema == layer_schema(contract, "pseudonymized")
    for name, marker in (("national_code", "nat"), ("insurance_number", "ins"), ("workplace_code", "wrk")):
        key = derive_key(ring.current.root, f"warehouse/{name}")
        expected = [None if code is None else pseudonym_of(key, marker, 1, code) for code in batch[name]]
        assert done[f"{name}_pseudonym"].to_list() == expected
    assert done["insurance_number_unlinkable"].to_list() == [None, "missing", None, "not_digits"]
    assert done["national_code_pseudonym"][0] == done["national_code_pseudonym"][2]
    # equal digits of another type are another person
    assert done["insurance_number_pseudonym"][2].split("_")[1] != done["national_code_pseudonym"][2].split("_")[1]
    assert sorted((use.path, use.epoch, use.count, use.run) for use in uses) == [
        ("warehouse/insurance_number", 1, 2, "run-1"),
        ("warehouse/national_code", 1, 4, "run-1"),
        ("warehouse/workplace_code", 1, 4, "run-1"),
    ]


# ── generalization ───────────────────────────────────────────────────────────────────────────────────────────────────


def contract_of(configuration: Configuration, name: str, action: str, width: int | None, **other: Any) -> Contract:
    """A contract of one column, published in another way."""
    contract = configuration.dataset("sso/insured_contributions").newest
    publication = Generalization(action=action, width=width)  # type: ignore[arg-type]
    column: Column = replace(contract.column(name), publish=publication, **other)
    return replace(contract, columns=(column,), unit_key=(), agreements=(), edits=())


def published(contract: Contract, values: list[Any]) -> tuple[str, list[Any]]:
    """The name and the values of the one column after publication."""
    schema = layer_schema(contract, "pseudonymized")
    frame = pl.DataFrame({name: pl.Series(values, dtype=dtype) for name, dtype in schema.items()})
    done = publish(frame.lazy(), contract).collect()
    assert done.schema == layer_schema(contract, "published")
    (name,) = done.columns
    return name, done[name].to_list()


def never_widens(before: list[Any], after: list[Any]) -> None:
    """A published value is a function of the value and says no more: no two from one, nothing from a blank."""
    assert len(before) == len(after)
    seen: dict[Any, Any] = {}
    for value, shown in zip(before, after, strict=True):
        assert seen.setdefault(value, shown) == shown
        assert (value is None) == (shown is None)
    assert len(set(after)) <= len(set(before))


numbers = st.lists(st.none() | st.integers(-(10**15), 10**15), max_size=30)
days = st.lists(st.none() | st.dates(Period.parse("1206").first_day, Period.parse("1500").last_day), max_size=30)


@unhurried
@given(days)
@example([date(2024, 3, 19), date(2024, 3, 20), date(2025, 3, 20), date(2025, 3, 21), None])
def test_a_date_is_published_as_the_year_and_month_of_persiantools(
    configuration: Configuration, values: list[date | None]
) -> None:
    name, shown = published(contract_of(configuration, "birth_date", "year_month", None), values)
    assert name == "birth_date_month"
    assert shown == [solar_month(day) for day in values]
    never_widens(values, shown)


@unhurried
@given(days)
def test_a_date_is_published_as_the_year_of_persiantools(configuration: Configuration, values: list[date | None]) -> None:
    name, shown = published(contract_of(configuration, "birth_date", "year", None), values)
    assert name == "birth_date_year"
    assert shown == [None if day is None else int(str(solar_month(day))[:4]) for day in values]
    never_widens(values, shown)


def test_a_month_is_published_as_its_year(configuration: Configuration) -> None:
    assert published(contract_of(configuration, "list_month", "year", None), ["1403-12", None]) == (
        "list_month_year",
        [1403, None],
    )


@unhurried
@given(numbers, st.integers(1, 10_000_000))
@example([-1, 0, 4, 5, 9, 10, None], 5)
def test_a_band_is_the_largest_multiple_of_its_width_that_is_not_above_the_value(
    configuration: Configuration, values: list[int | None], width: int
) -> None:
    name, shown = published(contract_of(configuration, "premium", "band", width), values)
    assert name == "premium_band"
    assert shown == [None if value is None else value - value % width for value in values]
    never_widens(values, shown)


@unhurried
@given(numbers, st.integers(1, 10**15))
def test_a_top_code_is_the_value_or_the_top_and_a_blank_stays_blank(
    configuration: Configuration, values: list[int | None], top: int
) -> None:
    name, shown = published(contract_of(configuration, "premium", "top_code", top), values)
    assert name == "premium"
    assert shown == [None if value is None else min(value, top) for value in values]
    never_widens(values, shown)


@unhurried
@given(st.lists(st.none() | st.text(min_size=1, max_size=6), max_size=20), st.integers(1, 4))
def test_a_prefix_is_counted_in_characters_and_not_in_bytes(
    configuration: Configuration, values: list[str | None], width: int
) -> None:
    name, shown = published(contract_of(configuration, "occupation", "prefix", width), values)
    assert name == "occupation"
    assert shown == [None if value is None else value[:width] for value in values]
    never_widens(values, shown)


@pytest.mark.parametrize("action", ["keep", "drop"])
def test_a_column_is_kept_as_it_is_or_dropped_whole(configuration: Configuration, action: str) -> None:
    contract = configuration.dataset("sso/insured_contributions").newest
    columns = tuple(
        replace(c, publish=Generalization(action=action)) if c.name == "premium" else c  # type: ignore[arg-type]
        for c in contract.columns
    )
    changed = replace(contract, columns=columns)
    frame = pl.DataFrame(schema=layer_schema(changed, "pseudonymized"))
    done = publish(frame.lazy(), changed).collect()
    assert ("premium" in done.columns) == (action == "keep")
    assert done.schema == layer_schema(changed, "published")
