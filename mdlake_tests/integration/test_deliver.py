"""`mdlake deliver` as two desks of a producer use it: offline, without an installation, and what they made is taken in."""

from __future__ import annotations

import csv
import io
import json
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import CONFIG
from delivered_files import parquet_bytes, xlsx_bytes

from mdlake.cli import cli
from mdlake.config import sender, statistics_unit
from mdlake.errors import DeliveryRefused, MdlakeError
from mdlake.governance import admit_key
from mdlake.seals import generate_identity, generate_signing_key
from mdlake.steps import RECIPIENTS, House, receive_packages
from mdlake.synthetic import Ministry

PLACES, MONTH = "sso/workplaces", "1403-01"
Mdlake = Callable[..., Result]


@pytest.fixture
def mdlake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mdlake:
    """The command at a desk: a folder of its own, the configuration, and no installation."""
    monkeypatch.setenv("MDLAKE_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("MDLAKE_CONFIG", str(CONFIG))
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    return lambda *words: CliRunner().invoke(cli, ["deliver", *map(str, words)])


@pytest.fixture
def data(mdlake: Mdlake, ministry: Ministry, tmp_path: Path) -> Path:
    """The file of a month, on the desk."""
    return ministry.deliver(PLACES, MONTH, tmp_path / "made").csv_path.rename(tmp_path / "desk" / "places.csv")


def done(result: Result) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_what_the_two_desks_made_is_opened_by_plain_tools_and_taken_in(
    mdlake: Mdlake, data: Path, secure: House, tmp_path: Path, age: str
) -> None:
    told = done(mdlake("keygen", "sso", "--to", "keys"))
    for name, holder in (("sender", sender("sso")), ("statistics_unit", statistics_unit("sso"))):
        assert stat.S_IMODE(Path("keys", name).stat().st_mode) == 0o600
        shown = subprocess.run(["ssh-keygen", "-l", "-f", f"keys/{name}.pub"], capture_output=True, text=True, check=True).stdout
        assert shown.split()[1] in told
        assert holder in told
        admit_key(secure.register, holder, Path("keys", f"{name}.pub").read_text(encoding="ascii").strip(), secure.now())
    identity = generate_identity(tmp_path / "second")
    recipients = (secure.home.control / RECIPIENTS).read_text(encoding="ascii") + identity.recipients[0] + "\n"
    Path("recipients").write_text(recipients, encoding="ascii")

    assert "would pass" in done(mdlake("check", data, PLACES, MONTH, "--sign", "keys/statistics_unit"))
    done(mdlake("pack", data, PLACES, MONTH, "--key", "keys/sender", "--recipients", "recipients"))
    folder = secure.home.landing / "sso"
    folder.mkdir(mode=0o700)
    done(mdlake("send", "places.tar.age", "--to", folder))

    subprocess.run([age, "--decrypt", "-i", tmp_path / "second", "-o", "x.tar", folder / "places.tar.age"], check=True)
    subprocess.run(["tar", "-xf", "x.tar", "--one-top-level=opened"], check=True)
    assert Path("opened/places.csv").read_bytes() == data.read_bytes()
    for file, signature, space, holder in (
        (folder / "places.tar.age", folder / "places.tar.age.sig", "mdlake-delivery", sender("sso")),
        (Path("opened/self-check.json"), Path("opened/self-check.json.sig"), "mdlake-self-check", statistics_unit("sso")),
    ):
        arguments = ["-f", secure.home.control / "allowed_signers", "-I", holder, "-n", space, "-s", signature]
        with file.open("rb") as content:
            subprocess.run(["ssh-keygen", "-Y", "verify", *arguments], stdin=content, capture_output=True, check=True)

    [received] = receive_packages(secure)
    assert received.refusal is None
    assert (received.delivery.sequence, received.delivery.dataset) == (1, "workplaces")
    findings = json.loads(Path("opened/self-check.json").read_text(encoding="utf-8"))["findings"]
    assert {finding["rule"] for finding in findings} >= {"writing_edits"}
    assert not (tmp_path / "nowhere").exists(), "no installation is needed, and none is made"


@pytest.mark.parametrize(
    ("name", "encoding", "options"),
    [("a.csv", "utf-8", ["--delimiter", "tab"]), ("a.csv", "windows-1256", ["--encoding", "windows-1256", "--delimiter", ";"])],
)
def test_a_file_of_another_form_is_checked_and_packed_as_it_is_said_to_be(
    name: str, encoding: str, options: list[str], mdlake: Mdlake, data: Path
) -> None:
    separator = "\t" if "tab" in options else ";"
    text = data.read_text(encoding="utf-8-sig").replace(",", separator).translate({0x200C: " ", 0x6CC: "ي", 0x6A9: "ك"})
    text = text.translate({0x06F0 + digit: str(digit) for digit in range(10)})
    Path(name).write_text(text, encoding=encoding, errors="replace")
    plain = mdlake("check", name, PLACES, MONTH)
    assert plain.exit_code == 1
    assert "would not be taken in" in plain.output
    generate_signing_key(Path("k"), "k")
    Path("recipients").write_text(f"{generate_identity(Path('id')).recipients[0]}\n", encoding="ascii")
    done(mdlake("check", name, PLACES, MONTH, *options, "--sign", "k"))
    done(mdlake("pack", name, PLACES, MONTH, *options, "--key", "k", "--recipients", "recipients"))


@pytest.mark.parametrize(("name", "write"), [("a.xlsx", xlsx_bytes), ("a.parquet", parquet_bytes)])
def test_a_workbook_and_a_parquet_file_have_the_findings_of_the_text(
    name: str, write: Callable[..., bytes], mdlake: Mdlake, data: Path
) -> None:
    header, *rows = csv.reader(io.StringIO(data.read_text(encoding="utf-8-sig")))
    Path(name).write_bytes(write(header, rows))
    of_text, of_other = (json.loads(mdlake("check", file, PLACES, MONTH, "--json").stdout) for file in (data, name))
    assert of_other["findings"] == of_text["findings"] != []


def test_a_spoilt_file_is_told_on_the_terminal_in_a_page_and_in_json_and_its_findings_are_signed(
    mdlake: Mdlake, ministry: Ministry, tmp_path: Path
) -> None:
    file = ministry.deliver(PLACES, MONTH, tmp_path / "bad", defects={"malformed_workplace_code": 0.5}).csv_path
    generate_signing_key(Path("k"), "k")
    found = mdlake("check", file, PLACES, MONTH, "--language", "fa", "--html", "page.html", "--sign", "k")
    assert found.exit_code == 1
    assert "با این پرونده، دوره رد می‌شود." in found.output
    page = Path("page.html").read_text(encoding="utf-8")
    assert '<html lang="fa" dir="rtl">' in page
    assert "identifiers_valid" in page
    signed = json.loads(file.with_name(f"{file.stem}.self-check.json").read_text(encoding="utf-8"))
    told = json.loads(mdlake("check", file, PLACES, MONTH, "--json").stdout)
    assert told["refused"]
    assert {f["rule"]: f["rows"] for f in signed["findings"]} == {f["rule"]: f["failed"] for f in told["findings"]}
    assert signed["hash"] == told["hash"]


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        (["keygen", "nobody", "--to", "keys"], MdlakeError, "Known: "),
        (["check", "places.csv", "sso/nothing", MONTH], DeliveryRefused, "Known: "),
        (["check", "places.csv", PLACES, "1403-Q1"], DeliveryRefused, "once a month"),
        (["check", "places.csv", PLACES, MONTH, "--reporting-unit", "05"], DeliveryRefused, "has none"),
        (["check", "places.csv", PLACES, MONTH, "--encoding", "iran-system"], MdlakeError, "--encoding"),
        (["check", "places.csv", PLACES, MONTH, "--sign", "nothing"], MdlakeError, "cannot be opened"),
        (
            ["pack", "places.csv", PLACES, MONTH, "--key", "k", "--recipients", "places.csv"],
            DeliveryRefused,
            "deliver check --sign",
        ),
        (["check", "places.csv", PLACES, MONTH, "--html", "no/page.html"], MdlakeError, "no folder for the page"),
        (["send", "places.csv", "--to", "."], MdlakeError, "deliver pack"),
    ],
)
def test_what_a_person_does_wrong_is_told_with_what_to_do(
    words: list[str], error: type[Exception], told: str, mdlake: Mdlake, data: Path
) -> None:
    result = mdlake(*words)
    assert isinstance(result.exception, error)
    assert told in str(result.exception)


