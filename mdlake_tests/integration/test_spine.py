"""The whole way by its steps, held against the truth of the synthetic ministry: who links, and what became of the rest."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import polars as pl
import pytest
from conftest import MAKERS, Clock, Install, desk
from deltalake import DeltaTable
from planted_defects import leaving

from mdlake.config import Home
from mdlake.errors import GateRefused, MdlakeError
from mdlake.lake import PARTITION_COLUMN, PartitionState, Table
from mdlake.layers import ROW
from mdlake.ledger import Verdict
from mdlake.pseudonyms import KeyFile, derive_key, pseudonym_of
from mdlake.standard import Period
from mdlake.steps import (
    KEY_FILE,
    House,
    Run,
    judge,
    make_pseudonymized,
    make_published,
    make_raw,
    make_standardized,
    open_house,
    partition_statuses,
)
from mdlake.synthetic import DeliveredFile, Ministry

LIST, PLACES = "sso/insured_contributions", "sso/workplaces"
MONTHS = ("1403-01", "1403-02", "1403-03")
LAYERS = ("raw", "standardized", "pseudonymized", "published")
PASSED = {"passed", "passed_with_warnings"}

Walk = Callable[..., dict[str, str]]
Land = Callable[[DeliveredFile], None]


def table(house: House, layer: str, key: str, month: str) -> Table:
    """A layer's table of a dataset, by the contract of a month."""
    dataset = house.configuration.dataset(key)
    return house.table(layer, dataset, dataset.contract(Period.parse(month)))


def state(house: House, layer: str, key: str, month: str) -> PartitionState:
    """The state of a partition that exists."""
    found = table(house, layer, key, month).state(month)
    assert found is not None
    return found


def rows(house: House, layer: str, key: str, month: str) -> pl.DataFrame:
    """The rows of a partition."""
    return table(house, layer, key, month).scan(month).collect()


def files(house: House, layer: str, key: str, month: str) -> dict[str, str]:
    """The files of a partition that its table names, by their digests."""
    uris = DeltaTable(table(house, layer, key, month).url).file_uris(file_pruning_predicate=[(PARTITION_COLUMN, "=", month)])
    return {uri: hashlib.sha256(Path(uri).read_bytes()).hexdigest() for uri in uris}


# ── ground truth ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Walked:
    """Three months of both datasets with every class of defects, all layers made."""

    secure: House
    delivered: Mapping[tuple[str, str], DeliveredFile]

    def truth(self, key: str, month: str) -> pl.DataFrame:
        """What is true of every record of a delivery."""
        truth = self.delivered[key, month].truth
        assert truth is not None
        return truth.rows


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory, install: Install) -> Walked:
    clock = Clock()
    home = install(tmp_path_factory.mktemp("walked"))
    secure, research = open_house(home, "secure", clock), open_house(home, "research", clock)
    ministry = Ministry(persons=3000, workplaces=600, seed=7)
    delivered = {}
    for month in MONTHS:
        for key in (PLACES, LIST):
            rates = dict.fromkeys(ministry.defect_rates(key), 0.004 if key == LIST else 0.012)
            delivered[key, month] = ministry.deliver(key, month, desk(secure), defects=rates)
            dataset, period = secure.configuration.dataset(key), Period.parse(month)
            for layer, make in MAKERS.items():
                make(research if layer == "published" else secure, dataset, period, Run("run"))
                judgement = judge(secure, layer, dataset, period, Run("run"))
                assert judgement.verdict.outcome in PASSED, (key, month, layer, judgement.failures)
    return Walked(secure, delivered)


def _verdict(house: House, layer: str, key: str, month: str) -> Verdict:
    organization, name = key.split("/")
    verdict = house.ledger.latest_verdict(layer, organization, name, month)
    assert verdict is not None
    return verdict


def _pseudonyms(walked: Walked) -> Callable[[str, str | None], str | None]:
    """Identifier type and code → pseudonym, by the plain definition."""
    root = KeyFile(walked.secure.home.keys / KEY_FILE).read().current.root
    keys = {kind: derive_key(root, f"warehouse/{kind}") for kind in ("national_code", "workplace_code")}
    marker = {"national_code": "nat", "workplace_code": "wrk"}
    return lambda kind, code: None if code is None else pseudonym_of(keys[kind], marker[kind], 1, code)


def _surviving(walked: Walked, key: str, month: str) -> pl.DataFrame:
    """The truth of the records that no harm takes away."""
    return walked.truth(key, month).filter(~pl.col("harm").is_in(leaving(key)) | pl.col("harm").is_null())


