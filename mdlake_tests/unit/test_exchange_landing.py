"""Landing: every reason of a refusal, in words that hold no cell value, and no file that is lost, also when killed."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mdlake.config import Configuration, Home
from mdlake.errors import DeliveryRefused
from mdlake.exchange import Form, Landing, Received, read_header, read_rows
from mdlake.exchange.descriptor import Descriptor
from mdlake.layers import match_headers
from mdlake.ledger import Delivery
from mdlake.standard import Period
from mdlake.steps import House, Run, house_of, make_raw, prepare

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
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation to copy: making one takes longer than a test of this module."""
    root = tmp_path_factory.mktemp("installation")
    prepare(Home.from_environment({"MDLAKE_HOME": str(root)}), AT)
    return root


@pytest.fixture
def secure(installation: Path, tmp_path: Path, configuration: Configuration) -> House:
    """A prepared installation from the secure room."""
    root = tmp_path / "home"
    shutil.copytree(installation, root)
    home = Home.from_environment({"MDLAKE_HOME": str(root)})
    return house_of(home, configuration, "secure", lambda: AT)


@pytest.fixture
def landing(secure: House) -> Landing:
    return secure.landing


@pytest.fixture
def folder(landing: Landing) -> Path:
    folder = landing.root / "sso"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def deliver(folder: Path, content: bytes, change: Change | None = None, name: str = "d") -> None:
    (folder / "d.csv").write_bytes(content)
    (folder / f"{name}.json").write_bytes(descriptor_of(content, change))


