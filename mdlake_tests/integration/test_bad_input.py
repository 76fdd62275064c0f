"""Bad input of every kind: the error says where and what next, what is published stays, nothing is lost, no value is told."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
from conftest import CONFIG, MAKERS, Clock, decide_all
from producer import Producer

from mdlake.config import Home
from mdlake.errors import ConfigurationError, GateRefused, KeyRefused, MdlakeError
from mdlake.exchange import Received
from mdlake.lake import PartitionState
from mdlake.pipeline.boundary import told
from mdlake.seals import decrypt, load_identity, read_recipients
from mdlake.standard import Period
from mdlake.steps import (
    KEY_FILE,
    RECIPIENTS,
    House,
    Run,
    judge,
    make_pseudonymized,
    make_raw,
    make_standardized,
    open_house,
    prepare,
    receive_packages,
)
from mdlake.synthetic import Ministry

LIST, MONTH = "sso/insured_contributions", "1403-01"
LAYERS = ("raw", "standardized", "quarantine", "pseudonymized", "published")
Walk = Callable[..., dict[str, str]]

MARKED = {
    "نام خانوادگی": "زرنگارنشانی",
    "نام": "Zarnegarname",
    "شماره بیمه": "97531864",
    "کد شغل": "ZQ83",
    "دستمزد روزانه": "86420975",
}
"""Values that nobody has, one in every row of a marked column."""


@dataclass
class Parcel:
    """A delivery to be spoilt: its bytes, and what its descriptor says."""

    content: bytes
    descriptor: dict[str, Any]
    describe: bool = True
    separate: list[str] = field(default_factory=list)

    @property
    def said(self) -> dict[str, Any]:
        """The ministry's own properties."""
        properties: dict[str, Any] = self.descriptor["mdlake"]
        return properties

    def table(self) -> list[list[str]]:
        """The records of the file, the header first."""
        return list(csv.reader(io.StringIO(self.content.decode("utf-8"))))

    def write(self, table: list[list[str]]) -> None:
        """Other records."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(table)
        self.content = text.getvalue().encode()

    def send(self, house: House, name: str = "again") -> tuple[str, Received]:
        """Have it sent and taken in; the digest of the data file, and the answer."""
        digest = hashlib.sha256(self.content).hexdigest()
        resource = self.descriptor["resources"][0]
        resource["path"] = f"{name}.csv"
        if self.describe:
            resource |= {"bytes": len(self.content), "hash": f"sha256:{digest}"}
        home = house.home
        with TemporaryDirectory(dir=home.keys) as folder:
            data = Path(folder) / f"{name}.csv"
            data.write_bytes(self.content)
            recipients = read_recipients((home.control / RECIPIENTS).read_text(encoding="ascii"), RECIPIENTS)
            (home.landing / "sso").mkdir(mode=0o700, exist_ok=True)
            Producer.of_rehearsal("sso", house).pack_as(self.descriptor, data, home.landing / "sso", recipients)
        return digest, receive_packages(house)[-1]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Parcel]:
    """Makes a sound delivery of the list, with marked values in every row."""
    ministry = Ministry(persons=150, workplaces=15, seed=5)
    none = dict.fromkeys(ministry.defect_rates(LIST), 0.0)
    file = ministry.deliver(LIST, MONTH, tmp_path_factory.mktemp("sound"), defects=none)
    descriptor = file.descriptor_path.read_text(encoding="utf-8")

    def make() -> Parcel:
        parcel = Parcel(file.csv_path.read_bytes(), json.loads(descriptor))
        header, *rows = parcel.table()
        for column, value in MARKED.items():
            for row in rows:
                row[header.index(column)] = value
        parcel.write([header, *rows])
        return parcel

    return make


@pytest.fixture(scope="module")
def published(sound: Callable[[], Parcel], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of an installation with a published month, whose list has no marked values and passes all rules."""
    clock = Clock()
    clock.moment -= timedelta(days=1)
    home = Home.from_environment({"MDLAKE_HOME": str(tmp_path_factory.mktemp("published")), "MDLAKE_CONFIG": str(CONFIG)})
    prepare(home, clock())
    decide_all(open_house(home, "research", clock), clock())
    parcel = sound()
    header, *rows = parcel.table()
    for row in rows:
        row[header.index("کد شغل")] = "22"
        row[header.index("نام خانوادگی")] = "احمدی"
    parcel.write([header, *rows])
    assert parcel.send(open_house(home, "secure", clock), "first")[1].refusal is None
    for layer, make in MAKERS.items():
        house = open_house(home, "research" if layer == "published" else "secure", clock)
        dataset, period = house.configuration.dataset(LIST), Period.parse(MONTH)
        make(house, dataset, period, Run("first"))
        assert judge(house, layer, dataset, period, Run("first")).verdict.outcome != "refused"
    return home.root


