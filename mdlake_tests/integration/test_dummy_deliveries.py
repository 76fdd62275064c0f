"""Invented rows go the whole way: made by the command, described and packed as a delivery, taken in, and through four layers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import CONFIG, Walk, desk, send_all

from mdlake.cli import cli
from mdlake.standard import Period
from mdlake.steps import House

ROWS = 500


def described(data: Path, form: dict[str, object], **said: object) -> Path:
    """A descriptor beside a data file."""
    content = data.read_bytes()
    resource = {"path": data.name, "bytes": len(content), "hash": f"sha256:{hashlib.sha256(content).hexdigest()}", **form}
    path = data.with_suffix(".json")
    path.write_text(json.dumps({"name": data.stem, "resources": [resource], "mdlake": {"sequence": 1, **said}}), encoding="utf-8")
    return path


@pytest.mark.parametrize("format_", ["csv", "xlsx"])
def test_a_dummy_delivery_reaches_the_researchers_whole(
    format_: str, secure: House, walk: Walk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, period = "sso/insured_contributions", "1403-02"
    organization, dataset = key.split("/")
    monkeypatch.setenv("MDLAKE_CONFIG", str(CONFIG))
    asked = [key, period, "--rows", str(ROWS), "--format", format_, "--to", str(desk(secure))]
    CliRunner().invoke(cli, ["deliver", "dummy", *asked], catch_exceptions=False)
    data = desk(secure) / f"{organization}-{dataset}-{period}-dummy.{format_}"
    version = secure.configuration.dataset(key).contract(Period.parse(period)).version
    said = {"organization": organization, "dataset": dataset, "period": period, "contract_version": version}
    described(data, {"format": format_}, declared_rows=ROWS, **said)
    [received] = send_all(secure)
    assert received.refusal is None
    outcomes = walk(key, period)
    assert set(outcomes) == {"raw", "standardized", "pseudonymized", "published"}
    assert set(outcomes.values()) == {"passed"}
    dataset_ = secure.configuration.dataset(key)
    table = secure.table("published", dataset_, dataset_.contract(Period.parse(period)))
    state = table.state(period)
    assert state is not None
    assert state.rows == ROWS
