"""Rare codes, names and telephone numbers go the whole way, through good months, refusals and crashes; none of them stands
anywhere outside of the landing, the secure zone and the keys.

Everything that the processes may write lies under one home: temporary folders and the user's own folder too. What they
print is searched as well.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from leak_search import Needles, found_in_bytes, found_in_folder

from mdlake.config import Dataset, Home
from mdlake.pipeline import assets, checks
from mdlake.pipeline.local_runs import LocalRuns
from mdlake.standard import Period
from mdlake.steps import House, Judgement, Made, Run, open_house
from mdlake.synthetic import DeliveredFile, Ministry
from mdlake.synthetic.page import Canary

CONFIG = Path(__file__).resolve().parents[2] / "assets_config"
LIST, PLACES = "sso/insured_contributions", "sso/workplaces"
IDENTIFIED = ("landing", "secure", "keys")
INSURED = (
    Canary("0987132466", "ژینوپه", "کیژاوندپور"),
    Canary("4819372653", "گئوماته", "پژوهیک‌تباری"),
)
EMPLOYERS = (
    Canary("6193847200", "چیستامهر", "ژرفاندیشیک", "09359170482"),
    Canary("0274918366", "یوشیژک", "کاویانژی", "02188473915"),
)
IN_HAND = Canary("7391582646", "پگاهیژه", "یکتاکیشی")
"""Written with the digits and letters of an Arabic keyboard."""
UNREADABLE = Canary("5648291736", "ژیواندخت", "گیلکژاد")
"""In lines that do not divide, in files that cannot be read, in place of headers, and in the texts of crashes."""
WRONG = "8275619430"
"""A national code whose check digit is not right, in quarantine."""
PERSONS = (*INSURED, *EMPLOYERS, IN_HAND, UNREADABLE)
NEEDLES = Needles(
    codes=(*(c.national_code for c in PERSONS), *(c.phone for c in PERSONS if c.phone), WRONG),
    names=tuple(name for c in PERSONS for name in (c.first_name, c.last_name)),
)
PERSIAN_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
ARABIC_KEYBOARD = str.maketrans("0123456789یک", "٠١٢٣٤٥٦٧٨٩يك")


# ── what the producer sends ──────────────────────────────────────────────────────────────────────────────────────────


def deliver(landing: Path) -> None:
    """Three months of both datasets: one month to be refused, deliveries that cannot be taken in, rows that cannot be read."""
    ministry = Ministry(persons=2000, workplaces=200, seed=29)
    for month in ("1403-01", "1403-02", "1403-03"):
        spoilt = {"wrong_check_digit": 0.2} if month == "1403-02" else {}
        contributions = ministry.deliver(LIST, month, landing, canaries=INSURED, defects=spoilt)
        ministry.deliver(PLACES, month, landing, canaries=EMPLOYERS)
        if month == "1403-01":
            rewrite(contributions, with_difficult_rows)
    rewrite(ministry.deliver(LIST, "1403-03", landing, sequence=2, canaries=INSURED), not_text)
    rewrite(ministry.deliver(PLACES, "1403-02", landing, sequence=2, canaries=EMPLOYERS), without_a_column)
    rewrite(ministry.deliver(PLACES, "1403-03", landing, sequence=2, canaries=EMPLOYERS), without_headers)
    rewrite(ministry.deliver(LIST, "1403-03", landing, sequence=3, canaries=INSURED), with_an_open_quotation)


def rewrite(file: DeliveredFile, change: Callable[[bytes], bytes]) -> None:
    """Change a delivered file, and its descriptor so that it still describes it."""
    data = change(file.csv_path.read_bytes())
    file.csv_path.write_bytes(data)
    descriptor = json.loads(file.descriptor_path.read_text(encoding="utf-8"))
    digest = hashlib.sha256(data).hexdigest()
    descriptor["resources"][0] |= {"bytes": len(data), "hash": f"sha256:{digest}"}
    descriptor["mdlake"]["declared_rows"] = data.count(b"\n") - 1
    file.descriptor_path.write_text(json.dumps(descriptor), encoding="utf-8")


def with_difficult_rows(data: bytes) -> bytes:
    """A row from an Arabic keyboard, a row with a wrong code, a line with fields too many."""
    header, *rows = csv.reader(StringIO(data.decode()))
    names = ("کد ملی", "نام", "نام خانوادگی")
    by_hand = (IN_HAND.national_code, IN_HAND.first_name, IN_HAND.last_name)
    for name, value in zip(names, by_hand, strict=True):
        rows[-1][header.index(name)] = value.translate(ARABIC_KEYBOARD)
    rows[-2][header.index("کد ملی")] = WRONG
    ragged = [*rows[-3], UNREADABLE.national_code, UNREADABLE.first_name, UNREADABLE.last_name]
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows, ragged])
    return text.getvalue().encode()


def without_a_column(data: bytes) -> bytes:
    """The file without its second column, and the name of a person in place of the header of the third."""
    header, *rows = csv.reader(StringIO(data.decode("utf-8-sig")))
    header[2] = f"{UNREADABLE.first_name} {UNREADABLE.national_code}"
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([row[:1] + row[2:] for row in (header, *rows)])
    return text.getvalue().encode()


def without_headers(data: bytes) -> bytes:
    """The file as if its first line were data, of a canary."""
    line = f"1403/03,{UNREADABLE.national_code},{UNREADABLE.first_name} {UNREADABLE.last_name}\n".encode()
    return line + data.partition(b"\n")[2]


def not_text(data: bytes) -> bytes:
    """The file with a canary in another encoding at its end."""
    return data + f"{UNREADABLE.national_code},".encode() + UNREADABLE.last_name.encode("cp1256", "replace") + b"\n"


def with_an_open_quotation(data: bytes) -> bytes:
    """The file with a quotation mark that is never closed before a canary."""
    return data + f'"{UNREADABLE.national_code},{UNREADABLE.first_name}\n'.encode()


# ── crashes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def crash_in_a_layer(house: House, dataset: Dataset, period: Period, run: Run) -> Made:
    """A defect as libraries raise it: the value in the text, in the cause, in the context, and on standard error."""
    os.write(2, f"thread panicked: {UNREADABLE.national_code}\n".encode())
    try:
        pl.Series(UNREADABLE.last_name, [UNREADABLE.national_code, UNREADABLE.first_name]).cast(pl.Int8)
    except pl.exceptions.InvalidOperationError as error:
        raise ValueError(f"{UNREADABLE.first_name} {UNREADABLE.national_code}") from error
    raise AssertionError("the cast fails")


def crash_in_a_check(house: House, layer: str, dataset: Dataset, period: Period, run: Run) -> Judgement:
    """As above, in the check of a layer."""
    raise KeyError(UNREADABLE.national_code, UNREADABLE.last_name)


# ── the whole way ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, str]]:
    """Everything that a process may write, temporary files and the user's own, lies under the home."""
    home = tmp_path / "home"
    own = {"MDLAKE_HOME": home, "MDLAKE_CONFIG": CONFIG, "TMPDIR": home / "tmp", "HOME": home / "user"}
    for variable in [name for name in os.environ if name.startswith(("MDLAKE_", "DAGSTER_"))]:
        monkeypatch.delenv(variable)
    for variable, path in own.items():
        monkeypatch.setenv(variable, str(path))
    (home / "tmp").mkdir(parents=True)
    (home / "user").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield dict(os.environ)
    tempfile.tempdir = None


