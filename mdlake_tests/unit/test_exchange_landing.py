"""What is refused when a package is open: every reason, in words that hold no cell value, and nothing that is lost."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from producer import Producer

from mdlake.config import Configuration, Home, sender, statistics_unit
from mdlake.errors import DeliveryRefused, MdlakeError
from mdlake.exchange import Form, Received, read_header, read_rows
from mdlake.exchange.descriptor import Descriptor
from mdlake.governance import rehearsal_folder
from mdlake.layers import match_headers
from mdlake.seals import load_signing_key, read_recipients
from mdlake.standard import Period
from mdlake.steps import RECIPIENTS, House, Run, SyntheticProducers, house_of, make_raw, prepare, receive_packages

AT = datetime(2024, 6, 1, 8, tzinfo=UTC)
HEADERS = (
    "دوره",
    "کد کارگاه",
    "نام کارگاه",
    "کد ملی کارفرما",
    "شناسه ملی کارفرما",
    "کد فعالیت",
    "استان",
    "شهرستان",
    "کد پستی",
    "تلفن",
    "تعداد کارکنان",
    "وضعیت",
)
MARKER = "9137460258"
"""Stands in cells of every malformed file, and may stand nowhere else."""
ROW = f"1403-01,{MARKER},نام {MARKER},,,10,23,تهران,,{MARKER},12,1"
Change = Callable[[dict[str, Any]], None]


def content_of(*rows: str, headers: tuple[str, ...] = HEADERS) -> bytes:
    return "\n".join([",".join(headers), *rows, ""]).encode()


def descriptor_of(content: bytes, change: Change | None = None) -> bytes:
    descriptor: dict[str, Any] = {
        "name": "workplaces-1403-01-1",
        "resources": [
            {
                "path": "d.csv",
                "format": "csv",
                "encoding": "utf-8",
                "bytes": len(content),
                "hash": f"sha256:{hashlib.sha256(content).hexdigest()}",
                "schema": {"fields": [{"name": name} for name in HEADERS]},
            }
        ],
        "mdlake": {
            "organization": "sso",
            "dataset": "workplaces",
            "period": "1403-01",
            "contract_version": "1.0",
            "declared_rows": 1,
            "sequence": 1,
        },
    }
    if change:
        change(descriptor)
    return json.dumps(descriptor).encode()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, configuration: Configuration) -> Path:
    """An installation to copy: making one takes longer than a test of this module."""
    root = tmp_path_factory.mktemp("installation")
    home = Home.from_environment({"MDLAKE_HOME": str(root)})
    prepare(home, AT)
    SyntheticProducers(house_of(home, configuration, "secure", lambda: AT))
    return root


@pytest.fixture
def secure(installation: Path, tmp_path: Path, configuration: Configuration) -> House:
    """A prepared installation from the secure room."""
    root = tmp_path / "home"
    shutil.copytree(installation, root)
    home = Home.from_environment({"MDLAKE_HOME": str(root)})
    return house_of(home, configuration, "secure", lambda: AT)


def deliver(house: House, content: bytes, change: Change | None = None) -> Received:
    """Have the producer send a file with its descriptor, and take it in."""
    home, folder = house.home, house.home.landing / "sso"
    folder.mkdir(mode=0o700, exist_ok=True)
    desks = (load_signing_key(rehearsal_folder(home) / holder) for holder in (sender("sso"), statistics_unit("sso")))
    recipients = read_recipients((home.control / RECIPIENTS).read_text(encoding="ascii"), RECIPIENTS)
    with TemporaryDirectory(dir=home.keys) as outgoing:
        data = Path(outgoing, "d.csv")
        data.write_bytes(content)
        Producer("sso", *desks).pack_as(json.loads(descriptor_of(content, change)), data, folder, recipients)
    (received,) = receive_packages(house)
    return received


def everything(house: House) -> dict[str, bytes]:
    """Every file of the landing by its path, byte for byte."""
    folder = house.home.landing / "sso"
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def setting(*path: Any, to: Any) -> Change:
    def change(descriptor: dict[str, Any]) -> None:
        place: Any = descriptor
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = to

    return change


def test_a_right_delivery_is_accepted_recorded_and_kept_with_its_descriptor(secure: House) -> None:
    content = content_of(ROW)
    received = deliver(secure, content)
    assert received.refusal is None
    delivery = received.delivery
    assert (delivery.organization, delivery.dataset, delivery.period) == ("sso", "workplaces", "1403-01")
    assert (delivery.sha256, delivery.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    path = secure.landing.path(delivery)
    assert path.read_bytes() == content
    assert path.with_suffix(".json").read_bytes() == descriptor_of(content)
    assert secure.landing.form(delivery) == Form("csv", "utf-8", ",")
    assert {oct(place.stat().st_mode)[-3:] for place in (path.parent, path.parent.parent)} == {"700"}
    path.with_suffix(".json").unlink()
    with pytest.raises(MdlakeError, match="the descriptor of an accepted delivery is gone"):
        secure.landing.form(delivery)


REFUSED: dict[str, tuple[str, bytes, Change | None]] = {
    "a column is missing": ("missing_column", content_of(ROW.rpartition(",")[0], headers=HEADERS[:-1]), None),
    "a column is unknown": ("unknown_column", content_of(f"{ROW},{MARKER}", headers=(*HEADERS, MARKER)), None),
    "a column comes twice": ("repeated_column", content_of(f"{ROW},{MARKER}", headers=(*HEADERS, "کدکارگاه")), None),
    "nothing at all": ("empty_file", b"", None),
    "only blank lines": ("empty_file", b"\n\n  \n", None),
    "a blank line for a header": ("empty_file", b"\n" + content_of(ROW), None),
    "a header of another encoding": ("encoding", content_of(ROW).decode().encode("utf-16"), None),
    "a header in Windows-1256": ("encoding", "دوره,كد\n".encode("windows-1256") + ROW.encode(), None),
    "another file than described": ("hash_mismatch", content_of(ROW, ROW), setting("resources", 0, "bytes", to=7)),
    "a file changed on the way": ("hash_mismatch", content_of(ROW), setting("resources", 0, "hash", to="sha256:" + "0" * 64)),
    "another contract": ("contract_version", content_of(ROW), setting("mdlake", "contract_version", to="9.0")),
    "a dataset nobody expects": ("not_expected", content_of(ROW), setting("mdlake", "dataset", to="pets")),
    "a month outside the calendar": ("not_expected", content_of(ROW), setting("mdlake", "period", to="1301-01")),
    "a quarter of a monthly dataset": ("not_expected", content_of(ROW), setting("mdlake", "period", to="1403-Q1")),
    "no month": ("not_expected", content_of(ROW), setting("mdlake", "period", to="Khordad")),
    "the folder of another": ("other_organization", content_of(ROW), setting("mdlake", "organization", to="tvto")),
    "another separator": ("dialect", content_of(ROW), setting("resources", 0, "dialect", to={"delimiter": ";"})),
    "a separator that is none": (
        "unreadable_descriptor",
        content_of(ROW),
        setting("resources", 0, "dialect", to={"delimiter": "x"}),
    ),
    "another encoding": ("encoding", content_of(ROW), setting("resources", 0, "encoding", to="windows-1256")),
    "an encoding of another format": (
        "unreadable_descriptor",
        content_of(ROW),
        setting("resources", 0, "encoding", to="iran-system"),
    ),
    "a format that is not the name's": (
        "unreadable_descriptor",
        content_of(ROW),
        setting("resources", 0, "format", to="parquet"),
    ),
    "fewer rows than declared": ("row_count", content_of(ROW), setting("mdlake", "declared_rows", to=2)),
    "more rows than declared": ("row_count", content_of(ROW, ROW), None),
    "another format": ("unreadable_descriptor", content_of(ROW), setting("resources", 0, "format", to=MARKER)),
    "two files": ("unreadable_descriptor", content_of(ROW), lambda d: d["resources"].append(d["resources"][0])),
    "a schema in another order": ("schema", content_of(ROW), lambda d: d["resources"][0]["schema"]["fields"].reverse()),
    "a schema without a column": ("schema", content_of(ROW), lambda d: d["resources"][0]["schema"]["fields"].pop()),
    "no schema": ("unreadable_descriptor", content_of(ROW), lambda d: d["resources"][0].pop("schema")),
    "a schema without fields": ("unreadable_descriptor", content_of(ROW), setting("resources", 0, "schema", to={"fields": []})),
    "no sequence": ("unreadable_descriptor", content_of(ROW), lambda d: d["mdlake"].pop("sequence")),
    "a sequence of nothing": ("unreadable_descriptor", content_of(ROW), setting("mdlake", "sequence", to=0)),
    "a number beyond the ledger": ("unreadable_descriptor", content_of(ROW), setting("mdlake", "declared_rows", to=10**30)),
    "a dataset named by content": ("unreadable_descriptor", content_of(ROW), setting("mdlake", "dataset", to=f"نام {MARKER}")),
    "a file in another folder": (
        "unreadable_descriptor",
        content_of(ROW),
        setting("resources", 0, "path", to=f"../{MARKER}.csv"),
    ),
    "a descriptor for its own data": ("unreadable_descriptor", content_of(ROW), setting("resources", 0, "path", to="d.json")),
    "a file of another name": ("missing_member", content_of(ROW), setting("resources", 0, "path", to="other.csv")),
}


@pytest.mark.parametrize(("reason", "content", "change"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_delivery_is_told_recorded_and_kept(secure: House, reason: str, content: bytes, change: Change | None) -> None:
    assert_refused(secure, deliver(secure, content, change), reason)
    assert {path.partition("/")[0] for path in everything(secure)} == {"refused"}
    assert sorted(Path(path).suffix for path in everything(secure)) == [".age", ".sig"]
    assert MARKER.encode() not in b"".join(everything(secure).values()), "what is refused stays sealed"
    assert receive_packages(secure) == ()
    assert secure.ledger.current_delivery("sso", "workplaces", "1403-01") is None


def assert_refused(secure: House, received: Received, reason: str) -> None:
    """The refusal names a reason, a place and a next step, and no cell value."""
    refusal = received.refusal
    assert refusal is not None
    assert (refusal.reason, received.delivery.state) == (reason, "refused")
    package = secure.ledger.packages("sso")[-1]
    assert (package.state, package.reason, package.message) == ("refused", reason, str(refusal))
    receipts = [path.read_text(encoding="utf-8") for path in (secure.home.outbox / "sso").glob("*.json")]
    for text in (str(refusal), repr(refusal), repr(vars(refusal)), repr(package), repr(secure.ledger.deliveries()), *receipts):
        assert MARKER not in text


# ── what only reading the rows shows ─────────────────────────────────────────────────────────────────────────────────────

UNREADABLE = {
    "a header and no row": ("empty_file", content_of(), "no row"),
    "a header without a line's end": ("empty_file", content_of().rstrip(b"\n"), "no row"),
    "not UTF-8 in line 3": ("encoding", content_of(ROW) + ROW.encode() + b"\xff\n", r"not UTF-8 text \(line 3\)"),
    "cut inside a character": ("encoding", content_of(ROW) + f"{ROW} ن".encode()[:-1], r"not UTF-8 text \(line 3\)"),
    "Windows-1256 in line 2": ("encoding", content_of() + ROW.encode("windows-1256", "replace"), r"\(line 2\)"),
    "an open quotation mark": ("unreadable_file", content_of(ROW, f'1403-01,"{MARKER},x', ROW), r"never closed \(line 3\)"),
    "an open quotation mark at the end": ("unreadable_file", content_of(ROW, f'{ROW[:-1]}"{MARKER}'), r"never closed \(line 3\)"),
}


@pytest.mark.parametrize(("reason", "content", "told"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_file_of_which_rows_cannot_be_read_is_refused_and_changes_nothing(
    secure: House, reason: str, content: bytes, told: str
) -> None:
    dataset, period, run = secure.configuration.dataset("sso/workplaces"), Period.parse("1403-01"), Run("r")
    assert deliver(secure, content_of(ROW)).refusal is None
    good = make_raw(secure, dataset, period, run)
    received = deliver(secure, content, lambda descriptor: descriptor["mdlake"].update(sequence=2, supersedes=1))
    assert_refused(secure, received, reason)
    refusal = received.refusal
    assert refusal is not None
    assert re.search(told, str(refusal))
    assert "sso/workplaces 1403-01" in str(refusal)
    assert make_raw(secure, dataset, period, run).state.content_id == good.state.content_id


def test_what_python_prints_of_a_failing_reader_holds_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A malformed line that is no text fails inside Arrow's callback, and Python prints the object it belongs to."""
    path = tmp_path / "d.csv"
    printed: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda failed: printed.append(f"{failed.object!r} {failed.exc_value}"))
    path.write_bytes(f"a,b\n{MARKER}\n{MARKER}".encode() + b"\xff,x,y\n")
    with pytest.raises(DeliveryRefused):
        list(read_rows(path, Form("csv", "utf-8", ","), ("a", "b"), 10, strictly=True))
    assert printed
    assert MARKER not in " ".join(printed)