@pytest.mark.parametrize("month", MONTHS)
def test_the_pairs_of_the_truth_are_the_pairs_of_the_published_pseudonyms(month: str, walked: Walked) -> None:
    pseudonym = _pseudonyms(walked)
    pairs = Counter(
        (pseudonym("national_code", person), None if harm == "orphan_workplace" else pseudonym("workplace_code", place))
        for person, place, harm in _surviving(walked, LIST, month).select("national_code", "workplace_code", "harm").iter_rows()
    )
    registered = {pseudonym("workplace_code", code) for code in walked.truth(PLACES, month)["workplace_code"]}
    published = rows(walked.secure, "published", LIST, month).select("national_code_pseudonym", "workplace_code_pseudonym")
    found = Counter((person, place if place in registered else None) for person, place in published.iter_rows())
    assert found == pairs
    # employers: by their national code, where they have one and it can be read
    expected = Counter(
        (pseudonym("workplace_code", place), None if harm == "wrong_check_digit" else pseudonym("national_code", employer))
        for place, employer, harm in _surviving(walked, PLACES, month)
        .select("workplace_code", "national_code", "harm")
        .iter_rows()
    )
    places = rows(walked.secure, "published", PLACES, month)
    told = places.select("workplace_code_pseudonym", "employer_national_code_pseudonym").iter_rows()
    assert Counter(told) == expected


def test_the_two_datasets_and_the_months_link_as_often_as_in_the_clear(walked: Walked) -> None:
    for one in MONTHS:
        for other in MONTHS:
            clear = _surviving(walked, LIST, one).filter(pl.col("harm").ne_missing("orphan_workplace"))
            places = _surviving(walked, PLACES, other)
            links = clear.join(places, on="workplace_code").height
            hidden = rows(walked.secure, "published", LIST, one)
            assert links > 0
            assert hidden.join(rows(walked.secure, "published", PLACES, other), on="workplace_code_pseudonym").height == links
            persons = _surviving(walked, LIST, other).select("national_code").unique()
            again = rows(walked.secure, "published", LIST, other).select("national_code_pseudonym").unique()
            known = _surviving(walked, LIST, one).join(persons, on="national_code", how="semi").height
            assert hidden.join(again, on="national_code_pseudonym", how="semi").height == known


def test_rows_in_every_hand_link_and_what_does_not_says_why(walked: Walked) -> None:
    pseudonym = _pseudonyms(walked)
    written: Counter[str] = Counter()
    for month in MONTHS:
        kept = rows(walked.secure, "standardized", LIST, month).select(ROW, "national_code", "workplace_code")
        truth = _surviving(walked, LIST, month).filter(pl.col("harm").ne_missing("orphan_workplace"))
        both = truth.join(kept, left_on="record", right_on=ROW, suffix="_read")
        assert both.height == truth.height
        assert both["national_code"].equals(both["national_code_read"])
        assert both["workplace_code"].equals(both["workplace_code_read"])
        written.update(both["handwriting"].explode().drop_nulls())
        hidden = set(rows(walked.secure, "pseudonymized", LIST, month)["national_code_pseudonym"])
        assert {pseudonym("national_code", code) for code in _surviving(walked, LIST, month)["national_code"]} == hidden
        # a link that is missing has its reason beside it, and no other has one
        for key in (LIST, PLACES):
            shown = rows(walked.secure, "published", key, month)
            for name in [c.removesuffix("_unlinkable") for c in shown.columns if c.endswith("_unlinkable")]:
                reason, link = shown[f"{name}_unlinkable"], shown[f"{name}_pseudonym"]
                assert shown.filter(reason.is_not_null() & link.is_not_null()).is_empty()
                assert set(reason.drop_nulls()) <= {"missing", "check_digit", "not_digits", "wrong_length", "all_zero"}
                assert shown.filter(reason.is_not_null()).height == _blanks(walked, key, month, name)
    hands = {"persian_digits", "arabic_indic_digits", "lost_leading_zeros", "blanks_around", "nbsp_around", "date_compact"}
    assert min(written[hand] for hand in hands) > 0, written


def _blanks(walked: Walked, key: str, month: str, name: str) -> int:
    kept = rows(walked.secure, "standardized", key, month)
    return kept.filter(pl.col(f"{name}_unlinkable").is_not_null()).height