def mdlake(environment: Mapping[str, str], *arguments: str) -> bytes:
    """What a command prints, on both of its streams."""
    program = [sys.executable, "-c", "from mdlake.cli import main; main()", *arguments]
    done = subprocess.run(program, env=environment, capture_output=True, timeout=180, check=False)
    assert done.returncode in {0, 1}, done.stderr.decode()
    return done.stdout + done.stderr


def test_no_canary_is_found_outside_of_the_landing_the_secure_zone_and_the_keys(
    environment: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    home = Home.from_environment(environment)
    printed = [mdlake(environment, "init")]
    deliver(home.landing / "sso")
    printed += [run_here(home, monkeypatch, capfd)]
    commands = (
        "run",
        f"run {LIST} {PLACES} --period 1403-02 --json",
        f"run {LIST} --period 1403-03",
        "status",
        "status --json",
        "keys show",
        "keys uses",
        "keys uses --json",
        "log checkpoint",
        "log verify",
        "maintain --retention-hours 0",
    )
    printed += [mdlake(environment, *command.split()) for command in commands]

    statuses = {(s["dataset"], s["period"]): s for s in json.loads(mdlake(environment, "status", "--json"))}
    assert {key: status["state"] for key, status in statuses.items()} == {
        (LIST, "1403-01"): "published",
        (PLACES, "1403-01"): "published",
        (LIST, "1403-02"): "refused",
        (PLACES, "1403-02"): "delivery refused",
        (LIST, "1403-03"): "delivery refused",
        (PLACES, "1403-03"): "delivery refused",
    }
    assert set().union(*found_in_folder(home.landing, NEEDLES).values()) == {*NEEDLES.codes, *NEEDLES.names}
    assert set().union(*found_in_folder(home.root / "secure", NEEDLES).values()) == {*NEEDLES.codes, *NEEDLES.names}
    assert all(path.stat().st_size for path in (home.dagster / "storage").rglob("*.db"))
    assert found_in_folder(home.root, NEEDLES, without=IDENTIFIED) == {}
    assert found_in_bytes(b"\n".join(printed), NEEDLES) == set()
    assert found_in_bytes(caplog.text.encode(), NEEDLES) == set()


def run_here(home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> bytes:
    """Months through the jobs in this process, with a crash in a layer and one in a check; returns what was printed."""
    with LocalRuns(home) as runs, monkeypatch.context() as broken:
        broken.setattr(assets, "_STEPS", {**assets._STEPS, "standardized": crash_in_a_layer})
        assert not runs.run(*partition(home, LIST, "1403-01"))
        # the crash itself wrote to standard error, as a library might: only the files are searched for that
        capfd.readouterr()
        broken.undo()
        broken.setattr(checks, "judge", crash_in_a_check)
        assert not runs.run(*partition(home, LIST, "1403-01"))
    with LocalRuns(home) as runs:
        assert runs.run(*partition(home, PLACES, "1403-01"))
        assert runs.run(*partition(home, LIST, "1403-01"))
        assert not runs.run(*partition(home, LIST, "1403-02"))
    shown = capfd.readouterr()
    return (shown.out + shown.err).encode()


def partition(home: Home, key: str, month: str) -> tuple[Dataset, Period]:
    """A dataset and one of its periods."""
    return open_house(home, "secure", lambda: datetime.now(UTC)).configuration.dataset(key), Period.parse(month)


# ── the searcher proves itself ───────────────────────────────────────────────────────────────────────────────────────


CODE, NAME = IN_HAND.national_code, IN_HAND.last_name


def as_parquet(path: Path) -> None:
    """Numbers and nested text, in a compressed file."""
    pl.DataFrame({"number": [1, int(CODE)], "nested": [{"name": "x"}, {"name": NAME}]}).write_parquet(path)


def as_sqlite(path: Path) -> None:
    """A number, and packed bytes."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE things (number INTEGER, packed BLOB)")
        database.execute("INSERT INTO things VALUES (?, ?)", (int(CODE), zlib.compress(json.dumps([NAME]).encode())))
        database.commit()


PLANTED: Mapping[str, Callable[[Path], object]] = {
    "parquet": as_parquet,
    "sqlite": as_sqlite,
    "text": lambda path: path.write_text(f"code={CODE} {NAME}", encoding="utf-8"),
    "arabic keyboard": lambda path: path.write_text(f"{CODE} {NAME}".translate(ARABIC_KEYBOARD), encoding="utf-8"),
    "persian digits": lambda path: path.write_text(f"{CODE.translate(PERSIAN_DIGITS)} {NAME[:4]}\u200c{NAME[4:]}"),
    "wide text": lambda path: path.write_bytes(f"{CODE} {NAME}".encode("utf-16")),
    "gzip": lambda path: path.write_bytes(gzip.compress(f"{CODE} {NAME}".encode())),
    "zlib in gzip": lambda path: path.write_bytes(gzip.compress(zlib.compress(f"{CODE} {NAME}".encode()))),
    "json": lambda path: path.write_text(json.dumps({"code": CODE, "name": NAME})),
    "percent signs": lambda path: path.write_text(f"{quote(NAME)}={CODE}"),
    "base64": lambda path: path.write_bytes(b64encode(f"one: {CODE}".encode()) + b64encode(f"two, {NAME}".encode())),
    "hexadecimal": lambda path: path.write_text(f"{CODE.encode().hex()} {NAME.encode().hex().upper()}"),
    "name of a file": lambda path: path.with_name(f"{CODE}-{NAME}").touch(),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_value_is_found_in_a_file_of_every_kind(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "folder" / "deep"
    folder.mkdir(parents=True)
    assert found_in_folder(tmp_path, NEEDLES) == {}
    PLANTED[kind](folder / "planted")
    assert set().union(*found_in_folder(tmp_path, NEEDLES).values()) == {CODE, NAME}
    assert found_in_folder(tmp_path, NEEDLES, without=["folder"]) == {}


def test_a_code_that_lost_its_zero_is_found_as_the_code() -> None:
    assert found_in_bytes(b'{"n": 987132466}', NEEDLES) == {INSURED[0].national_code}