def everything(folder: Path) -> dict[str, bytes]:
    """Every file of the landing by its path, byte for byte."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def setting(*path: Any, to: Any) -> Change:
    def change(descriptor: dict[str, Any]) -> None:
        place: Any = descriptor
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = to

    return change


def test_a_right_delivery_is_accepted_recorded_and_moved(landing: Landing, folder: Path) -> None:
    content = content_of(ROW)
    deliver(folder, content)
    [received] = landing.take_in("sso", AT)
    assert received.refusal is None
    delivery = received.delivery
    assert (delivery.state, delivery.reason, delivery.message) == ("accepted", None, None)
    assert (delivery.dataset, delivery.period, delivery.sequence, delivery.declared_rows) == ("workplaces", "1403-01", 1, 1)
    assert (delivery.sha256, delivery.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert delivery.received_at == AT
    path = landing.path(delivery)
    assert everything(folder) == {
        f"accepted/{path.name}": content,
        f"accepted/{path.stem}.json": descriptor_of(content),
    }
    assert landing.ledger.current_delivery("sso", "workplaces", "1403-01") == delivery
    assert landing.take_in("sso", AT) == ()


def test_the_landing_is_its_owners_alone(landing: Landing) -> None:
    landing.take_in("tvto", AT)
    for path in (landing.root / "tvto", *(landing.root / "tvto").iterdir()):
        assert path.stat().st_mode & 0o077 == 0


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
    "another format": ("unreadable_descriptor", content_of(ROW), setting("resources", 0, "format", to=MARKER)),
    "two files": ("unreadable_descriptor", content_of(ROW), lambda d: d["resources"].append(d["resources"][0])),
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
    "a file of another name": ("missing_file", content_of(ROW), setting("resources", 0, "path", to="other.csv")),
}


@pytest.mark.parametrize(("reason", "content", "change"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_delivery_is_told_recorded_and_kept(
    landing: Landing, folder: Path, reason: str, content: bytes, change: Change | None
) -> None:
    deliver(folder, content, change)
    before = sorted(everything(folder).values())
    [received] = landing.take_in("sso", AT)
    assert_refused(received, reason)
    [recorded] = landing.ledger.deliveries("sso")
    assert recorded == received.delivery
    assert MARKER not in repr(recorded)
    after = everything(folder)
    assert sorted(after.values()) == before
    assert {path.partition("/")[0] for path in after} <= {"refused", "d.csv"}
    assert ("d.csv" in after) == (reason == "missing_file")
    assert landing.take_in("sso", AT) == ()
    assert landing.ledger.current_delivery("sso", "workplaces", "1403-01") is None


def assert_refused(received: Received, reason: str) -> None:
    """The refusal names a reason, a place and a next step, and no cell value."""
    refusal = received.refusal
    assert refusal is not None
    assert (refusal.reason, received.delivery.state, received.delivery.reason) == (reason, "refused", reason)
    assert received.delivery.message == str(refusal)
    assert refusal.where
    assert refusal.next_step
    assert MARKER not in str(refusal) + repr(refusal) + repr(vars(refusal))


BROKEN_DESCRIPTORS = {
    "no JSON": f"{{{MARKER}".encode(),
    "empty": b"",
    "a list": f'["{MARKER}"]'.encode(),
    "not UTF-8": f'{{"name": "{MARKER}'.encode() + b"\xff",
    "half a character": f'{{"name": "{MARKER}\\ud800"}}'.encode(),
    "very deep": b"[" * 100_000,
}


@pytest.mark.parametrize("descriptor", BROKEN_DESCRIPTORS.values(), ids=BROKEN_DESCRIPTORS.keys())
def test_a_descriptor_that_is_none_is_refused_with_the_file_beside_it(landing: Landing, folder: Path, descriptor: bytes) -> None:
    content = content_of(ROW)
    (folder / "d.csv").write_bytes(content)
    (folder / "d.json").write_bytes(descriptor)
    [received] = landing.take_in("sso", AT)
    assert_refused(received, "unreadable_descriptor")
    assert sorted(everything(folder).values()) == sorted([content, descriptor])
    assert all(path.startswith("refused/") for path in everything(folder))


def test_a_refusal_of_headers_names_columns_or_positions(landing: Landing, folder: Path) -> None:
    deliver(folder, content_of(headers=HEADERS[2:]))
    assert "missing columns: دوره, کد کارگاه" in str(landing.take_in("sso", AT)[0].refusal)
    deliver(folder, content_of(headers=(HEADERS[0], MARKER, *HEADERS[1:], MARKER)))
    assert "unknown columns at position 2, 14" in str(landing.take_in("sso", AT)[0].refusal)
    deliver(folder, content_of(headers=(*HEADERS, "استان")))
    assert "columns sent twice: province" in str(landing.take_in("sso", AT)[0].refusal)


def test_one_bad_delivery_holds_up_no_other(landing: Landing, folder: Path) -> None:
    deliver(folder, content_of(ROW), name="b")
    (folder / "a.json").write_bytes(b"{")
    (folder / "c.json").mkdir()
    (folder / f"{'ن' * 110}.json").write_bytes(b"{")
    states = [received.delivery.state for received in landing.take_in("sso", AT)]
    assert sorted(states) == ["accepted", "refused", "refused"]


def test_a_link_is_refused_and_not_followed(landing: Landing, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_bytes(content_of(ROW))
    (folder / "d.csv").symlink_to(outside)
    (folder / "d.json").write_bytes(descriptor_of(content_of(ROW)))
    (folder / "e.json").symlink_to(tmp_path / "nowhere.json")
    first, second = landing.take_in("sso", AT)
    assert_refused(first, "unreadable_file")
    assert_refused(second, "unreadable_descriptor")
    assert outside.read_bytes() == content_of(ROW)
    assert [path.name for path in folder.iterdir() if path.is_symlink()] == []
    assert sum(path.is_symlink() for path in (folder / "refused").iterdir()) == 2


def test_a_folder_in_place_of_a_data_file_is_refused(landing: Landing, folder: Path) -> None:
    (folder / "d.csv").mkdir()
    (folder / "d.json").write_bytes(descriptor_of(b""))
    [received] = landing.take_in("sso", AT)
    assert_refused(received, "unreadable_file")


def test_the_same_file_with_another_descriptor_replaces_neither(landing: Landing, folder: Path) -> None:
    content = content_of(ROW)
    sent = []
    for version in ("8.0", "9.0", "1.0"):
        change = setting("mdlake", "contract_version", to=version)
        deliver(folder, content, change)
        sent += [content, descriptor_of(content, change)]
        landing.take_in("sso", AT)
    assert sorted(everything(folder).values()) == sorted(sent)
    [recorded] = landing.ledger.deliveries("sso")
    assert recorded.state == "accepted"
    assert landing.path(recorded).read_bytes() == content


def test_the_same_delivery_twice_is_one(landing: Landing, folder: Path) -> None:
    for _ in range(2):
        deliver(folder, content_of(ROW))
        [received] = landing.take_in("sso", AT)
        assert received.delivery.state == "accepted"
    assert len(landing.ledger.deliveries("sso")) == 1
    assert len(everything(folder)) == 2


class Killed(BaseException):
    """Stands for the end of the process: nothing in the way may catch it."""


@pytest.mark.parametrize("renames", [0, 1])
@pytest.mark.parametrize(
    ("reason", "change"),
    [(None, None), ("hash_mismatch", setting("resources", 0, "bytes", to=7)), ("dialect", REFUSED["another separator"][2])],
)
def test_an_intake_that_was_killed_is_completed_by_the_next(
    landing: Landing, folder: Path, monkeypatch: pytest.MonkeyPatch, renames: int, reason: str | None, change: Change | None
) -> None:
    content = content_of(ROW)
    deliver(folder, content, change)
    kill_after(renames, monkeypatch)
    with pytest.raises(Killed):
        landing.take_in("sso", AT)
    monkeypatch.undo()
    [received] = landing.take_in("sso", AT)
    assert received.delivery.reason == reason
    assert landing.ledger.deliveries("sso") == (received.delivery,)
    state = "refused" if reason else "accepted"
    name = landing.path(received.delivery).name
    assert everything(folder) == {
        f"{state}/{name}": content,
        f"{state}/{name.removesuffix('.csv')}.json": descriptor_of(content, change),
    }


@pytest.mark.parametrize("renames", [0, 1])
def test_a_later_refusal_that_was_killed_is_completed_by_the_next_intake(
    landing: Landing, folder: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    deliver(folder, content_of(ROW))
    [received] = landing.take_in("sso", AT)
    kill_after(renames, monkeypatch)
    with pytest.raises(Killed):
        landing.refuse(received.delivery, DeliveryRefused("unreadable_file", "it is not UTF-8 text (line 3)"), AT)
    monkeypatch.undo()
    assert landing.take_in("sso", AT) == ()
    [recorded] = landing.ledger.deliveries("sso")
    assert (recorded.state, recorded.reason) == ("refused", "unreadable_file")
    assert landing.path(recorded).read_bytes() == content_of(ROW)
    assert {path.partition("/")[0] for path in everything(folder)} == {"refused"}


def kill_after(renames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, left = Path.rename, [renames]

    def rename(path: Path, target: Path) -> Path:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return plain(path, target)

    monkeypatch.setattr(Path, "rename", rename)


def test_a_refused_file_is_accepted_once_it_is_expected(landing: Landing, folder: Path, secure: House) -> None:
    """The descriptor alone sent again after the configuration changed: the data file comes back from where it was kept."""
    content = content_of(ROW)
    deliver(folder, content)
    contract = secure.configuration.dataset("sso/workplaces").newest
    empty = replace(secure.configuration, datasets={})
    [refused] = Landing(landing.root, empty, landing.ledger).take_in("sso", AT)
    assert_refused(refused, "not_expected")
    (folder / "d.json").write_bytes(descriptor_of(content))
    [accepted] = landing.take_in("sso", AT)
    assert accepted.refusal is None
    assert landing.path(accepted.delivery).read_bytes() == content
    assert landing.headers(accepted.delivery, contract, Form("csv", "utf-8", ",")).missing == ()


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
def test_a_file_that_turns_out_unreadable_is_refused_later_and_changes_nothing(
    secure: House, folder: Path, reason: str, content: bytes, told: str
) -> None:
    dataset, period, run = secure.configuration.dataset("sso/workplaces"), Period.parse("1403-01"), Run("r")
    deliver(folder, content_of(ROW))
    good = make_raw(secure, dataset, period, run)
    deliver(folder, content, setting("mdlake", "sequence", to=2))
    before = sorted(everything(folder).values())
    with pytest.raises(DeliveryRefused, match=told) as caught:
        make_raw(secure, dataset, period, run)
    refusal = caught.value
    assert refusal.reason == reason
    assert refusal.where == "sso/workplaces 1403-01"
    assert refusal.next_step
    refused = secure.ledger.deliveries("sso")[-1]
    assert (refused.state, refused.reason, refused.message) == ("refused", reason, str(refusal))
    assert MARKER not in str(refusal) + repr(refusal) + repr(refused) + repr(refusal.__cause__)
    assert sorted(everything(folder).values()) == before
    assert secure.landing.path(refused).read_bytes() == content
    assert secure.table("raw", dataset, dataset.newest).state(period.key) == good.state
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
    assert descriptor.resource.dialect.delimiter == ","
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


def test_a_landing_without_deliveries_takes_nothing_in(landing: Landing) -> None:
    assert landing.take_in("sso", AT) == ()
    assert landing.ledger.deliveries() == ()


def test_a_recorded_delivery_leads_to_its_file(landing: Landing) -> None:
    delivery = Delivery("o", "d", "1403-01", 1, "accepted/x.csv", "a" * 64, 1, 1, "1.0", AT, "accepted")
    assert landing.path(delivery) == landing.root / "o" / "accepted" / "x.csv"