def test_every_use_of_a_key_is_in_the_audit_with_its_count_and_no_value(walked: Walked) -> None:
    uses = [entry.details for entry in walked.secure.ledger.audit.entries(action="key.used")]
    counted = Counter((use["path"], use["count"]) for use in uses)
    expected: Counter[tuple[object, object]] = Counter()
    for month in MONTHS:
        for key in (LIST, PLACES):
            dataset = walked.secure.configuration.dataset(key)
            kept = rows(walked.secure, "standardized", key, month)
            for column in dataset.contract(Period.parse(month)).linked:
                assert column.identifier is not None
                expected[f"warehouse/{column.identifier.name}", kept[column.name].count()] += 1
    assert counted == expected
    assert {tuple(sorted(use)) for use in uses} == {("count", "epoch", "path", "run")}
    report = walked.secure.ledger.audit.verify()
    assert report.entries > len(uses)


# ── twice, refused, mended ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_partition_twice_has_the_same_content_and_one_verdict(
    secure: House, walk: Walk, land: Land, deliveries: Mapping[tuple[str, str], DeliveredFile]
) -> None:
    land(deliveries[LIST, "1403-01"])
    assert set(walk(LIST, "1403-01", run="first").values()) <= PASSED
    first = {layer: state(secure, layer, LIST, "1403-01").content_id for layer in (*LAYERS, "quarantine")}
    walk(LIST, "1403-01", run="second")
    assert {layer: state(secure, layer, LIST, "1403-01").content_id for layer in first} == first
    for layer in LAYERS:
        history = secure.ledger.verdict_history(layer, "sso", "insured_contributions", "1403-01")
        assert [verdict.run_id for verdict in history] == ["second"], layer
        assert history[0].content_id == first[layer]


def test_a_month_of_which_every_row_was_set_aside_is_shown_as_refused_however_it_is_asked_for(
    secure: House, walk: Walk, land: Land, ministry: Ministry, tmp_path: Path
) -> None:
    file = ministry.deliver(LIST, "1403-01", tmp_path / "out")
    rows = pl.read_csv(file.csv_path, infer_schema=False).with_columns(pl.lit("1").alias("کد ملی"))
    rows.write_csv(file.csv_path)
    described = json.loads(file.descriptor_path.read_text(encoding="utf-8"))
    data = file.csv_path.read_bytes()
    described["resources"][0] |= {"bytes": len(data), "hash": f"sha256:{hashlib.sha256(data).hexdigest()}"}
    file.descriptor_path.write_text(json.dumps(described), encoding="utf-8")
    land(file)
    assert walk(LIST, "1403-01")["standardized"] == "refused"
    assert state(secure, "standardized", LIST, "1403-01").rows == 0
    datasets = [secure.configuration.dataset(LIST)]
    [of_all] = partition_statuses(secure, datasets)
    [of_one] = partition_statuses(secure, datasets, ["1403-01"])
    assert of_all == of_one
    assert of_all.state == "refused"
    assert of_all.quarantined + of_all.duplicates == of_all.declared_rows
    assert of_all.verdicts["standardized"] == "refused"


def test_a_refused_month_goes_no_further_blocks_no_other_and_turns_when_it_comes_again(
    secure: House, research: House, home: Home, walk: Walk, land: Land, ministry: Ministry, tmp_path: Path
) -> None:
    def deliver(month: str, sequence: int, **defects: float) -> None:
        land(ministry.deliver(LIST, month, tmp_path / "out", sequence=sequence, defects=defects or None))

    dataset, period = secure.configuration.dataset(LIST), Period.parse("1403-02")
    for month in MONTHS[:2]:
        deliver(month, 1)
        assert walk(LIST, month).keys() == set(LAYERS)
    before = {
        month: (state(research, "published", LIST, month), files(research, "published", LIST, month)) for month in MONTHS[:2]
    }

    deliver("1403-02", 2, wrong_check_digit=0.2)
    assert walk(LIST, "1403-02") == {"raw": "passed", "standardized": "refused"}
    for make, house in ((make_pseudonymized, secure), (make_published, research)):
        with pytest.raises(GateRefused) as refused:
            make(house, dataset, period, Run("by hand"))
        text = str(refused.value)
        assert text.startswith(f"{LIST} 1403-02: ")
        assert "standardized of this period was refused by identifiers_valid (" in text
        assert "Who: Social Security Organization corrects and sends again" in text
        assert "Next: when the new delivery has landed, materialize raw to " in text
        assert f"mdlake status {LIST} --period 1403-02" in text
    for month, (was, bytes_of_files) in before.items():
        assert state(research, "published", LIST, month) == was
        assert files(research, "published", LIST, month) == bytes_of_files

    deliver("1403-03", 1)
    assert walk(LIST, "1403-03").keys() == set(LAYERS), "one bad month blocks no other"

    deliver("1403-02", 3)
    assert set(walk(LIST, "1403-02").values()) <= PASSED
    # the corrected file says what the first one said
    assert state(research, "published", LIST, "1403-02").content_id == before["1403-02"][0].content_id
    history = secure.ledger.verdict_history("standardized", "sso", "insured_contributions", "1403-02")
    assert sorted(verdict.outcome == "refused" for verdict in history) == [False, True]
    secure.ledger.audit.verify()