@pytest.fixture
def home(published: Path, tmp_path: Path) -> Home:
    """A copy of it, for each test its own."""
    shutil.copytree(published, tmp_path / "home")
    return Home.from_environment({"MDLAKE_HOME": str(tmp_path / "home"), "MDLAKE_CONFIG": str(CONFIG)})


def contents(house: House) -> dict[str, PartitionState]:
    """The state of every layer of the month."""
    dataset = house.configuration.dataset(LIST)
    tables = {layer: house.table(layer, dataset, dataset.contract(Period.parse(MONTH))) for layer in LAYERS}
    return {layer: found for layer, table in tables.items() if (found := table.state(MONTH))}


def kept(home: Home) -> set[str]:
    """The digests of all files under the landing."""
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in home.landing.rglob("*") if path.is_file()}


def refused_contents(home: Home) -> Iterator[bytes]:
    """The data files inside of the packages that were refused."""
    identity = load_identity(home.keys / "intake_age")
    for package in (home.landing / "sso" / "refused").glob("*.tar.age"):
        text = io.BytesIO()
        with package.open("rb") as sealed:
            decrypt(sealed, text, identity)
        with tarfile.open(fileobj=io.BytesIO(text.getvalue())) as archive:
            yield from (archive.extractfile(member).read() for member in archive if member.name.endswith(".csv"))  # type: ignore[union-attr]


def everything_said(error: BaseException, home: Home) -> Iterator[str]:
    """Every text by which an error or the ledger could tell a value."""
    chain: list[BaseException | None] = [error]
    seen: set[int] = set()
    while chain:
        one = chain.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield from (str(one), repr(one), repr(one.args), repr(vars(one)), repr(getattr(one, "__notes__", "")))
        chain += [one.__cause__, one.__context__]
    with sqlite3.connect(home.control / "ledger.db") as database:
        yield "\n".join(database.iterdump())
    with pytest.raises(dg.Failure) as failure, told():
        raise error
    shown = failure.value
    yield from (str(shown), repr(shown.description), repr(shown.metadata), repr(shown.__cause__), repr(shown.__context__))


def tells_no_value(error: BaseException, home: Home) -> None:
    """No marked value, in any of the digits that a value may be written in."""
    values = {*MARKED.values(), "۹۷۵۳۱۸۶۴", "۸۶۴۲۰۹۷۵"}
    for text in everything_said(error, home):
        found = [value for value in values if value in text or value in text.encode().decode("unicode_escape", "replace")]
        assert not found, "a cell value is told"


# ── deliveries that are refused ──────────────────────────────────────────────────────────────────────────────────────


def _without(column: str) -> Callable[[Parcel], None]:
    def spoil(parcel: Parcel) -> None:
        header, *rows = parcel.table()
        at = header.index(column)
        parcel.write([row[:at] + row[at + 1 :] for row in (header, *rows)])

    return spoil


def _one_more(header: str) -> Callable[[Parcel], None]:
    def spoil(parcel: Parcel) -> None:
        first, *rows = parcel.table()
        parcel.write([[*first, header], *([*row, MARKED["نام"]] for row in rows)])

    return spoil


def _says(**other: Any) -> Callable[[Parcel], None]:
    return lambda parcel: parcel.said.update(other)


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Parcel], None]:
    def spoil(parcel: Parcel) -> None:
        parcel.content = change(parcel.content)

    return spoil


def _cut_off_on_the_way(parcel: Parcel) -> None:
    digest = hashlib.sha256(parcel.content).hexdigest()
    parcel.descriptor["resources"][0] |= {"bytes": len(parcel.content), "hash": f"sha256:{digest}"}
    parcel.content, parcel.describe = parcel.content[: len(parcel.content) // 2], False


def _lost_rows(parcel: Parcel) -> None:
    parcel.write(parcel.table()[:-2])


def _without_header(parcel: Parcel) -> None:
    parcel.write(parcel.table()[1:])


def _by_semicolons(parcel: Parcel) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="\n").writerows(parcel.table())
    parcel.content = text.getvalue().encode()