# ── descriptor and headers ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_descriptor_says_what_was_sent_and_may_say_more(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_bytes(descriptor_of(b"x", lambda d: d.update(licenses=[{"name": "x"}], contributors=[])))
    descriptor = Descriptor.read(path)
    assert descriptor.key == "sso/workplaces"
    assert descriptor.resource.path == "d.csv"
    assert descriptor.resource.form == Form("csv", "utf-8", ",")
    assert descriptor.mdlake.declared_rows == 1


def test_a_wrong_descriptor_names_every_wrong_field_and_no_content(tmp_path: Path) -> None:
    def change(descriptor: dict[str, Any]) -> None:
        descriptor["resources"][0] |= {"hash": MARKER, "encoding": MARKER}
        descriptor["mdlake"] |= {"sequence": f"n{MARKER}"}
        del descriptor["mdlake"]["period"]

    path = tmp_path / "d.json"
    path.write_bytes(descriptor_of(b"x", change))
    with pytest.raises(DeliveryRefused) as caught:
        Descriptor.read(path)
    for field in ("resources.0.hash", "resources.0.encoding", "mdlake.sequence", "mdlake.period"):
        assert field in str(caught.value)
    assert MARKER not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "by_alias"),
    [
        ("کد کارگاه", 0),
        ("كد كارگاه", 0),
        ("کد\u200cکارگاه", 0),
        ("  کد   کارگاه ", 0),
        ("کدکارگاه", None),
        ("شماره کارگاه", 1),
        ("شماره كارگاه", 1),
    ],
)
def test_a_header_matches_by_its_letters_or_by_an_alias(secure: House, written: str, by_alias: int | None) -> None:
    contract = secure.configuration.dataset("sso/workplaces").newest
    match = match_headers([written, *HEADERS[:1], *HEADERS[2:]], contract)
    assert match.names[:2] == ("workplace_code", "month")
    assert (match.missing, match.unknown, match.repeated) == ((), (), ())
    if by_alias is not None:
        assert match.by_alias == by_alias


def test_the_order_of_columns_is_free(secure: House) -> None:
    contract = secure.configuration.dataset("sso/workplaces").newest
    match = match_headers(HEADERS[::-1], contract)
    assert match.names == tuple(column.name for column in contract.columns)[::-1]


@pytest.mark.parametrize("content", [b"", b"   ", b"\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n1,2\n", b"\r\n\r\n"])
def test_a_file_without_a_header_line_is_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes(content)
    with pytest.raises(DeliveryRefused) as caught:
        read_header(path, Form("csv", "utf-8", ","))
    assert caught.value.reason == "empty_file"
