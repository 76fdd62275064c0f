"""`mdlake deliver`: at a producer's desk, offline. Needs the configuration, and nothing of the ministry's installation."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from mdlake.cli.surroundings import as_json_option, console, now, print_json
from mdlake.config import SELF_CHECK_NAMESPACE, Configuration, Home, load_configuration
from mdlake.errors import MdlakeError
from mdlake.standard import Period

if TYPE_CHECKING:
    from mdlake.exchange import Form, Report

__all__ = ["deliver", "print_report"]

_COLOURS = {"refuses": "red", "warning": "yellow", "allowed": "green"}
_ON_TERMINAL = 5
"""Ranges of rows that the terminal shows of one finding; the page and `--json` have more, and all."""

_Command = TypeVar("_Command", bound=Callable[..., Any])
_file = click.argument("data", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))


@click.group()
def deliver() -> None:
    """At a producer's desk: make keys, check a data file, pack it, send it. Nothing of the ministry's is needed."""


def _configuration() -> Configuration:
    """The contracts, as the ministry handed them out; no home is asked for."""
    from mdlake.principles import RULES

    return load_configuration(Home.from_environment(os.environ).config, RULES)


def _form_options(command: _Command) -> _Command:
    """What is said of a file beside its name."""
    from mdlake.exchange import DELIMITERS, Encoding

    names = ["tab" if mark == "\t" else mark for mark in DELIMITERS]
    for option in (
        click.option("--reporting-unit", help="Code of your unit, where each reporting unit sends its own file."),
        click.option("--delimiter", type=click.Choice(names), help="What separates the fields of a CSV file (default: ,)."),
        click.option("--encoding", type=click.Choice(get_args(Encoding)), help="Of CSV (default: utf-8) or DBF text."),
    ):
        command = option(command)
    return command


def _form(data: Path, encoding: Any, delimiter: str | None) -> Form:
    from mdlake.exchange import Form

    return Form.of_file(data.name, encoding, "\t" if delimiter == "tab" else delimiter)


@deliver.command()
@click.argument("organization")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="Where the keys go.")
@click.option("--desk", "desks", multiple=True, type=click.Choice(["sender", "statistics_unit"]), help="Only this one's.")
def keygen(organization: str, folder: Path, desks: tuple[str, ...]) -> None:
    """Make the keys of an ORGANIZATION: its statistics unit signs checks, its sender signs packages.

    Best, each desk makes its own (--desk) and no key ever leaves it. They are OpenSSH keys, for ssh-keygen too.
    """
    from mdlake.exchange import DESKS, make_keys

    made = make_keys(_configuration(), organization, folder, desks or tuple(DESKS))
    console.print("Keep the keys to yourselves. Hand these to the IT Centre, and tell it the fingerprints by another way:")
    for public, (holder, key) in made.items():
        console.print(f"  {public}  {key.fingerprint}", highlight=False, soft_wrap=True)
        console.print(f"    which admits it with: mdlake offices admit {holder} {public.name}", highlight=False, soft_wrap=True)


@deliver.command()
@_file
@click.argument("dataset")
@click.argument("period")
@_form_options
@click.option("--language", type=click.Choice(["fa", "en"]), default="en", show_default=True, help="Of what is told.")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write a page that stays with you.")
@click.option("--sign", "key", type=click.Path(path_type=Path), help="The statistics unit's key: sign what was found.")
@click.option("--unsigned", is_flag=True, help="Write what was found, to be signed by ssh-keygen: a key with a passphrase.")
@as_json_option
def check(
    data: Path,
    dataset: str,
    period: str,
    encoding: str | None,
    delimiter: str | None,
    reporting_unit: str | None,
    language: Any,
    page: Path | None,
    key: Path | None,
    unsigned: bool,
    as_json: bool,
) -> None:
    """Check a whole FILE of a DATASET (organization/dataset) and PERIOD as the ministry will, and tell every finding.

    Exit status 1 if the ministry would refuse it. With --sign the findings are written beside the file and signed, for the
    package; the statistics unit may sign a file with findings, and then answers for sending it.
    """
    from mdlake.exchange import SignedCheck, agreed_contract, check_file, check_page, report_of
    from mdlake.seals import load_signing_key

    if page and not page.parent.is_dir():
        raise MdlakeError("there is no folder for the page", where=str(page), next_step="Make it, or name another one.")
    configuration = _configuration()
    signing_key = load_signing_key(key) if key else None
    contract = agreed_contract(configuration, dataset, period, reporting_unit)
    found = check_file(data, _form(data, encoding, delimiter), dataset, contract, Period.parse(period), reporting_unit)
    about, written = configuration.dataset(dataset), []
    if page:
        beside = page.with_suffix(".rows.csv")
        text, is_whole = check_page(found, about, language, beside.name)
        page.write_text(text, encoding="utf-8")
        beside.unlink(missing_ok=True)
        if not is_whole:
            found.write_rows(beside)
        written.append(f"wrote {page}" + ("" if is_whole else f", and every row number to {beside}"))
    if as_json:
        print_json(found.as_json())
    else:
        print_report(report_of(found, about, language, _ON_TERMINAL))
    for line in written:
        click.echo(line, err=as_json)
    target = _self_check_of(data)
    if unsigned:
        found.self_check().write(target)
        by_hand = f"ssh-keygen -Y sign -n {SELF_CHECK_NAMESPACE} -f KEY {target}"
        click.echo(f"wrote {target}; the statistics unit signs it: {by_hand}", err=as_json)
    if signing_key:
        SignedCheck.by(signing_key, found.self_check()).write(target)
        click.echo(f"signed {target} and {target.name}.sig; next: mdlake deliver pack", err=as_json)
    if found.is_refused:
        sys.exit(1)


def _self_check_of(data: Path) -> Path:
    return data.with_name(f"{data.stem}.self-check.json")


@deliver.command()
@_file
@click.argument("dataset")
@click.argument("period")
@_form_options
@click.option("--sequence", default=1, show_default=True, type=click.IntRange(min=1), help="One more for each correction.")
@click.option("--supersedes", type=click.IntRange(min=1), help="The sequence of the accepted delivery that this replaces.")
@click.option("--self-check", type=click.Path(path_type=Path), help="What the statistics unit signed (default: beside FILE).")
@click.option("--key", required=True, type=click.Path(path_type=Path), help="The sender's key.")
@click.option(
    "--recipients",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The IT Centre's list, to whom it is encrypted.",
)
@click.option(
    "--to",
    "folder",
    default=".",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the package goes (default: here).",
)
def pack(
    data: Path,
    dataset: str,
    period: str,
    encoding: str | None,
    delimiter: str | None,
    reporting_unit: str | None,
    sequence: int,
    supersedes: int | None,
    self_check: Path | None,
    key: Path,
    recipients: Path,
    folder: Path,
) -> None:
    """Pack a FILE that the statistics unit checked: describe it, encrypt it to the IT Centre, sign it.

    What the intake would refuse is refused here. The package is NAME.tar.age, its signature beside it.
    """
    from mdlake.exchange import Consignment, SignedCheck, agreed_contract, dispatch
    from mdlake.seals import load_signing_key, read_recipients

    configuration = _configuration()
    contract = agreed_contract(configuration, dataset, period, reporting_unit)
    signed = SignedCheck.read(self_check or _self_check_of(data))
    form = _form(data, encoding, delimiter)
    consignment = Consignment(dataset, period, contract.version, form, sequence, supersedes, reporting_unit)
    package = dispatch(
        configuration,
        consignment.descriptor(data, signed.check.rows),
        data,
        signed,
        folder,
        read_recipients(recipients.read_text(encoding="utf-8"), recipients.name),
        load_signing_key(key),
        now(),
    )
    console.print(f"packed {package} and {package.name}.sig; next: mdlake deliver send", highlight=False, soft_wrap=True)


@deliver.command()
@click.argument("package", type=click.Path(path_type=Path))
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path), help="The way in that the IT Centre gave you.")
def send(package: Path, folder: Path) -> None:
    """Copy a PACKAGE and its signature to the IT Centre, and read again what arrived. Its receipt comes to your outbox."""
    from mdlake.exchange import send as send_package

    arrived = send_package(package, folder)
    console.print(f"sent {arrived}, and its signature; both arrived whole", highlight=False, soft_wrap=True)


def print_report(report: Report) -> None:
    """A check on the terminal."""
    for name, text in report.facts:
        _line(f"{name}: {text}")
    colour = "red" if report.refusals or any(group.weight == "refuses" for group in report.groups) else "green"
    _line(report.verdict, f"bold {colour}")
    for told in report.refusals:
        _line("  · " + "\n    ".join(part for part in told if part))
    for group in report.groups:
        _line(f"\n{group.title}", f"bold {_COLOURS[group.weight]}")
        for finding in group.findings:
            _line(f"  {report.words['rule']}: {finding.title} [{finding.name}]: {finding.counts}\n    {finding.fix}")
            for spot in finding.spots:
                about = " · ".join(part for part in (spot.columns, spot.part, spot.what, spot.fix) if part)
                rows = " ".join(
                    part for part in (report.words["where"], report.words["comma"].join(spot.rows), spot.more) if part
                )
                counted = f"{spot.count} ({rows})" if spot.rows else spot.count
                _line(f"    – {about}: {counted}" if about else f"    – {counted}")
    _line(f"\n{report.words['row_one']}")


def _line(text: str, style: str | None = None) -> None:
    console.print(text, style=style, highlight=False, soft_wrap=True, markup=False)