def _open_quote(parcel: Parcel) -> None:
    header, *rows = parcel.table()
    at = header.index("نام خانوادگی")
    plain = "\n".join(",".join(row) for row in rows[3:])
    broken = ",".join(['"' + value if number == at else value for number, value in enumerate(rows[2])])
    parcel.content = f"{','.join(header)}\n{broken}\n{plain}\n".encode()


@dataclass(frozen=True)
class Case:
    """How a delivery is spoilt, the reason code of its refusal, and what the message must say."""

    spoil: Callable[[Parcel], None]
    reason: str
    told: tuple[str, ...] = ()
    names_partition: bool = True


REFUSED: Mapping[str, Case] = {
    "a column is missing": Case(_without("جنسیت"), "missing_column", ("missing columns: جنسیت", "contract 1.0")),
    "a column is unknown": Case(_one_more("نام مادر"), "unknown_column", ("unknown columns at position 18",)),
    "a column comes twice": Case(_one_more("جنسیت"), "repeated_column", ("columns sent twice: sex",)),
    "the header line is missing": Case(_without_header, "missing_column", ("کد ملی",)),
    "another separator": Case(_by_semicolons, "dialect", ("not separated by ','",)),
    "an empty file": Case(_bytes(lambda _: b""), "empty_file", ("no header line",)),
    "blank lines alone": Case(_bytes(lambda _: b"\n \n\n"), "empty_file", ("no header line",)),
    "a header alone": Case(_bytes(lambda content: content.splitlines()[0]), "empty_file", ("a header line and no row",)),
    "a header and its line break": Case(_bytes(lambda c: c.splitlines()[0] + b"\n"), "empty_file", ("no row",)),
    "Windows-1256": Case(_bytes(lambda c: c.decode().encode("cp1256", "replace")), "encoding", ("not UTF-8", "line 1")),
    "Windows-1256 in the rows": Case(
        _bytes(lambda c: c.split(b"\n", 3)[0] + b"\n" + c.split(b"\n", 1)[1].decode().encode("cp1256", "replace")),
        "encoding",
        ("it is not UTF-8 text (line 2)",),
    ),
    "UTF-16": Case(_bytes(lambda content: content.decode().encode("utf-16")), "encoding", ("UTF-8",)),
    "a picture": Case(
        _bytes(lambda _: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40), "unreadable_file", ("bytes that are zero",)
    ),
    "an open quotation mark": Case(_open_quote, "unreadable_file", ("(line 2)",)),
    "a file cut off on the way": Case(
        _cut_off_on_the_way, "hash_mismatch", ("is not the one that the descriptor describes",), names_partition=False
    ),
    "another contract version": Case(_says(contract_version="2.0"), "contract_version", ("contract 1.0 is in force",)),
    "a period outside the calendar": Case(_says(period="1410-01"), "not_expected", ("1410-01", "1399-11 to 1405-12"), False),
    "a period that does not exist": Case(_says(period="1403-13"), "not_expected", ("1403-13",), False),
    "a dataset that does not exist": Case(_says(dataset="pensions"), "not_expected", ("Known: ", "sso/insured"), False),
    "another organization": Case(_says(organization="behzisti"), "other_organization", ("another organization than the",), False),
    "rows that were lost on the way": Case(_lost_rows, "row_count", ("149 rows, and the descriptor says 151",)),
    "no number of rows": Case(_says(declared_rows="many"), "unreadable_descriptor", ("mdlake.declared_rows",), False),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_delivery_changes_nothing_and_loses_nothing(
    name: str, home: Home, secure: House, sound: Callable[[], Parcel]
) -> None:
    case = REFUSED[name]
    before = contents(secure)
    parcel = sound()
    parcel.said.update(sequence=2, supersedes=1)
    case.spoil(parcel)
    files = kept(home)
    digest, received = parcel.send(secure)
    dataset, period = secure.configuration.dataset(LIST), Period.parse(MONTH)
    refusal = received.refusal
    assert refusal is not None
    assert refusal.reason == case.reason
    message = str(refusal)
    assert all(part in message for part in case.told), message
    if case.names_partition:
        assert f"{LIST} {MONTH}" in message or f"of {LIST} {MONTH}" in message, message
    assert contents(secure) == before
    assert kept(home) > files
    last = secure.ledger.packages("sso")[-1]
    assert (last.state, last.reason, last.message) == ("refused", case.reason, message)
    assert digest in {hashlib.sha256(content).hexdigest() for content in refused_contents(home)}
    tells_no_value(refusal, home)
    # the month stands as it stood, and can be made again from what was accepted
    assert make_raw(secure, dataset, period, Run("again")).state.content_id == before["raw"].content_id


def test_nothing_that_was_ever_delivered_leads_to_who_sends_it_and_where_to(secure: House, home: Home) -> None:
    with pytest.raises(MdlakeError) as caught:
        make_raw(secure, secure.configuration.dataset(LIST), Period.parse("1403-02"), Run("run"))
    for part in (f"{LIST} 1403-02", "no accepted delivery", "Social Security Organization sends", str(home.landing / "sso")):
        assert part in str(caught.value)


# ── partitions that are refused ──────────────────────────────────────────────────────────────────────────────────────


def test_rows_of_another_month_refuse_the_month_and_leave_what_is_published(
    home: Home, secure: House, walk: Walk, sound: Callable[[], Parcel]
) -> None:
    before = contents(secure)
    parcel = sound()
    header, *rows = parcel.table()
    rows[7][header.index("دوره لیست")] = "1403/02"
    parcel.write([header, *rows])
    parcel.said.update(sequence=2, supersedes=1)
    digest, _ = parcel.send(secure)
    assert walk(LIST, MONTH) == {"raw": "passed_with_warnings", "standardized": "refused"}
    dataset, period = secure.configuration.dataset(LIST), Period.parse(MONTH)
    failures = judge(secure, "standardized", dataset, period, Run("look")).failures
    (found,) = [text for text in failures if text.startswith("reference_period")]
    assert "1 of " in found
    assert "most in list_month" in found
    with pytest.raises(GateRefused, match="reference_period") as caught:
        make_pseudonymized(secure, dataset, period, Run("by hand"))
    after = contents(secure)
    assert {layer: after[layer] for layer in ("pseudonymized", "published")} == {
        layer: before[layer] for layer in ("pseudonymized", "published")
    }
    assert digest in kept(home)
    tells_no_value(caught.value, home)


def test_a_million_bad_rows_are_set_aside_and_refused_and_nothing_published_changes(
    home: Home, secure: House, sound: Callable[[], Parcel]
) -> None:
    before = contents(secure)
    parcel = sound()
    header, *rows = parcel.table()
    million = 1_000_000
    serial = np.arange(100_000_000, 100_000_000 + million)
    weighted = sum((serial // 10**place % 10) * (place + 2) for place in range(9)) % 11
    right = np.where(weighted < 2, weighted, 11 - weighted)
    frame = pl.DataFrame(dict(zip(header, ([value] for value in rows[0]), strict=True))).select(
        pl.lit("").alias(column) if column.startswith("نام") else pl.col(column) for column in header
    )
    bad = frame.select(pl.all().repeat_by(million).explode()).with_columns(
        pl.Series("کد ملی", serial * 10 + (right + 1) % 10).cast(pl.String)
    )
    text = io.BytesIO()
    bad.write_csv(text)
    parcel.content = text.getvalue()
    parcel.said.update(sequence=2, supersedes=1, declared_rows=million)
    digest, received = parcel.send(secure)
    assert received.refusal is None
    del text, bad

    dataset, period = secure.configuration.dataset(LIST), Period.parse(MONTH)
    make_raw(secure, dataset, period, Run("run"))
    assert judge(secure, "raw", dataset, period, Run("run")).verdict.outcome != "refused"
    made = make_standardized(secure, dataset, period, Run("run"))
    assert dict(made.counts) | {"edits": 0} == {
        "rows_in": million,
        "rows": 0,
        "quarantined": million,
        "duplicates": 0,
        "edits": 0,
    }
    judgement = judge(secure, "standardized", dataset, period, Run("run"))
    assert judgement.verdict.outcome == "refused"
    refusing = {text.partition(" ")[0] for text in judgement.failures}
    assert {"identifiers_valid", "quarantined_rows", "rows_against_previous"} - refusing <= {"rows_against_previous"}
    assert not any(text.startswith("rows_accounted") for text in judgement.failures), "no row is lost"
    with pytest.raises(GateRefused, match=r"identifiers_valid \(1000000 of ") as caught:
        make_pseudonymized(secure, dataset, period, Run("run"))
    after = contents(secure)
    assert (after["pseudonymized"], after["published"]) == (before["pseudonymized"], before["published"])
    quarantine = secure.table("quarantine", dataset, dataset.contract(period)).scan(MONTH)
    assert quarantine.select(pl.len(), pl.col("national_code").n_unique()).collect().row(0) == (million, million)
    assert digest in kept(home)
    tells_no_value(caught.value, home)
    shutil.rmtree(home.root)  # a few hundred megabytes that nobody needs


# ── keys and configuration ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_file_that_others_can_read_is_refused_with_the_command_that_mends_it(
    mode: int, home: Home, secure: House, walk: Walk
) -> None:
    before = contents(secure)
    path = home.keys / KEY_FILE
    path.chmod(mode)
    dataset, period = secure.configuration.dataset(LIST), Period.parse(MONTH)
    with pytest.raises(KeyRefused) as caught:
        make_pseudonymized(secure, dataset, period, Run("run"))
    assert "can be read by others" in str(caught.value)
    assert f"chmod 600 {path}" in str(caught.value)
    assert contents(secure) == before
    assert oct(path.stat().st_mode)[-3:] == f"{mode:o}", "it is refused and not mended: nobody knows who has read it"
    tells_no_value(caught.value, home)
    root = json.loads(path.read_text(encoding="ascii"))["epochs"][0]["root"]
    assert not any(root in text for text in everything_said(caught.value, home))
    os.chmod(path, 0o600)
    assert walk(LIST, MONTH)["published"] != "refused"


def test_a_key_file_of_nonsense_is_refused_and_not_shown(home: Home, secure: House) -> None:
    before = contents(secure)
    path = home.keys / KEY_FILE
    path.write_text('{"format": "mdlake-keyring/1", "epochs": [{"root": "Zarnegarname"', encoding="ascii")
    with pytest.raises(KeyRefused, match="does not hold a key ring") as caught:
        make_pseudonymized(secure, secure.configuration.dataset(LIST), Period.parse(MONTH), Run("run"))
    assert contents(secure) == before
    tells_no_value(caught.value, home)


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        (
            "organizations/sso/insured_contributions.yaml",
            "temporal_type: flow",
            "temporal_type: [flow",
            ("organizations/sso/insured_contributions.yaml:", "broken YAML"),
        ),
        (
            "organizations/sso/workplaces.yaml",
            "rows_against_previous: {severity",
            "rows_against_prevoius: {severity",
            ("organizations/sso/workplaces.yaml:", "there is no rule called 'rows_against_prevoius'", "rows_against_previous"),
        ),
        (
            "principles.yaml",
            "  heaping: {severity: warn, threshold: 0.5}",
            "  heeping: {severity: warn, threshold: 0.5}",
            ("principles.yaml:", "there is no rule called 'heeping'", "the rule 'heaping' has no setting"),
        ),
        (
            "organizations/sso/workplaces.yaml",
            "publish: {band: 5}",
            "publish: {bande: 5}",
            ("organizations/sso/workplaces.yaml:", "employees.publish"),
        ),
    ],
    ids=["broken YAML", "unknown rule of a dataset", "unknown rule of the ministry", "unknown generalization"],
)
def test_a_broken_configuration_is_told_by_file_line_and_fix_before_anything_is_touched(
    name: str, old: str, new: str, told: tuple[str, ...], home: Home, secure: House, clock: Any, tmp_path: Path
) -> None:
    before = contents(secure)
    config = tmp_path / "config"
    shutil.copytree(CONFIG, config)
    text = (config / name).read_text(encoding="utf-8")
    assert old in text
    (config / name).write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        open_house(replace(home, config=config), "secure", clock)
    message = str(caught.value)
    assert all(part in message for part in told), message
    assert "mdlake config check" in message
    assert contents(secure) == before


# ── defects of the system ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("layer", list(MAKERS))
def test_a_defect_in_any_step_is_told_to_dagster_without_any_of_its_words(layer: str, home: Home) -> None:
    # what a parser or an engine says of a value that it could not take
    def deep() -> None:
        try:
            int(MARKED["کد شغل"])
        except ValueError as error:
            raise pl.exceptions.ComputeError(f"conversion failed for {MARKED['نام خانوادگی']} in {layer}") from error

    with pytest.raises(dg.Failure) as caught, told():
        deep()
    assert "ComputeError" in str(caught.value.description)
    assert "deep" in str(caught.value.description)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    tells_no_value(caught.value, home)
