"""Quarterly datasets: their periods, what a delivery of another period is told, whom they are compared with, the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from conftest import CONFIG, Clock, desk, send_all

from mdlake.cli import cli
from mdlake.config import Configuration, Home
from mdlake.errors import MdlakeError
from mdlake.pipeline import build_definitions
from mdlake.pipeline.naming import asset_key, partitions
from mdlake.principles import RULES, Subject, evaluate
from mdlake.standard import Period
from mdlake.steps import House, Room, Run, SyntheticProducers, chosen_partitions, due_partitions, judge, open_house
from mdlake.synthetic import Ministry

REGISTER, MEMBERS, PLACES = "cooperatives/cooperatives", "cooperatives/cooperative_members", "sso/workplaces"
QUARTERS = ("1402-Q4", "1403-Q1")


@pytest.fixture(scope="module")
def deputy() -> Ministry:
    return Ministry(persons=16_000, workplaces=200, seed=7)


def test_the_partitions_of_all_its_layers_are_the_quarters_that_lie_whole_within_the_calendar(
    secure: House, research: House, configuration: Configuration
) -> None:
    dataset = configuration.dataset(REGISTER)
    keys = partitions(configuration, dataset).get_partition_keys()
    assert (keys[0], keys[-1]) == ("1400-Q1", "1405-Q4")
    assert len(keys) == 24
    houses: Mapping[Room, House] = {"secure": secure, "research": research}
    for room, layers in {"secure": ("raw", "standardized", "pseudonymized"), "research": ("published",)}.items():
        graph = build_definitions(houses[room]).resolve_asset_graph()  # type: ignore[index]
        for layer in layers:
            node = graph.get(asset_key(layer, dataset))
            assert node.partitions_def is not None
            assert node.partitions_def.get_partition_keys() == keys


@pytest.mark.parametrize(
    ("key", "said", "what", "fix"),
    [
        (REGISTER, "1403-02", "1403-02 is a month, and this dataset comes once a quarter", "Write its period as 1403-Q1"),
        (PLACES, "1403-Q1", "1403-Q1 is a quarter, and this dataset comes once a month", "1403-01 or 1403-02 or 1403-03"),
        (PLACES, "1403", "1403 is a year, and this dataset comes once a month", "1403-01 or 1403-02 or 1403-03 or 1403-04"),
    ],
)
def test_a_delivery_of_the_other_kind_of_period_is_refused_with_the_right_one(
    key: str, said: str, what: str, fix: str, secure: House, deputy: Ministry
) -> None:
    file = deputy.deliver(key, "1403-Q1" if key == REGISTER else "1403-01", desk(secure))
    descriptor = json.loads(file.descriptor_path.read_text(encoding="utf-8"))
    descriptor["mdlake"]["period"] = said
    file.descriptor_path.write_text(json.dumps(descriptor), encoding="utf-8")
    (received,) = send_all(secure)
    assert received.refusal is not None
    assert received.refusal.reason == "not_expected"
    assert what in str(received.refusal)
    assert fix in str(received.refusal)


def test_rows_of_all_months_of_the_quarter_belong_to_it_and_others_do_not(configuration: Configuration) -> None:
    contract = configuration.dataset(REGISTER).newest
    months = ["1402-12", "1403-01", "1403-02", "1403-03", "1403-04", None]
    rows = pl.DataFrame({"month": months})
    (result,) = evaluate(
        [RULES["reference_period"]],
        Subject("standardized", contract, Period.parse("1403-Q1"), rows.lazy(), rows.height, {"month": 5}),
    )
    assert (result.checked, result.failed, result.passed) == (5, 2, False)


def test_a_quarter_is_compared_with_the_quarter_before_and_with_registers_that_ended_before_it(
    secure: House, deputy: Ministry, walk: Callable[..., dict[str, str]]
) -> None:
    for quarter in QUARTERS:
        for key in (REGISTER, MEMBERS):
            deputy.deliver(key, quarter, desk(secure))
    for quarter in QUARTERS:
        for key in (REGISTER, MEMBERS):
            assert walk(key, quarter, "raw", "standardized")["standardized"] != "refused"
    for key, compared in {
        REGISTER: {"previous:1402-Q4"},
        MEMBERS: {"previous:1402-Q4", f"register:{REGISTER}:1402-Q4"},
    }.items():
        dataset = secure.configuration.dataset(key)
        verdict = judge(secure, "standardized", dataset, Period.parse("1403-Q1"), Run("again")).verdict
        assert {name for name in verdict.inputs if ":" in name and "sso" not in name} == compared


def test_what_is_due_and_chosen_is_run_in_the_order_in_which_periods_end(secure: House, deputy: Ministry, clock: Clock) -> None:
    clock.moment += timedelta(days=60)
    for key, period in ((PLACES, "1403-04"), (REGISTER, "1403-Q1"), (PLACES, "1403-03"), (PLACES, "1403-01")):
        deputy.deliver(key, period, desk(secure))
    send_all(secure)
    expected = [(PLACES, "1403-01"), (PLACES, "1403-03"), (REGISTER, "1403-Q1"), (PLACES, "1403-04")]
    assert [(dataset.key, period.key) for dataset, period in due_partitions(secure)] == expected
    both = [secure.configuration.dataset(key) for key in (REGISTER, PLACES)]
    chosen = chosen_partitions(secure, both, ["1403-04", "1403-Q1"], named=False)
    assert [(dataset.key, period.key) for dataset, period in chosen] == [(REGISTER, "1403-Q1"), (PLACES, "1403-04")]
    with pytest.raises(MdlakeError, match="comes once a quarter"):
        chosen_partitions(secure, both, ["1403-04"], named=True)
    with pytest.raises(MdlakeError, match="comes once a month"):
        chosen_partitions(secure, both[1:], ["1403-Q1"], named=False)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An installation of its own that the command works on."""
    home = Home.from_environment({"MDLAKE_HOME": str(tmp_path / "command"), "MDLAKE_CONFIG": str(CONFIG)})
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    for words in (["init"], ["decide", "rehearse"]):
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0, done.output
    return home


def test_the_command_runs_a_quarter_and_shows_it(command: Home, deputy: Ministry, tmp_path: Path) -> None:
    secure = open_house(command, "secure", lambda: datetime.now(UTC))
    SyntheticProducers(secure).send(deputy.deliver(REGISTER, "1403-Q1", tmp_path / "out").descriptor_path)
    done = CliRunner().invoke(cli, ["run", REGISTER, "1403-Q1", "--json"])
    assert done.exit_code == 0, done.output
    (status,) = json.loads(done.stdout)
    assert (status["dataset"], status["period"], status["state"], status["units"]) == (REGISTER, "1403-Q1", "published", None)
    shown = CliRunner().invoke(cli, ["status", REGISTER, "1403-Q1"])
    assert shown.exit_code == 0
    assert "1403-Q1" in shown.output
    wrong = CliRunner().invoke(cli, ["run", REGISTER, "1403-01"])
    assert isinstance(wrong.exception, MdlakeError)
    assert "Write its period as 1403-Q1" in str(wrong.exception)
