"""From the files of `assets_config/` to a `Configuration`, or to the list of everything that is wrong with them.

Two passes: each file against its model, then the references between files (`references.py`). Both go on after an
error, so that one reading of the list is enough. What a rule means is not known here; its name is, through `rules`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from mdlake.config.alerts import AlertsFile, alert_problems
from mdlake.config.contracts import Configuration, Dataset
from mdlake.config.models import (
    CalendarFile,
    ClassificationFile,
    DatasetFile,
    Frozen,
    HolidaysFile,
    OrganizationFile,
    PrinciplesFile,
    QueryFile,
    StandardFile,
)
from mdlake.config.offices import DecisionsFile, OfficesFile, decision_problems, office_problems
from mdlake.config.queries import SavedQuery, query_problems
from mdlake.config.references import SharedStandard, classification_problems, resolve_dataset, standard_problems
from mdlake.config.yaml_source import Problem, YamlSource, read_yaml
from mdlake.errors import ConfigurationError, MdlakeError
from mdlake.standard import Classification, Code

__all__ = ["FILE_MODELS", "check_configuration", "load_configuration", "validated"]

FILE_MODELS: Mapping[str, type[Frozen]] = {
    "alerts": AlertsFile,
    "calendar": CalendarFile,
    "holidays": HolidaysFile,
    "standard": StandardFile,
    "principles": PrinciplesFile,
    "offices": OfficesFile,
    "decisions": DecisionsFile,
    "classification": ClassificationFile,
    "organization": OrganizationFile,
    "dataset": DatasetFile,
    "query": QueryFile,
}
"""Each kind of file by the name of its JSON Schema."""

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_Model = TypeVar("_Model", bound=Frozen)


def load_configuration(folder: Path, rules: Collection[str]) -> Configuration:
    """Load `assets_config/`.

    Args:
        folder: the configuration's folder.
        rules: the names of the rules that exist.

    Raises:
        ConfigurationError: anything is wrong; the message holds every problem, one a line.
    """
    configuration, problems = check_configuration(folder, rules)
    if configuration is None:
        listing = "\n".join(f"  {problem}" for problem in problems)
        raise ConfigurationError(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the configuration:\n{listing}\n",
            where=str(folder),
            next_step="Correct them and run `mdlake config check`.",
        )
    return configuration


def check_configuration(folder: Path, rules: Collection[str]) -> tuple[Configuration | None, tuple[Problem, ...]]:
    """The configuration, or None with every problem found, in the order of files and lines."""
    reader = _Reader(folder)
    reader.misnamed()
    alerts = reader.read("alerts.yaml", AlertsFile)
    calendar = reader.read("calendar.yaml", CalendarFile)
    holidays = reader.read("holidays.yaml", HolidaysFile)
    standard = reader.read("standard.yaml", StandardFile)
    principles = reader.read("principles.yaml", PrinciplesFile)
    offices = reader.read("offices.yaml", OfficesFile)
    decisions = reader.read("decisions.yaml", DecisionsFile)
    classification_files, classifications = reader.classifications()
    organizations, files = reader.organizations()
    if standard is None or offices is None:
        return None, tuple(sorted(reader.problems))
    names = frozenset(classifications) | reader.broken("classifications")
    settings = principles.rules if principles else {}
    shared = SharedStandard(standard, offices, classifications, names, settings, frozenset(rules))
    reader.problems += office_problems(offices, reader.sources["offices.yaml"])
    if decisions is not None:
        reader.problems += decision_problems(decisions, offices, shared.known_rules, reader.sources["decisions.yaml"])
    if alerts is not None:
        contacts = {key: (file, reader.sources[f"organizations/{key}/organization.yaml"]) for key, file in organizations.items()}
        reader.problems += alert_problems(alerts, folder, offices, contacts, reader.sources["alerts.yaml"])
    source = reader.sources["principles.yaml"] if principles else None
    reader.problems += standard_problems(shared, reader.sources["standard.yaml"], source)
    reader.problems += classification_problems(classification_files, shared, reader.sources)
    columns: dict[str, frozenset[str] | None] = dict.fromkeys(reader.broken("organizations"))
    columns |= {key: frozenset(name for v in file.versions for name in v.columns) for key, file in files.items()}
    datasets: dict[str, Dataset] = {}
    for key, file in files.items():
        dataset, problems = resolve_dataset(key, file, shared, columns, reader.sources[f"organizations/{key}.yaml"])
        reader.problems += problems
        if dataset is not None:
            datasets[key] = dataset
    queries = reader.queries({key: files[key].periodicity if key in files else None for key in columns})
    reader.problems += _same_table_name(datasets)
    if reader.problems or alerts is None or calendar is None or holidays is None or principles is None or decisions is None:
        return None, tuple(sorted(reader.problems))
    return Configuration(
        alerts, calendar, holidays, standard, offices, decisions, classifications, organizations, datasets, queries
    ), ()


class _Reader:
    """Reads files one by one and keeps what was wrong with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources: dict[str, YamlSource] = {}
        self.problems: list[Problem] = []

    def misnamed(self) -> None:
        """Files that nobody would read although they look as if somebody did."""
        for path in sorted(self.folder.rglob("*.yml")):
            where = str(path.relative_to(self.folder))
            self.problems.append(Problem(where, 0, "", "the file is not read", "Let its name end in .yaml."))

    def read(self, name: str, model: type[_Model]) -> _Model | None:
        """One file against its model; None when it does not hold."""
        path = self.folder / name
        if not path.is_file():
            self.problems.append(Problem(name, 0, "", "the file is missing", f"Write it in {self.folder}."))
            return None
        source = self.sources[name] = read_yaml(path.read_bytes(), name)
        value, problems = validated(source, model)
        self.problems += problems
        return value

    def broken(self, folder: str) -> frozenset[str]:
        """The names, below a folder and without suffix, of the files in which something is wrong."""
        wrong = {Path(problem.file) for problem in self.problems}
        return frozenset(str(path.relative_to(folder).with_suffix("")) for path in wrong if folder in map(str, path.parents))

    def classifications(self) -> tuple[dict[str, ClassificationFile], dict[str, Classification]]:
        """Every `classifications/*.yaml`, as it stands in the file and as a list of codes, by file name."""
        files: dict[str, ClassificationFile] = {}
        found: dict[str, Classification] = {}
        for path in sorted((self.folder / "classifications").glob("*.yaml")):
            name = f"classifications/{path.name}"
            file = self.read(name, ClassificationFile)
            if file is None:
                continue
            files[path.stem] = file
            codes = tuple(Code(c.code, c.fa, c.en, c.valid_from, c.valid_to, c.parent) for c in file.codes)
            try:
                found[path.stem] = Classification(path.stem, file.label.fa, file.label.en, codes)
            except MdlakeError as error:
                self.problems.append(self.sources[name].problem(("codes",), error.what, error.next_step))
        return files, found

    def organizations(self) -> tuple[dict[str, OrganizationFile], dict[str, DatasetFile]]:
        """Every organization with its datasets' files, by key."""
        organizations: dict[str, OrganizationFile] = {}
        datasets: dict[str, DatasetFile] = {}
        root = self.folder / "organizations"
        for folder in sorted(path for path in root.glob("*") if path.is_dir()):
            self._check_name(folder)
            organization = self.read(f"organizations/{folder.name}/organization.yaml", OrganizationFile)
            if organization is not None:
                organizations[folder.name] = organization
            for path in sorted(folder.glob("*.yaml")):
                if path.name == "organization.yaml":
                    continue
                self._check_name(path)
                file = self.read(f"organizations/{folder.name}/{path.name}", DatasetFile)
                if file is not None:
                    datasets[f"{folder.name}/{path.stem}"] = file
        if not datasets and not self.problems:
            self.problems.append(
                Problem(
                    "organizations",
                    0,
                    "",
                    "no dataset is configured",
                    "Write organizations/<organization>/<dataset>.yaml.",
                )
            )
        return organizations, datasets

    def queries(self, periodicities: Mapping[str, str | None]) -> dict[str, SavedQuery]:
        """Every `queries/*.sql` with the `.yaml` beside it, by file name."""
        found: dict[str, SavedQuery] = {}
        for stem in sorted({path.stem for path in (self.folder / "queries").glob("*") if path.suffix in (".sql", ".yaml")}):
            name, path = f"queries/{stem}.yaml", self.folder / "queries" / f"{stem}.sql"
            self._check_name(path)
            file = self.read(name, QueryFile)
            sql = self._sql(path)
            if file is not None and sql is not None:
                self.problems += query_problems(file, periodicities, self.sources[name])
                found[stem] = SavedQuery(stem, file, sql)
        return found

    def _sql(self, path: Path) -> str | None:
        """The SQL of a saved query; None where there is none."""
        name = str(path.relative_to(self.folder))
        if not path.is_file():
            self.problems.append(Problem(name, 0, "", "the file is missing", "Write the question in SQL."))
            return None
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            self.problems.append(Problem(name, 0, "", "the file is not UTF-8", "Save it as UTF-8."))
            return None

    def _check_name(self, path: Path) -> None:
        if not _NAME.match(path.stem):
            where = str(path.relative_to(self.folder))
            fix = "Use small ASCII letters, digits and underscores, beginning with a letter."
            self.problems.append(Problem(where, 0, "", "the name cannot be part of an asset key", fix))


