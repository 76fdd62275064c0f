"""Every rule of every layer: sound data passes it, a named mutation of the data fails it, and its counts are those of a slow
recomputation in plain Python. A rule without a mutation or without a recomputation here fails its test.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean, median
from typing import Any

import polars as pl
import pytest
from slow_reading import Reading, read

from mdlake.config import Comparison, Composition, Configuration, Contract, Requirement, RuleSetting
from mdlake.exchange import Form, read_header, read_rows
from mdlake.lake import canonical_order
from mdlake.layers import (
    MALFORMED,
    ROW,
    Duplicates,
    layer_order,
    layer_schema,
    match_headers,
    pseudonymize,
    publish,
    standardize_batch,
)
from mdlake.principles import RULES, RuleResult, Subject, evaluate, outcome_of
from mdlake.pseudonyms import InProcessKeyedHash, KeyedHash, KeyFile
from mdlake.standard import Classification, Code, Period, parse_date
from mdlake.synthetic import Ministry

ASKED = [(rule.name, layer) for rule in RULES.values() for layer in sorted(rule.layers)]

Parts = dict[str, tuple[float, float]]


# ── a sound month, without lake, ledger or Dagster ───────────────────────────────────────────────────────────────────


@dataclass
class File:
    """A delivered CSV file as lists of text."""

    header: list[str]
    rows: list[list[str]]

    def set(self, column: str, value: str | Callable[[str], str], every: int = 1) -> None:
        """Another value of a column in every n-th row."""
        at = self.header.index(column)
        for row in self.rows[::every]:
            row[at] = value if isinstance(value, str) else value(row[at])


def filled(rows: pl.DataFrame) -> dict[str, int]:
    """Values that are not missing, by column, counted anew."""
    return rows.select(pl.all().count()).row(0, named=True)


@dataclass
class Month:
    """A file on its way through the four layers."""

    folder: Path
    contract: Contract
    period: Period
    keyed_hash: KeyedHash
    file: File
    declared: int
    previous: pl.DataFrame | None = None
    registers: Mapping[str, pl.LazyFrame] | None = None

    @cached_property
    def subjects(self) -> dict[str, Subject]:
        """The partition of each layer with all that its rules may look at."""
        path = self.folder / "mutated.csv"
        with path.open("w", encoding="utf-8", newline="") as target:
            csv.writer(target, lineterminator="\n").writerows([self.file.header, *self.file.rows])
        form = Form("csv", "utf-8", ",")
        match = match_headers(read_header(path, form), self.contract)
        names = [name for name in match.names if name]
        raw = pl.concat(read_rows(path, form, names, 10**6, strictly=True)).select(layer_schema(self.contract, "raw").names())
        done = standardize_batch(raw, self.contract, self.period, Duplicates(self.contract.unit_key))
        hidden = self._ordered("pseudonymized", pseudonymize(done.rows, self.contract, self.keyed_hash, "run"))
        shown = self._ordered("published", publish(hidden.lazy(), self.contract).collect())
        return {
            "raw": self._subject("raw", raw, None, declared_rows=self.declared, by_alias=match.by_alias),
            "standardized": self._subject(
                "standardized",
                done.rows,
                raw,
                quarantined_count=done.quarantine.height,
                tally=done.tally,
                previous=None if self.previous is None else self.previous.lazy(),
                previous_count=0 if self.previous is None else self.previous.height,
                registers=self.registers or {},
            ),
            "pseudonymized": self._subject("pseudonymized", hidden, done.rows, epoch=self.keyed_hash.epoch),
            "published": self._subject("published", shown, hidden),
        }

    def _ordered(self, layer: str, rows: pl.DataFrame) -> pl.DataFrame:
        return canonical_order(rows, layer_order(self.contract, layer))

    def _subject(self, layer: str, rows: pl.DataFrame, below: pl.DataFrame | None, **other: Any) -> Subject:
        if below is not None:
            other |= {"below": below.lazy(), "below_count": below.height}
        return Subject(layer, self.contract, self.period, rows.lazy(), rows.height, filled(rows), **other)


@pytest.fixture(scope="module")
def month(configuration: Configuration, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Month]:
    """Makes the sound month afresh: 1403-02 of the list of insured, with the month before and the register of workplaces."""
    folder = tmp_path_factory.mktemp("months")
    KeyFile(folder / "ring.json").create("2024-06-01T08:00:00+00:00")
    keyed_hash = InProcessKeyedHash(KeyFile(folder / "ring.json"), lambda use: None)
    ministry = Ministry(persons=500, workplaces=60, seed=1)

    def sound(key: str, period: str, **other: Any) -> Month:
        none = dict.fromkeys(ministry.defect_rates(key), 0.0)
        delivered = ministry.deliver(key, period, folder, defects=none)
        with delivered.csv_path.open(encoding="utf-8-sig", newline="") as source:
            header, *rows = csv.reader(source)
        contract = configuration.dataset(key).contract(Period.parse(period))
        return Month(folder, contract, Period.parse(period), keyed_hash, File(header, rows), delivered.rows, **other)

    previous = sound("sso/insured_contributions", "1403-01").subjects["standardized"].rows.collect()
    register = {"sso/workplaces": sound("sso/workplaces", "1403-01").subjects["standardized"].rows}
    return lambda: sound("sso/insured_contributions", "1403-02", previous=previous, registers=register)


@pytest.fixture(scope="module")
def sound(month: Callable[[], Month]) -> Mapping[str, Subject]:
    """The subjects of the sound month."""
    return month().subjects


# ── the mutations ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Mutation:
    """What goes wrong, in words, and how: in the delivered file, or in what the rule compares."""

    name: str
    in_file: Callable[[File], None] | None = None
    in_subject: Callable[[Subject], Subject] | None = None


def _wrong_check_digit(code: str) -> str:
    digits = code.strip().translate(str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789"))
    return digits[:-1] + str((int(digits[-1]) + 1) % 10)


def _number(text: str) -> int:
    return int(text.strip())


def _cut_off(file: File) -> None:
    del file.rows[-3:]


def _a_field_too_many(file: File) -> None:
    for row in file.rows[::50]:
        row.append("")


def _by_alias(file: File) -> None:
    file.header[file.header.index("کد ملی")] = "شماره ملی"


def _written_twice(file: File) -> None:
    file.rows += [list(row) for row in file.rows[::10]]


def _twice_with_another_wage(file: File) -> None:
    again = File(file.header, [list(row) for row in file.rows[::50]])
    again.set("دستمزد روزانه", lambda wage: str(_number(wage) + 1))
    file.rows += again.rows


def _two_persons_of_one_code(file: File) -> None:
    at = file.header.index("کد ملی")
    for one, other in zip(file.rows[::20], file.rows[1::20], strict=False):
        other[at] = one[at]


def _half_is_missing(file: File) -> None:
    del file.rows[::2]


def _premium_above_the_wage(file: File) -> None:
    wage, premium = file.header.index("دستمزد مشمول"), file.header.index("حق بیمه")
    for row in file.rows[::25]:
        row[premium] = str(_number(row[wage]) + 1)


def _one_row_less(subject: Subject) -> Subject:
    return replace(subject, rows=subject.rows.slice(1), row_count=subject.row_count - 1)


def _without_shared_variables(subject: Subject) -> Subject:
    columns = tuple(replace(column, variable=None) for column in subject.contract.columns)
    return replace(subject, contract=replace(subject.contract, columns=columns))


def _an_end_is_required_of_some(subject: Subject) -> Subject:
    required = Requirement(column="job_end", where="sex", among=("2",))
    return replace(subject, contract=replace(subject.contract, requirements=(required,)))


def _a_name_slips_through(subject: Subject) -> Subject:
    return replace(subject, rows=subject.rows.with_columns(first_name=pl.lit("علی")))


def _another_epoch(subject: Subject) -> Subject:
    name = "national_code_pseudonym"
    other = pl.when(pl.int_range(pl.len()) == 0).then(pl.col(name).str.replace("nat1_", "nat2_")).otherwise(name)
    return replace(subject, rows=subject.rows.with_columns(other.alias(name)))


def _one_rial_more(subject: Subject) -> Subject:
    more = (pl.int_range(pl.len()) == 0).cast(pl.Int64)
    return replace(subject, rows=subject.rows.with_columns(pl.col("premium") + more))


def _an_occupation_or_an_end(subject: Subject) -> Subject:
    return replace(subject, contract=replace(subject.contract, alternatives=(("occupation", "job_end"),)))


def _a_place_of_one_woman(subject: Subject) -> Subject:
    composed = Composition(unit="workplace_code", column="sex", code="2")
    return replace(subject, contract=replace(subject.contract, compositions=(composed,)))


def _two_units_did_not_send(subject: Subject) -> Subject:
    units = Classification("unit", "واحد", "unit", tuple(Code(f"{number:02}", "واحد", "unit") for number in range(31)))
    sent = frozenset(code.code for code in units.codes) - {"05", "17"}
    return replace(subject, contract=replace(subject.contract, reporting_units=units), delivered_units=sent)


def _two_units_came_late(subject: Subject) -> Subject:
    return replace(subject, days_late={f"{number:02}": {5: 9, 17: 40}.get(number, 0) for number in range(31)})


def _first_half_is_of_men(subject: Subject) -> Subject:
    contract = replace(subject.contract, reporting_unit_column="sex")
    middle = subject.row_count // 2
    return replace(subject, contract=contract, unit_rows={"1": (1, middle), "2": (middle + 1, 2 * subject.row_count)})


MUTATIONS: Mapping[tuple[str, str], Mutation] = {
    ("declared_rows", "raw"): Mutation("the file is cut off", _cut_off),
    ("well_formed_rows", "raw"): Mutation("lines have a field too many", _a_field_too_many),
    ("headers_as_contracted", "raw"): Mutation("a header is an alias", _by_alias),
    ("filled_columns", "raw"): Mutation("a column is empty throughout", lambda file: file.set("تاریخ شروع به کار", "")),
    ("reporting_units_complete", "raw"): Mutation("two units did not send", in_subject=_two_units_did_not_send),
    ("punctual", "raw"): Mutation("two units came late", in_subject=_two_units_came_late),
    ("rows_accounted", "standardized"): Mutation("a row is lost", in_subject=_one_row_less),
    ("identifiers_valid", "standardized"): Mutation("wrong check digits", lambda f: f.set("کد ملی", _wrong_check_digit, 20)),
    ("values_readable", "standardized"): Mutation("words for wages", lambda file: file.set("دستمزد روزانه", "نامشخص", 25)),
    ("codes_valid", "standardized"): Mutation("a sex that is no code", lambda file: file.set("جنسیت", "9", 25)),
    ("unit_unique", "standardized"): Mutation("units twice with other wages", _twice_with_another_wage),
    ("reference_period", "standardized"): Mutation("rows of the month before", lambda f: f.set("دوره لیست", "1403/01", 200)),
    ("rows_of_their_unit", "standardized"): Mutation("men and women in turn", in_subject=_first_half_is_of_men),
    ("writing_edits", "standardized"): Mutation("dates by dashes", lambda f: f.set("تاریخ تولد", "1370-5-1")),
    ("shared_variables", "standardized"): Mutation("no variable is shared", in_subject=_without_shared_variables),
    ("linkable_rows", "standardized"): Mutation("no insurance numbers", lambda file: file.set("شماره بیمه", "", 20)),
    ("foreign_keys", "standardized"): Mutation("unknown workplaces", lambda file: file.set("کد کارگاه", "9999999999", 5)),
    ("one_code_one_unit", "standardized"): Mutation("two persons of one code", _two_persons_of_one_code),
    ("rows_against_previous", "standardized"): Mutation("half of the file is missing", _half_is_missing),
    ("means_against_previous", "standardized"): Mutation(
        "toman for rial", lambda file: file.set("دستمزد مشمول", lambda wage: str(_number(wage) // 10))
    ),
    ("shares_against_previous", "standardized"): Mutation("one occupation for all", lambda file: file.set("کد شغل", "22")),
    ("stable_attributes", "standardized"): Mutation("other birth dates", lambda f: f.set("تاریخ تولد", "1350/01/01", 10)),
    ("completeness", "standardized"): Mutation("a date is left out", lambda file: file.set("تاریخ شروع به کار", "", 10)),
    ("quarantined_rows", "standardized"): Mutation("many wrong codes", lambda f: f.set("کد ملی", _wrong_check_digit, 10)),
    ("duplicate_rows", "standardized"): Mutation("rows are written twice", _written_twice),
    ("ranges", "standardized"): Mutation("45 days of work", lambda file: file.set("روزهای کارکرد", "45", 50)),
    ("logical_edits", "standardized"): Mutation("a premium above the wage", _premium_above_the_wage),
    ("required_when", "standardized"): Mutation("an end that some need", in_subject=_an_end_is_required_of_some),
    ("exactly_one_filled", "standardized"): Mutation("one or the other", in_subject=_an_occupation_or_an_end),
    ("compositions", "standardized"): Mutation("places must have one woman", in_subject=_a_place_of_one_woman),
    ("outliers", "standardized"): Mutation(
        "wages with six zeros more", lambda file: file.set("دستمزد روزانه", lambda wage: wage.strip() + "000000", 50)
    ),
    ("heaping", "standardized"): Mutation("wages by the million", lambda file: file.set("دستمزد روزانه", "3000000")),
    ("rows_carried", "pseudonymized"): Mutation("a row is lost", in_subject=_one_row_less),
    ("rows_carried", "published"): Mutation("a row is lost", in_subject=_one_row_less),
    ("key_epoch_uniform", "pseudonymized"): Mutation("a pseudonym of another epoch", in_subject=_another_epoch),
    ("columns_as_contracted", "pseudonymized"): Mutation("a name slips through", in_subject=_a_name_slips_through),
    ("columns_as_contracted", "published"): Mutation("a name slips through", in_subject=_a_name_slips_through),
    ("totals_carried", "pseudonymized"): Mutation("one rial more", in_subject=_one_rial_more),
    ("totals_carried", "published"): Mutation("one rial more", in_subject=_one_rial_more),
}


def mutated(month: Callable[[], Month], rule: str, layer: str) -> Subject:
    """The subject of a layer after the mutation of a rule."""
    if (rule, layer) not in MUTATIONS:
        pytest.fail(f"write a mutation that the rule {rule} finds on {layer}")
    mutation = MUTATIONS[rule, layer]
    made = month()
    if mutation.in_file:
        mutation.in_file(made.file)
    subject = made.subjects[layer]
    return mutation.in_subject(subject) if mutation.in_subject else subject


def answer(rule: str, subject: Subject, **setting: Any) -> RuleResult:
    """The rule's answer, under another severity or threshold where one is given."""
    contract = subject.contract
    changed = RuleSetting(**{**contract.rules[rule].model_dump(), **setting})
    (result,) = evaluate([RULES[rule]], replace(subject, contract=replace(contract, rules={**contract.rules, rule: changed})))
    return result