def test_a_layer_asks_for_what_was_never_made_and_for_what_was_never_checked(
    secure: House, research: House, land: Land, deliveries: Mapping[tuple[str, str], DeliveredFile]
) -> None:
    dataset, period, run = secure.configuration.dataset(LIST), Period.parse("1403-01"), Run("by hand")
    with pytest.raises(MdlakeError, match="no accepted delivery of this period"):
        make_raw(secure, dataset, period, run)
    for make, house in ((make_standardized, secure), (make_pseudonymized, secure), (make_published, research)):
        with pytest.raises(GateRefused, match="of this period was never made"):
            make(house, dataset, period, run)
    land(deliveries[LIST, "1403-01"])
    make_raw(secure, dataset, period, run)
    with pytest.raises(
        GateRefused, match=r"was not checked .* Who: data team\. Next: materialize raw of 1403-01 with its checks"
    ):
        make_standardized(secure, dataset, period, run)


def test_what_was_made_before_its_source_changed_is_made_again_first(
    secure: House, research: House, walk: Walk, land: Land, ministry: Ministry, tmp_path: Path
) -> None:
    land(ministry.deliver(LIST, "1403-01", tmp_path / "out"))
    walk(LIST, "1403-01")
    # the facts of a second delivery are the same and its defects are others, so that it has another content
    land(ministry.deliver(LIST, "1403-01", tmp_path / "out", sequence=2, defects={"wrong_check_digit": 0.01}))
    assert set(walk(LIST, "1403-01", "raw", "standardized").values()) <= PASSED
    with pytest.raises(GateRefused, match="pseudonymized of this period was made before standardized changed"):
        make_published(research, research.configuration.dataset(LIST), Period.parse("1403-01"), Run("by hand"))


# ── contract versions ────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_contract_versions_are_read_as_one_table_by_three_readers(walked: Walked) -> None:
    secure = walked.secure
    versions = {month: state(secure, "published", LIST, month).details["contract_version"] for month in MONTHS}
    assert versions == {"1403-01": "1.0", "1403-02": "1.0", "1403-03": "2.0"}
    whole = table(secure, "published", LIST, "1403-03")
    with_polars = whole.scan().group_by(PARTITION_COLUMN).agg(pl.len(), pl.col("contract_type").count().alias("stated"))
    counted = {period: (height, stated) for period, height, stated in with_polars.collect().iter_rows()}
    assert counted.keys() == set(MONTHS)
    for month, (height, stated) in counted.items():
        assert height == state(secure, "published", LIST, month).rows
        assert (stated == 0) == (month < "1403-03")
    uris = DeltaTable(whole.url).file_uris()
    read = duckdb.sql(
        "select period, count(*), count(contract_type), count(distinct national_code_pseudonym) "
        "from read_parquet($files, union_by_name=true, hive_partitioning=true, hive_types={'period': varchar}) group by period",
        params={"files": uris},
    )
    assert read is not None
    assert {period: (height, stated) for period, height, stated, _ in read.fetchall()} == counted
    arrow = pl.DataFrame(pl.from_arrow(DeltaTable(whole.url).to_pyarrow_table()))
    assert arrow.group_by(PARTITION_COLUMN).len().sort(PARTITION_COLUMN).rows() == sorted((p, n) for p, (n, _) in counted.items())
    assert arrow["contract_type"].count() == counted["1403-03"][1]
    # the same months of the old version, asked of a table that the new version widened, are as they were
    old = whole.scan("1403-01").select(pl.col("contract_type").null_count()).collect().item()
    assert old == counted["1403-01"][0]


