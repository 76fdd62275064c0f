"""The check of a file at its producer's desk: it finds what the ministry would, says in which rows, and tells no value."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import Land
from hypothesis import given, settings
from hypothesis import strategies as st
from test_exchange_landing import HEADERS, MARKER, REFUSED, ROW, UNREADABLE, content_of, descriptor_of

from mdlake.config import Configuration
from mdlake.errors import DeliveryRefused, MdlakeError
from mdlake.exchange import (
    FileCheck,
    Form,
    RowRanges,
    SignedCheck,
    check_file,
    check_page,
    check_report,
    dispatch,
    report_of,
    send,
)
from mdlake.exchange.check import _BY_REASON
from mdlake.exchange.check_report import _WORDS, FIXES_FA
from mdlake.exchange.dispatch import file_sha256
from mdlake.layers import FAULTS, MALFORMED_ROW
from mdlake.principles import RULES
from mdlake.seals import SigningKey, generate_identity, generate_signing_key, read_recipients
from mdlake.standard import Period, midnight_in_iran, persian_digits
from mdlake.standard.identifiers import FAULTS as IDENTIFIER_FAULTS
from mdlake.steps import House, Run, judge, make_raw, make_standardized
from mdlake.synthetic import Ministry

LIST, PLACES, SUPPORT = "sso/insured_contributions", "sso/workplaces", "social_welfare/household_support"
DISPUTES = "provincial/labour_disputes"
CSV = Form("csv", "utf-8", ",")
MONTH, IN_TIME = "1403-01", datetime(2024, 4, 25, tzinfo=UTC)
Check = Callable[..., FileCheck]


@pytest.fixture(scope="module")
def check(configuration: Configuration) -> Check:
    """Checks a file as its producer would."""

    def check(data: Path, key: str = PLACES, period: str = "1403-01", unit: str | None = None, form: Form = CSV) -> FileCheck:
        contract = configuration.dataset(key).contract(Period.parse(period))
        return check_file(data, form, key, contract, Period.parse(period), unit)

    return check


def counted(results: Any) -> Mapping[str, Any]:
    """What rules found, by rule, where anything failed."""
    return {result["rule"]: dict(result) for result in results if result["failed"]}


# ── as the ministry ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "defects"),
    [(LIST, {"wrong_check_digit": 0.2, "exact_duplicate": 0.05}), (PLACES, {}), (SUPPORT, {})],
)
def test_it_finds_what_the_verdicts_of_the_ministry_say(
    key: str, defects: dict[str, float], secure: House, land: Land, ministry: Ministry, check: Check, tmp_path: Path
) -> None:
    file = ministry.deliver(key, "1403-01", tmp_path / "out", defects=defects)
    found = check(file.csv_path, key)
    assert land(file).refusal is None
    dataset, period, run = secure.configuration.dataset(key), Period.parse("1403-01"), Run("run")
    make_raw(secure, dataset, period, run)
    verdicts = [judge(secure, "raw", dataset, period, run).verdict]
    make_standardized(secure, dataset, period, run)
    verdicts.append(judge(secure, "standardized", dataset, period, run).verdict)
    said = counted(result for verdict in verdicts for result in verdict.results if RULES[str(result["rule"])].fix)
    assert counted(finding.result.as_json() for finding in found.findings) == said
    assert found.is_refused == any(verdict.outcome == "refused" for verdict in verdicts) == bool(defects)
    assert [one.rows for one in found.self_check().findings] == [finding.result.failed for finding in found.findings]


def test_a_part_of_a_reporting_unit_is_checked_and_rows_of_others_are_found(
    ministry: Ministry, check: Check, tmp_path: Path
) -> None:
    large = Ministry(persons=16_000, workplaces=300, seed=7)
    file = large.deliver(DISPUTES, "1403-02", tmp_path, reporting_unit="23", defects={})
    assert not check(file.csv_path, DISPUTES, "1403-02", "23").is_refused
    found = check(file.csv_path, DISPUTES, "1403-02", "05")
    [finding] = [one for one in found.findings if one.rule.name == "rows_of_their_unit"]
    assert (finding.weight, finding.result.failed) == ("refuses", file.rows)
    [spot] = finding.spots
    assert list(spot.rows.pairs()) == [(1, file.rows)]
    nobody = tmp_path / "nobody.csv"
    nobody.write_bytes(file.csv_path.read_bytes().split(b"\n")[0] + b"\n")
    assert (check(nobody, DISPUTES, "1403-02", "05").rows, check(nobody, DISPUTES, "1403-02", "05").refusals) == (0, ())


def test_the_rows_are_those_that_the_producer_spoilt(ministry: Ministry, check: Check, tmp_path: Path) -> None:
    file = ministry.deliver(LIST, "1403-01", tmp_path, defects={"wrong_check_digit": 0.05, "exact_duplicate": 0.02})
    assert file.truth is not None
    spots = {(spot.part, spot.reason): spot for one in check(file.csv_path, LIST).findings for spot in one.spots}
    by_harm = {name: rows["record"].to_list() for (name,), rows in file.truth.rows.drop_nulls("harm").group_by("harm")}
    assert rows_in(spots["national_code", "check_digit"].rows) == by_harm["wrong_check_digit"]
    duplicates = next(f for f in check(file.csv_path, LIST).findings if f.rule.name == "duplicate_rows")
    assert rows_in(duplicates.spots[0].rows) == by_harm["exact_duplicate"]


def rows_in(ranges: RowRanges) -> list[int]:
    return [row for first, last in ranges.pairs() for row in range(first, last + 1)]


def test_every_value_that_cannot_be_read_is_found_once_with_its_reason(ministry: Ministry, check: Check, tmp_path: Path) -> None:
    found = check(ministry.deliver(LIST, "1403-01", tmp_path).csv_path, LIST)
    for finding in found.findings:
        if finding.rule.name in _BY_REASON:
            by_part: dict[str, int] = {}
            for spot in finding.spots:
                assert spot.reason in FAULTS
                by_part[spot.part] = by_part.get(spot.part, 0) + spot.rows.count
            assert by_part == {part: failed for part, (_, failed) in finding.result.parts.items()}
        elif finding.rule.name not in ("writing_edits", "compositions", "one_code_one_unit"):
            assert all(spot.count == spot.rows.count for spot in finding.spots), finding.rule.name


def test_lines_that_do_not_divide_and_quotation_marks_are_read_as_the_ministry_reads_them(check: Check, tmp_path: Path) -> None:
    data = tmp_path / "d.csv"
    data.write_bytes(content_of(ROW, f'1403-01,"{MARKER}",x', ROW, f"{ROW},{MARKER}"))
    found = check(data)
    assert found.rows == 4
    [finding] = [one for one in found.findings if one.rule.name == "well_formed_rows"]
    assert rows_in(finding.spots[0].rows) == [2, 4]
    assert not [path for path in tmp_path.iterdir() if path != data], "nothing is left beside the file"


def test_tens_of_thousands_of_bad_rows_are_told_in_a_short_page_and_none_is_cut(
    check: Check, configuration: Configuration, tmp_path: Path
) -> None:
    data, rows = tmp_path / "d.csv", 100_000
    odd = ROW.replace("23,تهران", "هیچ,هیچ")
    data.write_bytes(content_of(*([ROW, odd] * (rows // 2))))
    found = check(data)
    assert found.rows == rows
    page, is_whole = check_page(found, configuration.dataset(PLACES), "fa", "beside.csv")
    assert not is_whole
    assert "beside.csv" in page
    assert len(page) < 100_000
    found.write_rows(tmp_path / "beside.csv")
    table = pl.read_csv(tmp_path / "beside.csv", infer_schema=False)
    of_code = table.filter(reason="unknown_code", part="province")
    assert of_code["first_row"].cast(pl.Int64).to_list() == list(range(2, rows + 1, 2))
    assert of_code["first_row"].equals(of_code["last_row"].alias("first_row"))
    assert table.height == sum(len(spot.rows) for finding in found.findings for spot in finding.spots)


# ── refused on arrival ───────────────────────────────────────────────────────────────────────────────────────────────────

OF_FILE = {
    name: (reason, content) for name, (reason, content, change) in REFUSED.items() if change is None and reason != "row_count"
}
OF_FILE |= {name: (reason, content) for name, (reason, content, _) in UNREADABLE.items()}


@pytest.mark.parametrize(("reason", "content"), OF_FILE.values(), ids=OF_FILE.keys())
def test_a_file_that_the_intake_refuses_is_refused_at_the_desk_for_the_same_reason(
    reason: str, content: bytes, check: Check, configuration: Configuration, tmp_path: Path
) -> None:
    data = tmp_path / "d.csv"
    data.write_bytes(content)
    found = check(data)
    assert [refusal.reason for refusal in found.refusals] == [reason]
    assert found.is_refused
    assert (found.rows, found.findings) == (0, ())
    with pytest.raises(DeliveryRefused):
        found.self_check()
    for language in ("fa", "en"):
        assert MARKER not in check_page(found, configuration.dataset(PLACES), language, "beside")[0]


def test_everything_that_is_wrong_with_a_header_is_told_at_once(check: Check, tmp_path: Path) -> None:
    data = tmp_path / "d.csv"
    data.write_bytes(content_of(ROW, headers=(*HEADERS[:-2], "کدکارگاه", MARKER)))
    assert [refusal.reason for refusal in check(data).refusals] == ["missing_column", "unknown_column", "repeated_column"]


def test_a_file_that_is_not_there_or_changes_meanwhile_is_an_error(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "d.csv"
    with pytest.raises(MdlakeError, match="no such file"):
        check(data)
    data.write_bytes(content_of(ROW))
    whole = file_sha256

    def grows(path: Path) -> str:
        digest = whole(path)
        path.write_bytes(content_of(ROW, ROW))
        return digest

    monkeypatch.setattr("mdlake.exchange.check.file_sha256", grows)
    with pytest.raises(MdlakeError, match="changed while"):
        check(data)


@settings(deadline=None, max_examples=60)
@given(
    at=st.integers(min_value=0), piece=st.sampled_from([b'"', b",", b"\n", b"\0", b"\xff", b"\r", "ژ".encode(), b"9" * 40, b""])
)
def test_whatever_happens_to_a_file_it_is_told_in_both_languages(
    at: int, piece: bytes, check: Check, configuration: Configuration, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = content_of(ROW, ROW.replace("23", "x"), ROW)
    place = at % len(content)
    data = tmp_path_factory.mktemp("mutated") / "d.csv"
    data.write_bytes(content[:place] + piece + content[place + len(piece) :])
    found = check(data)
    for language in ("fa", "en"):
        page, is_whole = check_page(found, configuration.dataset(PLACES), language, "beside")
        assert is_whole
        assert MARKER[1:-1] not in page
    assert found.rows or found.refusals
    json.dumps(found.as_json())


# ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("language", ["fa", "en"])
def test_the_page_shows_every_row_number_and_no_value(
    language: Any, ministry: Ministry, check: Check, configuration: Configuration, tmp_path: Path
) -> None:
    file = ministry.deliver(LIST, "1403-01", tmp_path, defects={"wrong_check_digit": 0.01})
    found = check(file.csv_path, LIST)
    page, is_whole = check_page(found, configuration.dataset(LIST), language, "beside")
    assert is_whole
    for finding in found.findings:
        for spot in finding.spots:
            for pair in spot.rows.pairs():
                for number in map(str, pair):
                    assert f">{persian_digits(number) if language == 'fa' else number}" in page or number in page
    header, *rows = csv.reader(io.StringIO(file.csv_path.read_text(encoding="utf-8-sig")))
    shown = check_page(found, configuration.dataset(LIST), language, "")[0] + json.dumps(found.as_json(), ensure_ascii=False)
    cells = {cell.strip() for row in rows for cell in row}
    told = {text for dataset in configuration.datasets.values() for text in (dataset.file.label.fa, dataset.file.label.en)}
    told |= {text for fault in FAULTS.values() for text in (fault.fix.fa, fault.fix.en)}
    long = {cell for cell in cells if len(cell) > 6 and cell not in " ".join((*told, *header))}
    assert len(long) > 1000
    assert not [cell for cell in long if cell in shown]


def test_both_languages_have_a_word_for_everything() -> None:
    assert _WORDS["fa"].keys() == _WORDS["en"].keys()
    assert set(IDENTIFIER_FAULTS) < set(FAULTS)
    for fault in FAULTS.values():
        assert fault.title.fa != fault.title.en
        assert fault.fix.fa != fault.fix.en
    assert MALFORMED_ROW in FAULTS


def test_every_reason_for_which_a_file_is_refused_has_its_fix_in_persian() -> None:
    folder = Path(check_report.__file__).parent
    sources = [path.read_text(encoding="utf-8") for path in (*(folder / "formats").glob("*.py"), folder / "agreement.py")]
    reasons = {reason for text in sources for reason in re.findall(r'DeliveryRefused\(\s*"(\w+)"', text)}
    about_the_descriptor = {"not_expected", "future_period", "contract_version", "schema", "row_count"}
    assert reasons - about_the_descriptor - {reason for reason in reasons if "reporting_unit" in reason} == set(FIXES_FA)


def test_the_terminal_shows_the_first_rows_and_how_many_more(check: Check, configuration: Configuration, tmp_path: Path) -> None:
    data = tmp_path / "d.csv"
    data.write_bytes(content_of(*([ROW, ROW.replace("23,تهران", "x,y")] * 10)))
    report = report_of(check(data), configuration.dataset(PLACES), "en", 2)
    [spot] = [
        spot for group in report.groups for one in group.findings for spot in one.spots if "استان" in spot.columns and spot.fix
    ]
    assert (spot.rows, spot.more, spot.count) == (("2", "4"), "and 8 more rows", "10")


# ── ranges ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.sets(st.integers(1, 60)), max_size=4))
def test_ranges_hold_the_rows_that_went_in(pieces: list[set[int]]) -> None:
    pieces = [{row + 100 * number for row in piece} for number, piece in enumerate(pieces)]
    joined = RowRanges.joined([RowRanges.of(np.array(sorted(piece), dtype=np.int64)) for piece in pieces])
    rows = sorted(set().union(*pieces))
    assert rows_in(joined) == rows
    assert joined.count == len(rows)
    assert len(joined) == sum(1 for row in rows if row - 1 not in rows)


def test_a_range_goes_on_from_one_batch_to_the_next() -> None:
    whole = [RowRanges.of(np.arange(first, first + 10)) for first in (1, 11, 31)]
    assert list(RowRanges.joined(whole).pairs()) == [(1, 20), (31, 40)]


# ── packing and sending ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def keys(tmp_path: Path) -> tuple[SigningKey, SigningKey]:
    folder = tmp_path / "keys"
    return generate_signing_key(folder / "sender", "s"), generate_signing_key(folder / "unit", "u")


Pack = Callable[..., Path]


@pytest.fixture
def pack(configuration: Configuration, keys: tuple[SigningKey, SigningKey], tmp_path: Path, check: Check) -> Pack:
    """Packs a file with whatever is said of it; the self-check is of the sound file, signed by the unit."""
    recipients = read_recipients("\n".join(generate_identity(tmp_path / "id").recipients), "r")
    sound = tmp_path / "sound.csv"
    sound.write_bytes(content_of(ROW))

    def pack(
        content: bytes = content_of(ROW), change: Any = None, signed: SignedCheck | None = None, at: datetime = IN_TIME
    ) -> Path:
        data = tmp_path / "d.csv"
        data.write_bytes(content)
        own = signed or SignedCheck.by(keys[1], check(sound).self_check())
        return dispatch(configuration, descriptor_of(content, change), data, own, tmp_path, recipients, keys[0], at)

    return pack


def test_what_the_desks_made_of_a_sound_file_is_packed_once(pack: Pack) -> None:
    assert pack().name == "d.tar.age"
    with pytest.raises(MdlakeError, match="there already"):
        pack()


def test_a_period_that_has_not_begun_in_iran_is_not_packed(pack: Pack) -> None:
    midnight = midnight_in_iran(Period.parse(MONTH).first_day)
    with pytest.raises(DeliveryRefused, match="not begun") as caught:
        pack(at=midnight - timedelta(seconds=1))
    assert caught.value.reason == "future_period"
    assert pack(at=midnight).is_file()


ELSEWHERE = ("another organization", "a file of another name", "the folder of another")
OF_DESCRIPTOR = {name: case for name, case in REFUSED.items() if case[2] is not None and name not in ELSEWHERE}


@pytest.mark.parametrize(("reason", "content", "change"), OF_DESCRIPTOR.values(), ids=OF_DESCRIPTOR.keys())
def test_what_the_intake_would_refuse_is_not_packed(
    reason: str, content: bytes, change: Any, pack: Pack, keys: tuple[SigningKey, SigningKey], tmp_path: Path
) -> None:
    described = descriptor_of(content, change)
    said = json.loads(described)
    own = {name: said["mdlake"].get(name) for name in ("organization", "dataset", "period", "contract_version")}
    text = {**own, "format": "mdlake-self-check/1", "hash": said["resources"][0]["hash"], "rows": said["mdlake"]["declared_rows"]}
    signed = SignedCheck.by(keys[1], _As(json.dumps(text)))  # type: ignore[arg-type]
    with pytest.raises(DeliveryRefused) as caught:
        pack(content, change, signed)
    assert caught.value.reason == reason
    assert MARKER not in str(caught.value)
    assert not list(tmp_path.glob("*.age*"))


class _As:
    """A self-check whatever it says, to be signed."""

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def content(self) -> bytes:
        return self._text.encode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c, s: (c, s.replace("A", "B")), "self_check_signature"),
        (lambda c, s: (c + b" ", s), "self_check_signature"),
        (lambda c, s: (c, "no signature"), "self_check_signature"),
    ],
)
def test_a_self_check_that_was_changed_after_its_signature_is_not_packed(
    change: Any, reason: str, pack: Pack, keys: tuple[SigningKey, SigningKey], check: Check, tmp_path: Path
) -> None:
    (tmp_path / "s.csv").write_bytes(content_of(ROW))
    right = SignedCheck.by(keys[1], check(tmp_path / "s.csv").self_check())
    with pytest.raises(DeliveryRefused) as caught:
        pack(signed=SignedCheck(*change(right.content, right.signature)))
    assert caught.value.reason == reason


def test_what_numbers_itself_before_what_it_replaces_is_not_packed(pack: Pack) -> None:
    with pytest.raises(DeliveryRefused) as caught:
        pack(change=lambda descriptor: descriptor["mdlake"].update(sequence=2, supersedes=2))
    assert caught.value.reason == "older_sequence"


def test_a_self_check_of_another_file_is_not_packed(pack: Pack) -> None:
    other = ROW.replace(",12,", ",13,")
    assert other != ROW
    with pytest.raises(DeliveryRefused, match="hash") as caught:
        pack(content_of(other))
    assert caught.value.reason == "other_self_check"


def test_what_is_sent_has_its_name_when_it_is_there_whole_and_the_signature_comes_last(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, folder = pack(), tmp_path / "in"
    folder.mkdir()
    appeared: list[str] = []
    rename = Path.rename
    monkeypatch.setattr(Path, "rename", lambda path, target: (appeared.append(Path(target).name), rename(path, target))[1])
    arrived = send(package, folder)
    assert appeared == ["d.tar.age", "d.tar.age.sig"]
    assert arrived.read_bytes() == package.read_bytes()
    with pytest.raises(MdlakeError, match="on its way already"):
        send(package, folder)


def test_what_is_damaged_on_the_way_is_not_left_there(pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, folder = pack(), tmp_path / "in"
    folder.mkdir()
    monkeypatch.setattr("shutil.copyfileobj", lambda source, target, _: target.write(source.read()[:-1]))
    with pytest.raises(MdlakeError, match="not what was sent"):
        send(package, folder)
    assert list(folder.iterdir()) == []


def test_what_is_no_package_with_its_signature_is_not_sent(pack: Pack, tmp_path: Path) -> None:
    package = pack()
    for path, folder, what in (
        (tmp_path / "d.csv", tmp_path, "no package"),
        (package, tmp_path / "nowhere", "no such folder"),
    ):
        with pytest.raises(MdlakeError, match=what):
            send(path, folder)
    package.with_name("d.tar.age.sig").unlink()
    with pytest.raises(MdlakeError, match="no package with its signature"):
        send(package, tmp_path)


@pytest.mark.parametrize(
    ("name", "encoding", "delimiter", "form"),
    [
        ("a.csv", None, None, Form("csv", "utf-8", ",")),
        ("a.CSV", "windows-1256", "\t", Form("csv", "windows-1256", "\t")),
        ("a.dbf", "iran-system", None, Form("dbf", "iran-system")),
        ("a.xlsx", None, None, Form("xlsx")),
        ("a.parquet", None, None, Form("parquet")),
    ],
)
def test_the_form_is_that_of_the_ending_and_of_what_is_said(name: str, encoding: Any, delimiter: Any, form: Form) -> None:
    assert Form.of_file(name, encoding, delimiter) == form


@pytest.mark.parametrize(("name", "encoding"), [("a.txt", None), ("csv", None), ("a.dbf", None), ("a.xlsx", "utf-8")])
def test_a_form_that_cannot_be_is_an_error(name: str, encoding: Any) -> None:
    with pytest.raises(MdlakeError):
        Form.of_file(name, encoding, None)