def _same_table_name(datasets: Mapping[str, Dataset]) -> list[Problem]:
    """Datasets that SQL could not tell from each other, such as `a/b_c` and `a_b/c`."""
    first: dict[str, str] = {}
    return [
        Problem(
            f"organizations/{key}.yaml",
            0,
            "",
            f"its table in SQL would be called as that of {first[dataset.table_name]}",
            "Rename one of the two.",
        )
        for key, dataset in datasets.items()
        if first.setdefault(dataset.table_name, key) != key
    ]


def validated(source: YamlSource, model: type[_Model]) -> tuple[_Model | None, list[Problem]]:
    """What a file says by its model, or None and everything that is wrong with it."""
    if source.data is None or source.problems:
        return None, source.problems
    try:
        return model.model_validate(source.data), []
    except ValidationError as error:
        return None, [_explain(source, model, detail) for detail in _own_errors(error)]


def _own_errors(error: ValidationError) -> list[Any]:
    """The findings without those that only follow from others: a list is not too short because its items are wrong."""
    details = error.errors()
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(d["loc"][: len(detail["loc"])] == detail["loc"] and d is not detail for d in details)
    ]


_LIST = ("a list is expected", "Write [a, b], or a line with a dash for each item.")
_FIELDS = ("fields are expected", "Write a line `name: value` for each of them.")
_IN_PLAIN_WORDS = {
    "missing": ("the field is missing", "Add it."),
    "string_type": ("text is expected", "Put the value in quotation marks."),
    "tuple_type": _LIST,
    "list_type": _LIST,
    "model_type": _FIELDS,
    "dict_type": _FIELDS,
    "mapping_type": _FIELDS,
}
"""Kinds of findings of pydantic: what is wrong, and the fix."""