def test_an_old_month_that_is_made_again_keeps_its_contract_and_its_content(
    secure: House, walk: Walk, land: Land, deliveries: Mapping[tuple[str, str], DeliveredFile]
) -> None:
    for month in ("1403-02", "1403-03"):
        land(deliveries[LIST, month])
    walk(LIST, "1403-02")
    before = {layer: state(secure, layer, LIST, "1403-02").content_id for layer in LAYERS}
    walk(LIST, "1403-03")
    walk(LIST, "1403-02")
    assert {layer: state(secure, layer, LIST, "1403-02").content_id for layer in LAYERS} == before
    assert _verdict(secure, "standardized", LIST, "1403-02").contract_version == "1.0"


# ── order and rooms ──────────────────────────────────────────────────────────────────────────────────────────────────


def shuffled(file: DeliveredFile, folder: Path) -> DeliveredFile:
    """The same delivery with its rows in another order."""
    folder.mkdir()
    with file.csv_path.open(encoding="utf-8", newline="") as source:
        header, *lines = csv.reader(source)
    random.Random(5).shuffle(lines)
    path, described = folder / file.csv_path.name, folder / file.descriptor_path.name
    with path.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target, lineterminator="\n").writerows([header, *lines])
    descriptor = json.loads(file.descriptor_path.read_text(encoding="utf-8"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    descriptor["resources"][0] |= {"bytes": path.stat().st_size, "hash": f"sha256:{digest}"}
    described.write_text(json.dumps(descriptor), encoding="utf-8")
    return replace(file, csv_path=path, descriptor_path=described)


def test_neither_the_order_of_arrival_nor_the_order_of_rows_changes_what_is_published(
    walked: Walked, home: Home, secure: House, walk: Walk, land: Land, tmp_path: Path
) -> None:
    keys = home.keys / KEY_FILE
    keys.write_bytes((walked.secure.home.keys / KEY_FILE).read_bytes())  # the same keys, or no pseudonym is the same
    for key, month in ((LIST, "1403-03"), (LIST, "1403-01"), (PLACES, "1403-03"), (LIST, "1403-02")):
        delivered = _as_it_came(walked, key, month)
        land(delivered if key == PLACES else shuffled(delivered, tmp_path / month))
        assert set(walk(key, month).values()) <= PASSED
        for layer in ("pseudonymized", "published"):
            here, there = state(secure, layer, key, month), state(walked.secure, layer, key, month)
            assert here.content_id == there.content_id, (key, month, layer)


def _as_it_came(walked: Walked, key: str, month: str) -> DeliveredFile:
    """A delivery that was taken in, under the names that it came by."""
    file = walked.delivered[key, month]
    organization, name = key.split("/")
    current = walked.secure.ledger.current_delivery(organization, name, month)
    assert current is not None
    kept = walked.secure.landing.path(current)
    came = walked.secure.home.root / "came"
    came.mkdir(exist_ok=True)
    copies = (came / file.csv_path.name, came / file.descriptor_path.name)
    for source, copy in zip((kept, kept.with_suffix(".json")), copies, strict=True):
        copy.write_bytes(source.read_bytes())
    return replace(file, csv_path=copies[0], descriptor_path=copies[1])


def test_the_research_room_has_no_right_on_landing_keys_and_secure_zone(
    research: House, home: Home, walk: Walk, land: Land, deliveries: Mapping[tuple[str, str], DeliveredFile]
) -> None:
    dataset, period = research.configuration.dataset(LIST), Period.parse("1403-01")
    contract = dataset.contract(period)
    asked: list[Callable[[], object]] = [
        lambda: research.landing,
        lambda: research.keyed_hash,
        lambda: research.zone("secure"),
        *(lambda layer=layer: research.table(layer, dataset, contract) for layer in ("raw", "standardized", "quarantine")),
        *(
            lambda make=make: make(research, dataset, period, Run("r"))
            for make in (make_raw, make_standardized, make_pseudonymized)
        ),
    ]
    for ask in asked:
        with pytest.raises(MdlakeError, match="the research room has no right on") as refused:
            ask()
        assert refused.value.next_step == "Run this step in the secure code location."
    # and it needs none: published is made with all of them out of reach
    land(deliveries[LIST, "1403-01"])
    walk(LIST, "1403-01", "raw", "standardized", "pseudonymized")
    for name in ("landing", "secure", "keys"):
        (home.root / name).rename(home.root / f"{name}.elsewhere")
    assert walk(LIST, "1403-01", "published")["published"] in PASSED
