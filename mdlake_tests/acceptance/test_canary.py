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
import os
import shutil
import sqlite3
import subprocess
import sys
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import polars as pl
import pytest
from leak_search import Needles, found_in_bytes, found_in_folder
from producer import send_unchecked
from receiving_servers import MailServer, mail_server

from mdlake.config import Home
from mdlake.steps import open_house
from mdlake.synthetic import DeliveredFile, Ministry
from mdlake.synthetic.page import Canary

pytestmark = pytest.mark.acceptance

CONFIG = Path(__file__).resolve().parents[2] / "assets_config"
CRASHES = Path(__file__).with_name("canary_crashes.py")
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
    rewrite(ministry.deliver(LIST, "1403-03", landing, sequence=2, canaries=INSURED), with_an_open_quotation)
    rewrite(ministry.deliver(PLACES, "1403-02", landing, sequence=2, canaries=EMPLOYERS), without_a_column)
    rewrite(ministry.deliver(PLACES, "1403-03", landing, sequence=2, canaries=EMPLOYERS), without_headers)
    rewrite(ministry.deliver(LIST, "1403-03", landing, sequence=3, canaries=INSURED), not_text)


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


# ── the whole way ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    """For processes that write everything, temporary files and the user's own too, under one home."""
    home = tmp_path / "home"
    (home / "tmp").mkdir(parents=True)
    (home / "user").mkdir()
    own = {"MDLAKE_HOME": home, "MDLAKE_CONFIG": home / "assets_config", "TMPDIR": home / "tmp", "HOME": home / "user"}
    foreign = {name: value for name, value in os.environ.items() if not name.startswith(("MDLAKE_", "DAGSTER_"))}
    return foreign | {name: str(path) for name, path in own.items()}


def mdlake(environment: Mapping[str, str], *arguments: str) -> bytes:
    """What a command prints, on both of its streams."""
    program = [sys.executable, "-c", "from mdlake.cli import main; main()", *arguments]
    done = subprocess.run(program, env=environment, capture_output=True, timeout=180, check=False)
    assert done.returncode in {0, 1}, done.stderr.decode()
    return done.stdout + done.stderr


ALERTS = """
enabled: true
retry: {{attempts: 3, first_minutes: 1, longest_minutes: 60}}
email: {{host: 127.0.0.1, port: {port}, tls: none, sender: mdlake@ministry.example, timeout_seconds: 10}}
routes:
  package_refused: {{contact: true}}
  month_refused: {{contact: true}}
  run_failed: {{addresses: [duty@ministry.example]}}
"""


@pytest.fixture
def mail(environment: Mapping[str, str]) -> Iterator[MailServer]:
    """The mail server of the installation, to which everything that is refused or fails is told."""
    config = Path(environment["MDLAKE_CONFIG"])
    with mail_server() as server:
        shutil.copytree(CONFIG, config)
        (config / "alerts.yaml").write_text(ALERTS.format(port=server.port), encoding="utf-8")
        yield server


def test_no_canary_is_found_outside_of_the_landing_the_secure_zone_and_the_keys(
    environment: Mapping[str, str], mail: MailServer
) -> None:
    home = Home.from_environment(environment)
    printed = [mdlake(environment, command, *more) for command, *more in (["init"], ["decide", "rehearse"], ["alerts", "send"])]
    with TemporaryDirectory(dir=home.keys) as outgoing:
        deliver(Path(outgoing))
        house = open_house(home, "secure", lambda: datetime.now(UTC))
        send_unchecked(house, *sorted(Path(outgoing).glob("*.json")))
    printed += [crash(environment, LIST, "1403-01")]
    commands = (
        "run",
        f"run {LIST} {PLACES} --period 1403-02 --json",
        f"run {LIST} --period 1403-03",
        "status",
        "status --json",
        "status --deliveries",
        "alerts send",
        "alerts list --all --json",
        "keys show",
        "keys uses",
        "keys uses --json",
        "decide list",
        "decide list --json",
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
    ledger = open_house(home, "secure", lambda: datetime.now(UTC)).ledger
    assert {d.reason for d in ledger.deliveries()} == {None, "missing_column", "encoding"}
    assert set().union(*found_in_folder(home.landing, NEEDLES).values()) == {*NEEDLES.codes, *NEEDLES.names}
    assert set().union(*found_in_folder(home.root / "secure", NEEDLES).values()) == {*NEEDLES.codes, *NEEDLES.names}
    assert found_in_folder(home.root, NEEDLES, without=IDENTIFIED) == {}
    assert found_in_bytes(b"\n".join(printed), NEEDLES) == set()
    assert {str(told["To"]) for told in mail.mails} == {"statistics-unit@sso.example", "duty@ministry.example"}
    texts = [part.get_content().encode() for told in mail.mails for part in told.iter_parts()]
    assert b"identifiers_valid" in texts[0] + texts[2]
    assert found_in_bytes(b"\n".join((*texts, *map(bytes, mail.mails))), NEEDLES) == set()


def crash(environment: Mapping[str, str], key: str, month: str) -> bytes:
    """Runs of a partition that crash with a canary in every text; returns what was printed on standard output."""
    program = [sys.executable, str(CRASHES), key, month, UNREADABLE.national_code, UNREADABLE.last_name]
    done = subprocess.run(program, env=environment, capture_output=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


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
