"""What the shipped classifications hold: sizes, levels and scripts, against the published structures and the synthetic copies."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from mdlake.config import Column, Configuration, load_configuration
from mdlake.config.models import ClassificationFile
from mdlake.config.yaml_source import read_yaml
from mdlake.principles import RULES
from mdlake.synthetic import places

CONFIG = Path(__file__).resolve().parents[2] / "assets_config"
NAMES = sorted(path.stem for path in (CONFIG / "classifications").glob("*.yaml"))
FILES = {
    name: ClassificationFile.model_validate(read_yaml((CONFIG / f"classifications/{name}.yaml").read_bytes(), name).data)
    for name in NAMES
}

# United Nations, Statistical Papers M/4/Rev.4 (2008), part two: sections and their divisions.
ISIC_4 = """
A 01-03   B 05-09   C 10-33   D 35-35   E 36-39   F 41-43   G 45-47   H 49-53   I 55-56   J 58-63   K 64-66
L 68-68   M 69-75   N 77-82   O 84-84   P 85-85   Q 86-88   R 90-93   S 94-96   T 97-98   U 99-99
"""
# ILO, International Standard Classification of Occupations 2008: number of sub-major groups of each major group.
ISCO_08 = {"0": 3, "1": 4, "2": 6, "3": 5, "4": 4, "5": 4, "6": 3, "7": 5, "8": 3, "9": 6}

SIZES = {
    "agency": 25,
    "certificate_grade": 3,
    "claim_kind": 7,
    "cooperative_kind": 8,
    "cooperative_role": 4,
    "course_result": 3,
    "disability_kind": 7,
    "disability_severity": 5,
    "dispute_outcome": 4,
    "education_level": 9,
    "farmer_member_kind": 3,
    "household_relation": 5,
    "pension_kind": 3,
    "province": 31,
    "training_field": 20,
    "welfare_support_kind": 5,
}


@pytest.fixture(scope="module")
def configuration() -> Configuration:
    """The shipped configuration."""
    return load_configuration(CONFIG, RULES)


def parents(name: str) -> dict[str, str | None]:
    return {entry.code: entry.parent for entry in FILES[name].codes}


def columns(configuration: Configuration) -> Iterator[tuple[str, Column]]:
    """Every column of every contract with its place."""
    for dataset in configuration.datasets.values():
        for contract in dataset.versions:
            for column in contract.columns:
                yield f"{dataset.key} {contract.version} {column.name}", column


def scripts(text: str) -> set[str]:
    """The scripts of the letters, by the first word of their names in Unicode."""
    return {unicodedata.name(letter).split()[0] for letter in text if letter.isalpha()}


@pytest.mark.parametrize("name", NAMES)
def test_codes_and_labels_stand_once_and_every_code_has_the_same_form(name: str) -> None:
    codes = FILES[name].codes
    assert len({entry.code for entry in codes}) == len(codes)
    # two provinces may have a county of one name
    assert len({(entry.parent, entry.fa) for entry in codes}) == len({(entry.parent, entry.en) for entry in codes}) == len(codes)
    assert len({len(entry.code) for entry in codes}) == 1
    assert all(re.fullmatch(r"[0-9]+|[A-Z]+", entry.code) for entry in codes)


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_in_the_script_of_their_language(name: str) -> None:
    labels = [(entry.fa, entry.en) for entry in FILES[name].codes] + [(FILES[name].label.fa, FILES[name].label.en)]
    for persian, english in labels:
        assert scripts(persian) == {"ARABIC"}, persian
        assert scripts(english) == {"LATIN"}, english
        # the Arabic keyboard's letters, which people would not find when they search
        assert not set(persian) & set("\u064a\u0643\u0649\u0629\u0640"), persian
        assert not re.search(r"[0-9\u06f0-\u06f9\u0660-\u0669]", persian), persian
        for text in (persian, english):
            assert text == unicodedata.normalize("NFC", text).strip()
            assert not re.search(r"\s\s|\u200c\s|\s\u200c|\u200c\u200c", text), text


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_a_list_has_the_codes_of_its_original(name: str, size: int) -> None:
    assert len(FILES[name].codes) == size


def test_divisions_of_isic_stand_in_the_sections_that_the_united_nations_publish() -> None:
    expected = {
        f"{division:02d}": section
        for section, first, last in re.findall(r"([A-U]) (\d\d)-(\d\d)", ISIC_4)
        for division in range(int(first), int(last) + 1)
    }
    assert len(expected) == 88
    assert parents("isic4_division") == expected
    assert [entry.code for entry in FILES["isic4_section"].codes] == sorted(set(expected.values()))


def test_sub_major_groups_of_isco_stand_in_the_major_group_of_their_first_digit() -> None:
    groups = parents("isco08_submajor")
    assert groups == {code: code[0] for code in groups}
    assert {major: list(groups.values()).count(major) for major in ISCO_08} == ISCO_08
    assert [entry.code for entry in FILES["isco08_major"].codes] == list(ISCO_08)


def test_every_county_stands_in_its_province_and_is_numbered_from_one() -> None:
    counties = parents("county")
    assert counties == {code: code[:2] for code in counties}
    for province in parents("province"):
        numbers = [code[2:] for code in counties if code[:2] == province]
        assert numbers == [f"{number:02d}" for number in range(1, len(numbers) + 1)]
        assert numbers


def test_the_producers_know_the_codes_of_the_standard_and_no_other() -> None:
    codes = {name: {entry.code for entry in file.codes} for name, file in FILES.items()}
    provinces = {entry.code: entry.fa for entry in FILES["province"].codes}
    assert provinces == {f"{number:02d}": place.title for number, place in enumerate(places.PROVINCES)}
    assert codes["county"] == {
        f"{number:02d}{county:02d}" for number, place in enumerate(places.PROVINCES) for county in range(1, place.counties + 1)
    }
    assert codes["isic4_division"] == set(places.ISIC_DIVISIONS)
    assert codes["isco08_submajor"] == set(places.ISCO_SUB_MAJOR_GROUPS)
    assert codes["nationality"] >= set(places.NATIONALITIES)


def test_a_classification_with_parents_names_the_level_above() -> None:
    levels = {name: file.level_above for name, file in FILES.items() if any(entry.parent for entry in file.codes)}
    assert levels == {"county": "province", "isco08_submajor": "isco08_major", "isic4_division": "isic4_section"}


def test_one_concept_is_one_shared_variable_in_every_contract(configuration: Configuration) -> None:
    """What the standard has a variable for comes as that variable, whichever producer sends it."""
    variables = configuration.standard.variables
    of_classification = {v.classification: name for name, v in variables.items() if v.classification}
    of_identifier = {v.identifier: name for name, v in variables.items() if v.identifier}
    for where, column in columns(configuration):
        if column.classification is not None:
            assert column.variable == of_classification.get(column.classification.name), where
        if column.identifier is not None:
            assert column.variable == of_identifier.get(column.identifier.name), where
        if column.type == "month":
            assert column.variable == "reference_month", where
        if column.name in variables:
            assert column.variable == column.name, where


def test_what_is_published_of_a_shared_variable_is_the_same_in_every_contract(configuration: Configuration) -> None:
    dropped = {"person_name", "legal_entity_name", "free_text_note", "county", "postal_code", "mobile"}
    kept = {"reference_month", "sex", "nationality", "province", "activity", "occupation"}
    for where, column in columns(configuration):
        action = column.publish.action
        if column.variable in dropped or column.type == "free_text":
            assert action == "drop", where
        if column.variable in kept:
            assert action == "keep", where
        if column.type == "date":
            assert action in ("year", "year_month", "drop"), where
        if column.type == "amount":
            assert column.unit == "rial", where
        if column.identifier is not None and not column.is_linked:
            assert column.stays_secure, where