@pytest.mark.parametrize(("rule", "layer"), ASKED)
def test_sound_data_passes_the_rule_and_its_mutation_fails_it(
    rule: str, layer: str, sound: Mapping[str, Subject], month: Callable[[], Month]
) -> None:
    assert answer(rule, sound[layer]).passed
    bad = mutated(month, rule, layer)
    found = answer(rule, bad)
    assert not found.passed, MUTATIONS[rule, layer].name
    assert found.parts
    assert found.share > found.threshold
    # what follows is the severity's matter alone
    assert outcome_of([answer(rule, bad, severity="error")]) == "refused"
    assert outcome_of([answer(rule, bad, severity="warn")]) == "passed_with_warnings"
    expected = {"error": "refused", "warn": "passed_with_warnings"}[bad.contract.rules[rule].severity]
    assert outcome_of([found]) == expected
    # a share of exactly the threshold still passes
    assert answer(rule, bad, threshold=found.share).passed
    assert not answer(rule, bad, threshold=math.nextafter(found.share, 0)).passed


@pytest.mark.parametrize(("rule", "layer"), ASKED)
def test_a_partition_that_memory_does_not_hold_is_judged_alike(
    rule: str, layer: str, sound: Mapping[str, Subject], month: Callable[[], Month], monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = (sound[layer], mutated(month, rule, layer))
    held = [answer(rule, subject) for subject in subjects]
    monkeypatch.setattr("mdlake.principles.verdict._ROWS_IN_MEMORY", 0)
    assert [answer(rule, subject) for subject in subjects] == held


def test_a_sound_month_passes_every_rule_of_every_layer(sound: Mapping[str, Subject]) -> None:
    for subject in sound.values():
        results = evaluate(RULES.values(), subject)
        assert {result.rule for result in results} == {rule for rule, layer in ASKED if layer == subject.layer}
        assert outcome_of(results) == "passed", [result.rule for result in results if not result.passed]


# ── the counts ───────────────────────────────────────────────────────────────────────────────────────────────────────


def rows_of(frame: pl.LazyFrame | None) -> list[dict[str, Any]]:
    """A frame as plain rows."""
    return [] if frame is None else frame.collect().to_dicts()


def readings_of(subject: Subject) -> Iterator[dict[str, Reading]]:
    """Every well-formed delivered row, each value by the slow reading."""
    for row in rows_of(subject.below):
        if row[MALFORMED] is None:
            yield {c.name: read(row[c.name], c, subject.period) for c in subject.contract.columns}


def _faults(*types: str) -> Callable[[Subject], Parts]:
    def count(subject: Subject) -> Parts:
        delivered = len(rows_of(subject.below))
        parts: Parts = {c.name: (delivered, 0) for c in subject.contract.columns if c.type in types}
        for readings in readings_of(subject):
            for name, reading in readings.items():
                if name in parts and reading.fault:
                    parts[name] = (delivered, parts[name][1] + 1)
        return parts

    return count


def _edits(subject: Subject) -> Parts:
    counted = Counter(name for readings in readings_of(subject) for name, reading in readings.items() if reading.edited)
    return {name: (len(rows_of(subject.below)), count) for name, count in counted.items()}


def _set_aside(subject: Subject, duplicates: bool) -> Parts:
    """Rows that leave for a fault, or because an accepted one says the same."""
    seen: set[tuple[Any, ...]] = set()
    bad = again = 0
    quarantining = {c.name for c in subject.contract.columns if c.on_invalid == "quarantine"}
    for readings in readings_of(subject):
        said = tuple((r.value, r.fault) for r in readings.values())
        if any(readings[name].fault for name in quarantining):
            bad += 1
        elif said in seen:
            again += 1
        seen.add(said)
    malformed = sum(1 for row in rows_of(subject.below) if row[MALFORMED] is not None)
    return {"rows": (len(rows_of(subject.below)), again if duplicates else bad + malformed)}


def _unit_unique(subject: Subject) -> Parts:
    keys = [tuple(row[name] for name in subject.contract.unit_key) for row in rows_of(subject.rows)]
    return {"+".join(subject.contract.unit_key): (len(keys), len(keys) - len(set(keys)))}


def _reference_period(subject: Subject) -> Parts:
    stated = [row["list_month"] for row in rows_of(subject.rows) if row["list_month"] is not None]
    return {"list_month": (len(stated), sum(1 for month in stated if month != subject.period.key))}


def _blank(*, linked: bool) -> Callable[[Subject], Parts]:
    def count(subject: Subject) -> Parts:
        rows = rows_of(subject.rows)
        columns = subject.contract.linked if linked else subject.contract.columns
        return {c.name: (len(rows), sum(1 for row in rows if row[c.name] is None)) for c in columns if c.required}

    return count


def _foreign_keys(subject: Subject) -> Parts:
    known = {row["workplace_code"] for row in rows_of(subject.registers["sso/workplaces"])}
    used = [row["workplace_code"] for row in rows_of(subject.rows) if row["workplace_code"] is not None]
    return {"workplace_code→sso/workplaces": (len(used), sum(1 for code in used if code not in known))}


def _one_code_one_unit(subject: Subject) -> Parts:
    stated = defaultdict(set)
    for row in rows_of(subject.rows):
        if None not in (row["national_code"], row["birth_date"], row["sex"]):
            stated[row["national_code"]].add((row["birth_date"], row["sex"]))
    return {"birth_date+sex": (len(stated), sum(1 for said in stated.values() if len(said) > 1))}


def _stable_attributes(subject: Subject) -> Parts:
    def first(frame: pl.LazyFrame | None) -> dict[str, tuple[Any, Any]]:
        said: dict[str, tuple[Any, Any]] = {}
        for row in rows_of(frame):
            if None not in (row["national_code"], row["birth_date"], row["sex"]):
                said.setdefault(row["national_code"], (row["birth_date"], row["sex"]))
        return said

    now, then = first(subject.rows), first(subject.previous)
    both = now.keys() & then.keys()
    return {"birth_date+sex": (len(both), sum(1 for code in both if now[code] != then[code]))}


MEASURES = ("days_worked", "daily_wage", "insurable_wage", "premium")


def _means(subject: Subject) -> Parts:
    now, then = rows_of(subject.rows), rows_of(subject.previous)
    parts: Parts = {}
    for name in MEASURES:
        mean, before = (fmean(row[name] for row in rows if row[name] is not None) for rows in (now, then))
        parts[name] = (10_000, 10_000 * abs(mean - before) / before)
    return parts


def _shares(subject: Subject) -> Parts:
    now, then = rows_of(subject.rows), rows_of(subject.previous)
    parts: Parts = {}
    for name in ("sex", "nationality", "occupation"):
        share, before = (Counter(row[name] for row in rows) for rows in (now, then))
        distance = sum(abs(share[code] / len(now) - before[code] / len(then)) for code in share | before) / 2
        parts[name] = (len(now), distance * len(now))
    return parts


def _totals(subject: Subject) -> Parts:
    here, there = rows_of(subject.rows), rows_of(subject.below)

    def told(rows: list[dict[str, Any]], name: str) -> tuple[int, int]:
        values = [row[name] for row in rows if row[name] is not None]
        return sum(values), len(values)

    return {name: (1, told(here, name) != told(there, name)) for name in MEASURES}


def _ranges(subject: Subject) -> Parts:
    bounds = {"days_worked": 31, "daily_wage": math.inf, "insurable_wage": math.inf, "premium": math.inf}
    rows = rows_of(subject.rows)
    values = {name: [row[name] for row in rows if row[name] is not None] for name in bounds}
    return {name: (len(values[name]), sum(1 for v in values[name] if not 0 <= v <= top)) for name, top in bounds.items()}


def _logical_edits(subject: Subject) -> Parts:
    rows = rows_of(subject.rows)
    parts: Parts = {}
    for left, right in (("job_start", "job_end"), ("premium", "insurable_wage")):
        broken = [r for r in rows if r[left] is not None and r[right] is not None and r[left] > r[right]]
        parts[f"{left} <= {right}"] = (len(rows), len(broken))
    return parts


def _required_when(subject: Subject) -> Parts:
    rows = rows_of(subject.rows)
    return {
        f"{asked.column} when {asked.where} is {'|'.join(asked.among)}": (
            len(rows),
            sum(1 for row in rows if row[asked.where] in asked.among and row[asked.column] is None),
        )
        for asked in subject.contract.requirements
    }


def _rows_of_their_unit(subject: Subject) -> Parts:
    name, parts = subject.contract.reporting_unit_column, dict[str, tuple[float, float]]()
    for unit, (first, last) in subject.unit_rows.items() if name else ():
        rows = rows_of(subject.rows)
        others = [row for row in rows if first <= row[ROW] <= last and row[name] not in (unit, None)]
        parts[f"unit {unit}"] = (len(rows), len(others))
    return parts


def _exactly_one_filled(subject: Subject) -> Parts:
    rows = rows_of(subject.rows)
    return {
        f"one of {', '.join(names)}": (len(rows), sum(1 for row in rows if [row[n] is None for n in names].count(False) != 1))
        for names in subject.contract.alternatives
    }


def _compositions(subject: Subject) -> Parts:
    parts: Parts = {}
    for composition in subject.contract.compositions:
        with_code: dict[str, int] = {}
        for row in rows_of(subject.rows):
            unit = row[composition.unit]
            if unit is not None:
                with_code[unit] = with_code.get(unit, 0) + (row[composition.column] == composition.code)
        failed = sum(1 for count in with_code.values() if count != 1)
        parts[f"one {composition.column} {composition.code} in {composition.unit}"] = (len(with_code), failed)
    return parts


def _reporting_units_complete(subject: Subject) -> Parts:
    units = subject.contract.reporting_units
    if units is None:
        return {}
    missing = [code.code for code in units.codes if code.code not in subject.delivered_units]
    return {f"units {', '.join(missing)}": (len(units.codes), len(missing))}


def _punctual(subject: Subject) -> Parts:
    late = sorted(unit for unit, days in subject.days_late.items() if days > 0)
    most = max(subject.days_late.values(), default=0)
    return {f"units {', '.join(late)}, up to {most} days": (len(subject.days_late), len(late))}


AMOUNTS = ("daily_wage", "insurable_wage", "premium")


def _outliers(subject: Subject) -> Parts:
    rows = rows_of(subject.rows)
    parts: Parts = {}
    for name in AMOUNTS:
        logs = [math.log(row[name]) for row in rows if row[name] is not None and row[name] > 0]
        middle = median(logs)
        spread = median(abs(value - middle) for value in logs)
        parts[name] = (len(logs), sum(1 for value in logs if abs(value - middle) > 6 * 1.4826 * spread))
    return parts


def _heaping(subject: Subject) -> Parts:
    rows = rows_of(subject.rows)
    positive = {name: [row[name] for row in rows if row[name] is not None and row[name] > 0] for name in AMOUNTS}
    return {name: (len(values), sum(1 for value in values if value % 1_000_000 == 0)) for name, values in positive.items()}


def _key_epoch_uniform(subject: Subject) -> Parts:
    parts: Parts = {}
    for name, marker in (("national_code", "nat"), ("insurance_number", "ins"), ("workplace_code", "wrk")):
        said = [v for row in rows_of(subject.rows) if (v := row[f"{name}_pseudonym"]) is not None]
        right = [v for v in said if v[:5] == f"{marker}1_" and len(v) == 37]
        parts[f"{name}_pseudonym"] = (len(said), len(said) - len(right))
    return parts


def _columns_as_contracted(subject: Subject) -> Parts:
    wanted = layer_schema(subject.contract, subject.layer).names()
    found = subject.rows.collect()
    parts: Parts = {"columns": (len(wanted), len(set(wanted) - set(found.columns)))}
    extra = set(found.columns) - set(wanted)
    return parts | {name: (1, any(value is not None for value in found[name])) for name in extra}


def _filled_columns(subject: Subject) -> Parts:
    rows = rows_of(subject.rows)
    return {c.name: (1, all(row[c.name] is None for row in rows)) for c in subject.contract.columns if c.required}


def _difference(left: str, right: str) -> Callable[[Subject], Parts]:
    def count(subject: Subject) -> Parts:
        here, there = (len(rows_of(getattr(subject, name))) if name else subject.declared_rows for name in (left, right))
        assert here is not None
        assert there is not None
        return {"rows": (there, abs(here - there))}

    return count


RECOUNTED: Mapping[str, Callable[[Subject], Parts]] = {
    "declared_rows": _difference("rows", ""),
    "well_formed_rows": lambda s: {"rows": (s.row_count, sum(1 for row in rows_of(s.rows) if row[MALFORMED] is not None))},
    "headers_as_contracted": lambda s: {"columns": (17, s.by_alias)},
    "filled_columns": _filled_columns,
    "rows_accounted": lambda s: {
        "rows": (len(rows_of(s.below)), abs(len(rows_of(s.below)) - len(rows_of(s.rows)) - s.quarantined_count))
    },
    "identifiers_valid": _faults("identifier"),
    "values_readable": _faults("text", "integer", "amount", "date", "month"),
    "codes_valid": _faults("code"),
    "unit_unique": _unit_unique,
    "reference_period": _reference_period,
    "writing_edits": _edits,
    "shared_variables": lambda s: {"columns": (17, sum(1 for column in s.contract.columns if not column.variable))},
    "linkable_rows": _blank(linked=True),
    "foreign_keys": _foreign_keys,
    "one_code_one_unit": _one_code_one_unit,
    "rows_against_previous": _difference("rows", "previous"),
    "means_against_previous": _means,
    "shares_against_previous": _shares,
    "stable_attributes": _stable_attributes,
    "completeness": _blank(linked=False),
    "quarantined_rows": lambda subject: _set_aside(subject, duplicates=False),
    "duplicate_rows": lambda subject: _set_aside(subject, duplicates=True),
    "ranges": _ranges,
    "logical_edits": _logical_edits,
    "required_when": _required_when,
    "reporting_units_complete": _reporting_units_complete,
    "punctual": _punctual,
    "exactly_one_filled": _exactly_one_filled,
    "rows_of_their_unit": _rows_of_their_unit,
    "compositions": _compositions,
    "outliers": _outliers,
    "heaping": _heaping,
    "rows_carried": _difference("rows", "below"),
    "key_epoch_uniform": _key_epoch_uniform,
    "columns_as_contracted": _columns_as_contracted,
    "totals_carried": _totals,
}


@pytest.mark.parametrize(("rule", "layer"), ASKED)
def test_the_counts_are_those_of_a_slow_recomputation(
    rule: str, layer: str, sound: Mapping[str, Subject], month: Callable[[], Month]
) -> None:
    if rule not in RECOUNTED:
        pytest.fail(f"recompute the rule {rule} in plain Python")
    for subject in (sound[layer], mutated(month, rule, layer)):
        found = answer(rule, subject)
        parts = {name: (round(checked), round(failed)) for name, (checked, failed) in RECOUNTED[rule](subject).items()}
        assert found.checked == sum(checked for checked, _ in parts.values())
        assert found.parts == {name: counts for name, counts in parts.items() if counts[1]}
        assert found.failed == sum(failed for _, failed in parts.values())
        assert found.share == max((failed / max(checked, 1) for checked, failed in parts.values()), default=0)


NAMING_ROWS = [asked for asked in ASKED if asked[1] == "standardized" and RULES[asked[0]].fix]


@pytest.mark.parametrize(("rule", "layer"), NAMING_ROWS)
def test_without_the_rows_that_a_rule_names_it_finds_nothing(rule: str, layer: str, month: Callable[[], Month]) -> None:
    subject = mutated(month, rule, layer)
    question = RULES[rule].ask(subject)
    for part, (_, failed) in answer(rule, subject).parts.items():
        if part not in question.rows:
            assert question.known, "a part that no row can be named of is counted before"
            continue
        named = question.rows[part].fill_null(False)
        count = subject.rows.filter(named).collect().height
        assert count == failed or (count >= failed and part in question.frames), "rows, or all rows of some units"
        rest = subject.rows.filter(~named).collect()
        left = answer(rule, replace(subject, rows=rest.lazy(), row_count=rest.height, filled=filled(rest)))
        # the quartiles of what is left are others
        assert part not in left.parts or rule == "outliers"


def test_every_rule_that_one_file_can_answer_has_its_fix_in_both_languages(sound: Mapping[str, Subject]) -> None:
    elsewhere = {rule for rule, layer in ASKED if layer in ("pseudonymized", "published")}
    compared = {"declared_rows", "rows_accounted", "reporting_units_complete", "punctual", "foreign_keys", "shared_variables"}
    compared |= {name for name in RULES if name.endswith("against_previous")} | {"stable_attributes"}
    for name, rule in RULES.items():
        assert (rule.fix is None) == (name in compared | elsewhere), name


# ── what a rule may not do ───────────────────────────────────────────────────────────────────────────────────────────

COMPARES = {
    "declared_rows",
    "rows_accounted",
    "identifiers_valid",
    "values_readable",
    "codes_valid",
    "writing_edits",
    "rows_carried",
    "foreign_keys",
    "rows_against_previous",
    "means_against_previous",
    "shares_against_previous",
    "stable_attributes",
    "totals_carried",
    "quarantined_rows",
    "duplicate_rows",
    "key_epoch_uniform",
    "required_when",
    "exactly_one_filled",
    "rows_of_their_unit",
    "compositions",
    "reporting_units_complete",
    "punctual",
}


@pytest.mark.parametrize(("rule", "layer"), ASKED)
def test_a_rule_with_nothing_to_compare_passes_and_has_checked_nothing(
    rule: str, layer: str, sound: Mapping[str, Subject]
) -> None:
    subject = sound[layer]
    alone = Subject(layer, subject.contract, subject.period, subject.rows, subject.row_count, subject.filled)
    result = answer(rule, alone)
    assert result.passed
    assert (result.checked == 0) == (rule in COMPARES)
    none = pl.DataFrame(schema=layer_schema(subject.contract, layer))
    empty = Subject(layer, subject.contract, subject.period, none.lazy(), 0, filled(none))
    assert answer(rule, empty).passed


def test_a_partition_that_other_versions_widened_has_no_column_too_many(sound: Mapping[str, Subject]) -> None:
    subject = sound["published"]
    widened = replace(subject, rows=subject.rows.with_columns(contract_type=pl.lit(None, pl.String)))
    assert answer("columns_as_contracted", widened).passed


def test_a_date_is_held_against_a_month_by_its_month(sound: Mapping[str, Subject]) -> None:
    subject = sound["standardized"]
    edit = Comparison(left="job_start", operator="<", right="list_month")
    contract = replace(subject.contract, edits=(edit,))
    found = answer("logical_edits", replace(subject, contract=contract), threshold=0)
    begun = [parse_date(pl.lit("1403/02/01"), "solar_hijri"), parse_date(pl.lit("1403/02/31"), "solar_hijri")]
    in_the_month = subject.rows.select(pl.col("job_start").is_between(*begun).sum()).collect().item()
    assert in_the_month > 0
    assert found.parts == {"job_start < list_month": (subject.row_count, in_the_month)}


def test_a_blank_that_became_a_zero_changes_no_total_and_is_found(sound: Mapping[str, Subject]) -> None:
    first = pl.int_range(pl.len()) == 0
    subject = sound["published"]
    assert subject.below is not None
    zero = subject.rows.with_columns(pl.when(first).then(0).otherwise("days_worked").alias("days_worked"))
    blank = subject.below.with_columns(pl.when(first).then(None).otherwise("days_worked").alias("days_worked"))
    found = answer("totals_carried", replace(subject, rows=zero, below=blank))
    assert found.parts == {"days_worked": (1, 1)}


def test_a_column_that_the_month_before_did_not_have_is_compared_with_nothing(sound: Mapping[str, Subject]) -> None:
    subject = sound["standardized"]
    assert subject.previous is not None
    older = replace(subject, previous=subject.previous.drop("premium", "occupation", "sex"))
    for rule in ("means_against_previous", "shares_against_previous", "stable_attributes"):
        assert answer(rule, older).checked < answer(rule, subject).checked
        assert answer(rule, older).passed


@pytest.mark.parametrize("rows", [1, 500])
def test_no_result_holds_a_cell_value_not_even_of_a_partition_of_one_row(rows: int, month: Callable[[], Month]) -> None:
    made = month()
    # numbers that no count can equal by accident, and a month before that had nothing
    for column, value in (("دستمزد روزانه", "7654321"), ("دستمزد مشمول", "87654321"), ("حق بیمه", "97654321")):
        made.file.set(column, value)
    made.file.rows = made.file.rows[:rows]
    assert made.previous is not None
    made.previous = made.previous[:1].with_columns(pl.lit(0, pl.Int64).alias(name) for name in MEASURES)
    subjects = made.subjects
    below = subjects["published"].rows.with_columns(pl.lit(0, pl.Int64).alias(name) for name in MEASURES)
    subjects["published"] = replace(subjects["published"], below=below)
    cells = {cell.strip() for row in made.file.rows for cell in row}
    cells |= {str(value) for subject in subjects.values() for row in rows_of(subject.rows) for value in row.values()}
    cells = {cell for cell in cells if len(cell) > 4} - {c.name for c in made.contract.columns}
    assert {"7654321", "87654321", "97654321"} <= cells
    failed = set()
    for subject in subjects.values():
        for result in evaluate(RULES.values(), subject):
            text = json.dumps(result.as_json(), ensure_ascii=False)
            assert not [cell for cell in cells if cell in text], result.rule
            failed |= set() if result.passed else {result.rule}
    assert {"means_against_previous", "totals_carried", "logical_edits"} <= failed, "a rule that passes tells little"