def _explain(source: YamlSource, model: type[BaseModel], detail: Any) -> Problem:
    """One finding of pydantic in the words of a person who writes YAML."""
    location: Sequence[str | int] = detail["loc"]
    kind: str = detail["type"]
    if kind == "extra_forbidden":
        known = sorted(_fields_at(model, location[:-1]))
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        fix = f"Did you mean {close[0]!r}?" if close else "Remove it."
        return source.problem(location, "unknown field", f"{fix} Allowed here: {', '.join(known)}.")
    if kind in _IN_PLAIN_WORDS:
        return source.problem(location, *_IN_PLAIN_WORDS[kind])
    if kind == "string_pattern_mismatch":
        return source.problem(location, "the text has not the right form", f"Form: {detail['ctx']['pattern']}.")
    if kind == "value_error":
        return source.problem(location, str(detail["ctx"]["error"]).rstrip("."), "Correct it.")
    return source.problem(location, detail["msg"][0].lower() + detail["msg"][1:], "Correct it.")


def _fields_at(model: type[BaseModel], location: Sequence[str | int]) -> frozenset[str]:
    """The fields allowed at a place of a model, found by walking its annotations."""
    here: tuple[type[BaseModel], ...] = (model,)
    for part in location:
        inside = [m.model_fields[str(part)].annotation for m in here if str(part) in m.model_fields]
        here = tuple(found for annotation in inside for found in _models_in(annotation)) or here
    return frozenset(name for found in here for name in found.model_fields)


def _models_in(annotation: Any) -> tuple[type[BaseModel], ...]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    return tuple(found for argument in get_args(annotation) for found in _models_in(argument))