def test_a_key_with_a_passphrase_signs_the_check_by_ssh_keygen(mdlake: Mdlake, data: Path) -> None:
    done(mdlake("check", data, PLACES, MONTH, "--unsigned"))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "five words", "-f", "unit"], check=True)
    asked = mdlake("check", data, PLACES, MONTH, "--sign", "unit")
    assert "passphrase" in str(asked.exception)
    # whoever signs types it; here it is taken away first
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "five words", "-N", "", "-f", "unit"], check=True, capture_output=True)
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "mdlake-self-check", "-f", "unit", "places.self-check.json"]
    subprocess.run(sign, check=True, capture_output=True)
    generate_signing_key(Path("k"), "k")
    Path("recipients").write_text(f"{generate_identity(Path('id')).recipients[0]}\n", encoding="ascii")
    done(mdlake("pack", data, PLACES, MONTH, "--key", "k", "--recipients", "recipients"))


def test_a_key_is_never_written_over(mdlake: Mdlake) -> None:
    done(mdlake("keygen", "sso", "--to", "keys", "--desk", "sender"))
    assert sorted(path.name for path in Path("keys").iterdir()) == ["sender", "sender.pub"]
    before = Path("keys/sender").read_bytes()
    again = mdlake("keygen", "sso", "--to", "keys")
    assert isinstance(again.exception, MdlakeError)
    assert Path("keys/sender").read_bytes() == before
