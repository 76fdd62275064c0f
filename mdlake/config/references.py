"""The references inside the configuration: each name must mean something, each pair of fields must fit.

Here: what one model cannot see alone (variables, classifications, foreign keys, versions against each other, the roles
of disclosure). The result is a `Dataset` with everything resolved, or the problems.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from mdlake.config.contracts import Column, Contract, Dataset
from mdlake.config.models import (
    LAYERS,
    ClassificationFile,
    ColumnSpec,
    Comparison,
    ContractVersion,
    DatasetFile,
    Requirement,
    RuleSetting,
    StandardFile,
)
from mdlake.config.offices import OfficesFile
from mdlake.config.yaml_source import Problem, YamlSource
from mdlake.standard import IDENTIFIER_TYPES, Classification, match_key

__all__ = ["SharedStandard", "classification_problems", "resolve_dataset", "standard_problems"]

_GENERALIZATIONS: Mapping[str, frozenset[str]] = {
    "year": frozenset({"date", "month"}),
    "year_month": frozenset({"date"}),
    "band": frozenset({"integer", "amount"}),
    "top_code": frozenset({"integer", "amount"}),
    "prefix": frozenset({"code", "text"}),
}
_UNIT = re.compile(r"[A-Za-z0-9._-]{1,63}")
"""What a descriptor may say in `mdlake.reporting_unit`."""
_NUMBERS = frozenset({"integer", "amount"})
_TIMES = frozenset({"date", "month"})


@dataclass(frozen=True)
class SharedStandard:
    """What every contract may refer to.

    Attributes:
        classification_names: also of classifications that could not be read; what refers to them is not wrong for it.
    """

    standard: StandardFile
    offices: OfficesFile
    classifications: Mapping[str, Classification]
    classification_names: frozenset[str]
    rules: Mapping[str, RuleSetting]
    known_rules: frozenset[str]


def standard_problems(shared: SharedStandard, standard: YamlSource, principles: YamlSource | None) -> list[Problem]:
    """What does not fit in `standard.yaml` and `principles.yaml` (None: it could not be read)."""
    problems: list[Problem] = []
    offices = shared.offices.offices
    for layer, entry in shared.standard.layers.items():
        problems += standard.unknown(("layers", layer, "owner"), "office", entry.owner, offices)
    for absent in sorted(set(LAYERS) - set(shared.standard.layers)):
        problems.append(
            standard.problem(("layers",), f"the layer {absent!r} is missing", "Add it with label, description and owner.")
        )
    for zone in sorted({"secure", "research"} - set(shared.standard.zones)):
        problems.append(standard.problem(("zones",), f"the zone {zone!r} is missing", "Add it with its retention."))
    for name, variable in shared.standard.variables.items():
        path = ("variables", name)
        problems += standard.unknown((*path, "owner"), "office", variable.owner, offices)
        problems += standard.unknown((*path, "identifier"), "identifier type", variable.identifier, IDENTIFIER_TYPES)
        problems += standard.unknown(
            (*path, "classification"), "classification", variable.classification, shared.classification_names
        )
    if principles is None:
        return problems
    for rule in shared.rules:
        problems += principles.unknown(("rules", rule), "rule", rule, shared.known_rules)
    for rule in sorted(shared.known_rules - set(shared.rules)):
        problems.append(principles.problem(("rules",), f"the rule {rule!r} has no setting", "Add its severity and threshold."))
    return problems


def classification_problems(
    files: Mapping[str, ClassificationFile], shared: SharedStandard, sources: Mapping[str, YamlSource]
) -> list[Problem]:
    """Owners that do not exist, and codes without their place on the level above.

    Args:
        files: the classifications that could be read, by name.
        sources: by the file's name below the configuration's folder.
    """
    problems: list[Problem] = []
    for name, file in files.items():
        source = sources[f"classifications/{name}.yaml"]
        problems += source.unknown(("owner",), "office", file.owner, shared.offices.offices)
        problems += source.unknown(("level_above",), "classification", file.level_above, shared.classification_names)
        if file.level_above == name:
            fix = "Leave it out: parents are looked for in the file itself then."
            problems.append(source.problem(("level_above",), "the classification is the level above itself", fix))
        else:
            problems += _parent_problems(name, file, files, source)
    return problems


def resolve_dataset(
    key: str, file: DatasetFile, shared: SharedStandard, columns: Mapping[str, Collection[str] | None], source: YamlSource
) -> tuple[Dataset | None, list[Problem]]:
    """One dataset with its versions in order, each column resolved; or None and the problems.

    Args:
        columns: names of the columns of every dataset; None for one that could not be read.
    """
    organization, name = key.split("/")
    problems = list(_version_problems(file, source))
    problems += _reporting_problems(file, shared, source)
    contracts: list[Contract] = []
    for number, version in enumerate(file.versions):
        path = ("versions", number)
        resolved: list[Column] = []
        for column_name, spec in version.columns.items():
            column, found = _resolve_column(column_name, spec, shared, source, (*path, "columns", column_name))
            problems += found
            resolved += [column] if column else []
        problems += _contract_problems(version, resolved, shared, columns, source, path)
        problems += _unit_column_problems(version, file, resolved, source, (*path, "reporting_unit_column"))
        following = file.versions[number + 1].valid_from if number + 1 < len(file.versions) else None
        contracts.append(
            Contract(
                dataset=key,
                version=version.version,
                valid_from=version.valid_from,
                valid_to=following.previous() if following and version.valid_from < following else None,
                unit_key=version.unit_key,
                missing_values=version.missing_values,
                columns=tuple(resolved),
                edits=version.edits,
                requirements=version.requirements,
                alternatives=version.alternatives,
                agreements=version.agreements,
                compositions=version.compositions,
                rules={**shared.rules, **version.rules},
                reporting_units=shared.classifications.get(file.reporting_units) if file.reporting_units else None,
                reporting_unit_column=version.reporting_unit_column,
            )
        )
    problems += _type_changes(contracts, source)
    if problems:
        return None, problems
    return Dataset(organization, name, file, tuple(contracts)), []


def _reporting_problems(file: DatasetFile, shared: SharedStandard, source: YamlSource) -> Iterator[Problem]:
    """Units that are no classification, or whose codes cannot stand in a descriptor."""
    name, path = file.reporting_units, ("reporting_units",)
    yield from source.unknown(path, "classification", name, shared.classification_names)
    units = shared.classifications.get(name) if name else None
    if units and not all(_UNIT.fullmatch(code.code) for code in units.codes):
        fix = "Use codes of ASCII letters, digits, dots, underscores and hyphens."
        yield source.problem(path, "a code of the classification cannot name a unit in a descriptor", fix)


def _parent_problems(
    name: str, file: ClassificationFile, files: Mapping[str, ClassificationFile], source: YamlSource
) -> Iterator[Problem]:
    above = file.level_above or name
    if above not in files:
        return
    known = {entry.code for entry in files[above].codes}
    for number, entry in enumerate(file.codes):
        path, fix = ("codes", number, "parent"), f"Use a code of {above}."
        if entry.parent is None and file.level_above is not None:
            yield source.problem(path, "the code has no parent on the level above", fix)
        elif entry.parent is not None and entry.parent not in known:
            yield source.problem(path, "the parent is a code that does not exist", fix)
        elif entry.parent == entry.code and above == name:
            yield source.problem(path, "the code is its own parent", "Use another code, or leave the parent out.")


def _version_problems(file: DatasetFile, source: YamlSource) -> Iterator[Problem]:
    for number, (before, after) in enumerate(pairwise(file.versions), start=1):
        if not before.valid_from < after.valid_from:
            fix = "List the versions from the oldest to the newest, each with its own first period."
            yield source.problem(("versions", number, "valid_from"), "begins no later than the version before it", fix)
    names = [version.version for version in file.versions]
    for number, name in enumerate(names):
        if name in names[:number]:
            yield source.problem(("versions", number, "version"), "the version is given twice", "Number each version once.")
    for number, version in enumerate(file.versions):
        if version.valid_from.kind != "month":
            yield source.problem(("versions", number, "valid_from"), "must be a month", "Write it as 1403-01.")


def _resolve_column(
    name: str, spec: ColumnSpec, shared: SharedStandard, source: YamlSource, path: tuple[str | int, ...]
) -> tuple[Column | None, list[Problem]]:
    """The column with what its shared variable says filled in."""
    problems = list(source.unknown((*path, "variable"), "shared variable", spec.variable, shared.standard.variables))
    variable = shared.standard.variables.get(spec.variable) if spec.variable else None
    values: dict[str, object] = {}
    for field in ("label", "type", "disclosure", "identifier", "classification", "unit"):
        own, common = getattr(spec, field), getattr(variable, field, None)
        if own is not None and common is not None and own != common and field in ("type", "identifier", "classification", "unit"):
            fix = "Leave it out here, or use another variable."
            problems.append(source.problem((*path, field), f"differs from the shared variable {spec.variable!r}", fix))
        values[field] = own if own is not None else common
    for field in ("label", "type", "disclosure"):
        if values[field] is None and not problems:
            fix = "State it here or name a shared variable that has it."
            problems.append(source.problem((*path, field), f"neither the column nor a shared variable states the {field}", fix))
    if problems:
        return None, problems
    column_type, identifier, classification = values["type"], values["identifier"], values["classification"]
    # what the shared variable names is told where it stands
    problems += source.unknown((*path, "identifier"), "identifier type", spec.identifier, IDENTIFIER_TYPES)
    problems += source.unknown((*path, "classification"), "classification", spec.classification, shared.classification_names)
    needs = {"identifier": identifier, "code": classification, "date": spec.dates}
    asked = {"identifier": "identifier", "code": "classification", "date": "dates"}
    for kind, given in needs.items():
        if (column_type == kind) != (given is not None):
            field = asked[kind]
            message = f"a column of type {kind} needs {field}" if column_type == kind else f"{field} is only for type {kind}"
            problems.append(source.problem((*path, field), message, "Add or remove it."))
    known = (None, *IDENTIFIER_TYPES), (None, *shared.classifications)
    if problems or identifier not in known[0] or classification not in known[1]:
        return None, problems
    column = Column(
        name=name,
        header=spec.header,
        aliases=spec.aliases,
        variable=spec.variable,
        label=values["label"],  # type: ignore[arg-type]
        type=str(column_type),
        identifier=IDENTIFIER_TYPES[str(identifier)] if identifier else None,
        classification=shared.classifications[str(classification)] if classification else None,
        unit=values["unit"],  # type: ignore[arg-type]
        role=spec.role,
        disclosure=values["disclosure"],  # type: ignore[arg-type]
        required=spec.required,
        on_invalid=spec.on_invalid,
        dates=spec.dates,
        values=spec.values,
        references=spec.references,
        minimum=spec.minimum,
        maximum=spec.maximum,
        pattern=spec.pattern,
        publish=spec.publish,
    )
    return column, list(_column_problems(column, source, path))


def _column_problems(column: Column, source: YamlSource, path: tuple[str | int, ...]) -> Iterator[Problem]:
    """What cannot be, whatever the data: the roles of disclosure and the generalization against the type."""
    fits = _GENERALIZATIONS.get(column.publish.action)
    if fits is not None and column.type not in fits:
        yield source.problem(
            (*path, "publish"),
            f"{column.publish.action} does not fit type {column.type}",
            f"It fits {', '.join(sorted(fits))}.",
        )
    if column.identifier is not None and column.disclosure != "direct":
        yield source.problem((*path, "disclosure"), "an identifier is a direct identifier", "Write `disclosure: direct`.")
    if column.stays_secure and column.publish.action != "drop":
        fix = "Write `publish: drop`: free text and direct identifiers without a pseudonym never leave the secure zone."
        yield source.problem((*path, "publish"), "the column never leaves the secure zone", fix)
    if column.is_linked and column.publish.action not in ("keep", "drop"):
        yield source.problem(
            (*path, "publish"), "a pseudonym is kept or dropped whole", "Write `publish: keep` or `publish: drop`."
        )
    if column.type == "date" and column.disclosure == "quasi" and column.publish.action == "keep":
        yield source.problem(
            (*path, "publish"), "an exact quasi-identifying date would be published", "Write year_month or year."
        )
    yield from _bound_problems(column, source, path)
    if column.classification is not None:
        codes = {code.code for code in column.classification.codes}
        for word, code in column.values.items():
            if code not in codes:
                fix = f"Use a code of {column.classification.name}."
                yield source.problem((*path, "values", word), "the word stands for a code that does not exist", fix)
    elif column.values:
        yield source.problem((*path, "values"), f"words do not fit type {column.type}", "Remove them, or give a classification.")


def _bound_problems(column: Column, source: YamlSource, path: tuple[str | int, ...]) -> Iterator[Problem]:
    for bound in ("minimum", "maximum"):
        if getattr(column, bound) is not None and column.type not in _NUMBERS:
            yield source.problem((*path, bound), f"a bound does not fit type {column.type}", "Remove it.")
    if column.minimum is not None and column.maximum is not None and column.maximum < column.minimum:
        yield source.problem((*path, "maximum"), "the maximum is below the minimum", "Exchange them.")
    if column.pattern is not None and column.type != "text":
        yield source.problem((*path, "pattern"), f"a pattern does not fit type {column.type}", "Remove it.")
    elif column.pattern is not None and not _is_pattern(column.pattern):
        fix = "Write one without look-around and back-references, such as [0-9]{10}."
        yield source.problem((*path, "pattern"), "is not a regular expression", fix)


def _is_pattern(text: str) -> bool:
    """Whether the standardization, whose regular expressions are those of Polars, can use it."""
    try:
        pl.Series([""]).str.contains(text)
    except pl.exceptions.ComputeError:
        return False
    return True


def _contract_problems(
    version: ContractVersion,
    resolved: list[Column],
    shared: SharedStandard,
    columns: Mapping[str, Collection[str] | None],
    source: YamlSource,
    path: tuple[str | int, ...],
) -> Iterator[Problem]:
    """What does not fit inside one version."""
    own = version.columns
    for name in version.unit_key:
        yield from source.unknown((*path, "unit_key"), "column", name, own)
    yield from _relation_problems(version, resolved, source, path)
    for rule in version.rules:
        yield from source.unknown((*path, "rules", rule), "rule", rule, shared.known_rules)
    yield from _header_problems(resolved, source, path)
    for column in resolved:
        reference = column.references
        if reference is not None:
            where = (*path, "columns", column.name, "references")
            yield from source.unknown((*where, "dataset"), "dataset", reference.dataset, columns)
            referred = columns.get(reference.dataset)
            if referred is not None:
                yield from source.unknown((*where, "column"), "column", reference.column, referred)


def _unit_column_problems(
    version: ContractVersion, file: DatasetFile, resolved: list[Column], source: YamlSource, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    """A column that is not there, or whose codes are not those of the reporting units."""
    name = version.reporting_unit_column
    yield from source.unknown(path, "column", name, version.columns)
    column = next((column for column in resolved if column.name == name), None)
    if column is not None and (column.classification is None or column.classification.name != file.reporting_units):
        fix = "Name a column whose classification is that of `reporting_units`, or leave it out."
        yield source.problem(path, f"the column {name!r} has other codes than the reporting units", fix)


def _header_problems(resolved: list[Column], source: YamlSource, path: tuple[str | int, ...]) -> Iterator[Problem]:
    """Headers and aliases that a delivery could not tell apart."""
    named = [(header, column.name) for column in resolved for header in (column.header, *column.aliases)]
    # one call for all of a contract: one by one they took a third of the time of reading the whole configuration
    texts = pl.DataFrame({"header": pl.Series([header for header, _ in named], dtype=pl.String)})
    keys = texts.select(match_key(pl.col("header")).fill_null("")).to_series().to_list()
    headers: dict[str, str] = {}
    for key, (_, name) in zip(keys, named, strict=True):
        other = headers.setdefault(key, name)
        if other != name:
            fix = "Give each header or alias to one column."
            yield source.problem((*path, "columns", name, "header"), f"the column {other!r} has the same header", fix)


def _relation_problems(
    version: ContractVersion, resolved: list[Column], source: YamlSource, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    """What does not fit between columns of one version: edits, requirements, alternatives, agreements, compositions."""
    own = version.columns
    for number, edit in enumerate(version.edits):
        for side in (edit.left, edit.right):
            yield from source.unknown((*path, "edits", number), "column", side, own)
        yield from _edit_problems(edit, resolved, source, (*path, "edits", number))
    for number, requirement in enumerate(version.requirements):
        yield from _requirement_problems(requirement, own, resolved, source, (*path, "requirements", number))
    for number, alternatives in enumerate(version.alternatives):
        yield from _alternative_problems(alternatives, own, source, (*path, "alternatives", number))
    for number, agreement in enumerate(version.agreements):
        for name in (agreement.unit, *agreement.columns):
            yield from source.unknown((*path, "agreements", number), "column", name, own)
    for number, composition in enumerate(version.compositions):
        where = (*path, "compositions", number)
        yield from source.unknown(where, "column", composition.unit, own)
        yield from _code_problems(composition.column, (composition.code,), own, resolved, source, where)


def _edit_problems(
    edit: Comparison, resolved: list[Column], source: YamlSource, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    """Two columns of which neither can be more than the other."""
    kinds = {c.name: next((kind for kind in (_NUMBERS, _TIMES) if c.type in kind), {c.type}) for c in resolved}
    left, right = kinds.get(edit.left), kinds.get(edit.right)
    if left is not None and right is not None and left != right:
        yield source.problem(path, "the two columns cannot be compared", "Compare numbers with numbers, dates with dates.")


def _requirement_problems(
    requirement: Requirement,
    own: Collection[str],
    resolved: list[Column],
    source: YamlSource,
    path: tuple[str | int, ...],
) -> Iterator[Problem]:
    """A condition on a column without codes, or on a code that it does not have."""
    yield from source.unknown(path, "column", requirement.column, own)
    yield from _code_problems(requirement.where, requirement.among, own, resolved, source, path)


def _alternative_problems(
    names: tuple[str, ...], own: Mapping[str, ColumnSpec], source: YamlSource, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    """Fewer than two different columns, or one that must be filled in every row."""
    if len(set(names)) < max(len(names), 2):
        yield source.problem(path, "these are not two columns or more", "Name different columns, of which each row fills one.")
    for name in names:
        yield from source.unknown(path, "column", name, own)
        if name in own and own[name].required:
            yield source.problem(
                path, f"the column {name!r} is required in every row", "Write `required: false` there, or leave it out here."
            )


def _code_problems(
    name: str,
    codes: Collection[str],
    own: Collection[str],
    resolved: list[Column],
    source: YamlSource,
    path: tuple[str | int, ...],
) -> Iterator[Problem]:
    """A column that is not there, that has no codes, or not these."""
    yield from source.unknown(path, "column", name, own)
    column = next((column for column in resolved if column.name == name), None)
    if column is None:
        return
    if column.classification is None:
        yield source.problem(path, f"the column {name!r} has no codes", "Name a column of type code here.")
        return
    known = {code.code for code in column.classification.codes}
    for code in codes:
        yield from source.unknown(path, "code", code, known)


def _type_changes(contracts: list[Contract], source: YamlSource) -> Iterator[Problem]:
    """A column keeps its type through all versions, because a researcher reads them as one table."""
    types: dict[str, tuple[str, str]] = {}
    for number, contract in enumerate(contracts):
        for column in contract.columns:
            storage = "number" if column.type in _NUMBERS else "date" if column.type == "date" else "text"
            first, version = types.setdefault(column.name, (storage, contract.version))
            if first != storage:
                fix = "Give the column with the new type a new name; a change of writing only belongs in `dates` or `values`."
                yield source.problem(
                    ("versions", number, "columns", column.name, "type"),
                    f"was stored as {first} in version {version}",
                    fix,
                )
