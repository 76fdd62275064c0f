"""A CSV package as a program that knows nothing of us reads it: opened by plain tools, the data read by `frictionless`."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import frictionless
import pytest
from producer import Producer

from mdlake.seals import generate_identity, read_recipients
from mdlake.synthetic import DeliveredFile, Ministry


@pytest.fixture
def unpacked(ministry: Ministry, tmp_path: Path, age: str) -> tuple[DeliveredFile, Path]:
    """A month as its producer wrote it, and the folder in which `age` and `tar` opened the package of it."""
    file = ministry.deliver("sso/workplaces", "1403-01", tmp_path / "made")
    identity = generate_identity(tmp_path / "keys" / "intake")
    recipients = read_recipients(identity.recipients[0], "recipients")
    package = Producer.founded("sso", tmp_path / "keys").pack(file, tmp_path, recipients)
    subprocess.run([age, "-d", "-i", "keys/intake", "-o", "x.tar", package.name], cwd=tmp_path, check=True)
    folder = tmp_path / "out"
    folder.mkdir()
    subprocess.run(["tar", "-xf", "../x.tar"], cwd=folder, check=True)
    return file, folder


def test_frictionless_reads_the_rows_of_a_csv_package(unpacked: tuple[DeliveredFile, Path]) -> None:
    file, folder = unpacked
    with file.csv_path.open(encoding="utf-8-sig", newline="") as stream:
        header, *rows = csv.reader(stream)
    [resource] = frictionless.Package(str(folder / "datapackage.json")).resources
    assert resource.encoding == "utf-8"
    with resource:
        cells = list(resource.cell_stream)
    assert cells[0] == header
    assert cells[1:] == rows


def test_frictionless_finds_a_csv_package_valid_by_its_bytes_and_hash_and_a_changed_one_not(
    unpacked: tuple[DeliveredFile, Path],
) -> None:
    file, folder = unpacked
    descriptor = folder / "datapackage.json"
    report = frictionless.validate(str(descriptor))
    assert report.valid, report.flatten(["type", "message"])
    [task] = report.tasks
    assert task.stats["rows"] == json.loads(descriptor.read_text(encoding="utf-8"))["mdlake"]["declared_rows"]
    data = folder / file.csv_path.name
    content = data.read_bytes()
    last = content.rindex(b"1")
    data.write_bytes(content[:last] + b"2" + content[last + 1 :])
    [error] = frictionless.validate(str(descriptor)).flatten(["type"])
    assert error == ["hash-count"]
