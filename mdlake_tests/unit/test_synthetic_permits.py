"""Work permits of foreigners in the synthetic ministry: who has one, where and for how long, and how it is written down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mdlake.synthetic import Canary, Ministry
from mdlake.synthetic.calendar import date_texts, first_days, month_number, month_text, months_of
from mdlake.synthetic.foreigners import Foreigners
from mdlake.synthetic.page import PlantedCanaries
from mdlake.synthetic.permits import Permits
from mdlake.synthetic.population import Persons, Workplaces
from mdlake.synthetic.work_permits import ForeignWorkPermits

KEY, SEED = "employment/foreign_work_permits", 11
MONTHS = range(month_number("1402-01"), month_number("1403-12") + 1)

PERSONS = Persons(20_000, SEED)
WORKPLACES = Workplaces(800, PERSONS, SEED)
FOREIGNERS = Foreigners(PERSONS, SEED)
PERMITS = Permits(FOREIGNERS, WORKPLACES, SEED)
TABLE = ForeignWorkPermits(FOREIGNERS, WORKPLACES, PERMITS, SEED)


def told(month: int) -> pl.DataFrame:
    """A month's records before defects and hands."""
    none = np.array([], dtype=np.int64)
    return TABLE.page(month, 0, TABLE.size(month), PlantedCanaries([], none, none)).text


# ── permits ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_stock_of_a_month_is_the_stock_before_with_the_new_permits_and_without_the_expired() -> None:
    before = told(MONTHS[0])
    issued = expired = 0
    for month in MONTHS[1:]:
        now = told(month)
        new = now.join(before, on="permit_number", how="anti")
        gone = before.join(now, on="permit_number", how="anti")
        # a permit that expires on the last day of a month is in force on it, and gone from the next list
        last_day_before, last_day = date_texts(first_days(np.array([month, month + 1])) - 1)
        assert set(new["issue_date"].str.head(7)) == {month_text(month)}
        assert now.filter(pl.col("issue_date").str.head(7) == month_text(month)).height == new.height
        assert gone["expiry_date"].is_between(pl.lit(last_day_before), pl.lit(last_day), closed="left").all()
        assert (now["expiry_date"] >= last_day).all()
        assert now.height == before.height + new.height - gone.height
        # all that is told of a permit stays as it was
        same = now.drop("month").join(before.drop("month"), on=before.drop("month").columns, how="semi")
        assert same.height == now.height - new.height
        issued, expired, before = issued + new.height, expired + gone.height, now
    assert issued > 200
    assert expired > 200


def test_a_permit_lasts_six_or_twelve_months_and_its_number_is_of_no_other() -> None:
    permits = pl.concat(told(month) for month in MONTHS).drop("month").unique()
    assert permits["permit_number"].n_unique() == permits.height
    assert permits["permit_number"].str.contains(r"^[0-9]{13}$").all()
    assert permits["permit_number"].str.head(6).equals(permits["issue_date"].str.head(7).str.replace("/", ""), check_names=False)
    month = {
        name: 12 * permits[name].str.head(4).cast(pl.Int64) + permits[name].str.slice(5, 2).cast(pl.Int64)
        for name in ("issue_date", "expiry_date")
    }
    # who is given a permit on the first of a month loses it on the last day of another
    from_first = permits["issue_date"].str.ends_with("/01").cast(pl.Int64)
    lasts = month["expiry_date"] - month["issue_date"] + from_first
    assert set(lasts) == {6, 12}
    assert 0.2 < (lasts == 6).sum() / permits.height < 0.8


def test_a_renewal_is_at_the_same_workplace_on_the_day_after_the_expiry_and_many_permits_are_renewed() -> None:
    renewed = ended = 0
    for month in MONTHS[1:]:
        before, now = PERMITS.in_force(month - 1), PERMITS.in_force(month)
        then = {foreigner: at for at, foreigner in enumerate(before.foreigner.tolist())}
        ended += sum(int(months_of(np.array([day + 1]))[0]) == month for day in before.expiry.tolist())
        for at in np.flatnonzero(months_of(now.issued) == month).tolist():
            earlier = then.get(int(now.foreigner[at]))
            if earlier is not None:
                assert now.workplace[at] == before.workplace[earlier]
                assert now.engagement[at] == before.engagement[earlier]
                assert now.issued[at] == before.expiry[earlier] + 1
                renewed += 1
    assert 0.3 < renewed / ended < 0.7


def test_four_foreigners_of_ten_have_a_permit_and_between_two_workplaces_there_are_months_without() -> None:
    shares = [PERMITS.in_force(month).foreigner.size / FOREIGNERS.total for month in MONTHS]
    assert min(shares) > 0.34
    assert max(shares) < 0.48
    last: dict[int, tuple[int, int]] = {}
    changed = 0
    for month in range(MONTHS[0] - 48, MONTHS[-1] + 1):
        permits = PERMITS.in_force(month)
        assert np.unique(permits.foreigner).size == permits.foreigner.size
        for one, engagement in zip(permits.foreigner.tolist(), permits.engagement.tolist(), strict=True):
            if one in last and last[one][0] != engagement:
                assert month - last[one][1] > 2
                changed += 1
            last[one] = (engagement, month)
    assert changed > 50


def test_employers_are_active_workplaces_of_the_province_and_holders_are_of_age() -> None:
    for month in MONTHS[:3]:
        permits, rows = PERMITS.in_force(month), told(month)
        assert set(WORKPLACES.statuses[permits.workplace].tolist()) == {1}
        assert rows["workplace_code"].equals(WORKPLACES.codes(permits.workplace), check_names=False)
        assert rows["province"].cast(pl.Int64).to_list() == WORKPLACES.provinces(permits.workplace).tolist()
        assert rows["province"].is_sorted()
        assert ((permits.issued - FOREIGNERS.birth_days(permits.foreigner)) / 365.25).min() >= 18
        assert rows["foreigner_code"].is_in(FOREIGNERS.codes(np.arange(FOREIGNERS.total)).implode()).all()


def test_a_nationality_is_a_code_or_the_word_for_it_and_an_office_writes_all_of_them_alike() -> None:
    rows = told(MONTHS[0]).with_columns(is_code=pl.col("nationality").str.contains("^[A-Z]{3}$"))
    assert 0.2 < rows["is_code"].sum() / rows.height < 0.95
    assert rows.group_by("province").agg(pl.col("is_code").n_unique())["is_code"].to_list() == [1] * rows["province"].n_unique()
    assert not {"IRN", "ایرانی"} & set(rows["nationality"])


def test_a_month_asked_for_by_itself_is_the_month_after_others() -> None:
    alone = Permits(FOREIGNERS, WORKPLACES, SEED)
    for month in (MONTHS[5], MONTHS[0], MONTHS[5]):
        after = PERMITS.in_force(month)
    assert alone.in_force(MONTHS[5]).expiry.tolist() == after.expiry.tolist()
    assert alone.numbers(alone.in_force(MONTHS[5])).equals(PERMITS.numbers(after))


# ── deliveries ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pages_of_any_size_and_earlier_deliveries_change_no_byte(tmp_path: Path) -> None:
    canaries = [Canary("0499370899", "نام‌یکم", "خانواده‌یکم", "09121234567"), Canary("0076229645", "نام‌دوم", "خانواده‌دوم")]
    rates = dict.fromkeys(Ministry().defect_rates(KEY), 0.05)
    made = []
    for page_rows, before in ((500_000, False), (13, True)):
        ministry = Ministry(6_000, 300, seed=5, page_rows=page_rows)
        folder = tmp_path / str(page_rows)
        if before:
            for other in (KEY, "sso/workplaces"):
                ministry.deliver(other, "1403-06", folder)
        made.append(ministry.deliver(KEY, "1403-02", folder, defects=rates, canaries=canaries))
    whole, parts = made
    assert whole.csv_path.read_bytes() == parts.csv_path.read_bytes()
    assert whole.truth is not None
    assert parts.truth is not None
    assert whole.truth.rows.equals(parts.truth.rows)
    text = whole.csv_path.read_text("utf-8-sig")
    assert all(text.count(f"{canary.first_name},{canary.last_name}") == 1 for canary in canaries)
    assert text.count("09121234567") == 1
    another = Ministry(6_000, 300, seed=6).deliver(KEY, "1403-02", tmp_path / "another")
    assert another.csv_path.read_bytes() != whole.csv_path.read_bytes()


def test_the_truth_names_no_person_and_counts_every_record(tmp_path: Path) -> None:
    made = Ministry(20_000, 800, seed=SEED).deliver(KEY, "1403-02", tmp_path)
    assert made.truth is not None
    truth = made.truth.rows
    assert made.rows == truth.height == TABLE.size(month_number("1403-02")) + made.truth.counts["exact_duplicate"]
    assert truth["person"].null_count() == truth["national_code"].null_count() == truth.height
    assert truth["workplace_code"].null_count() == 0
    assert sum(made.truth.counts.values()) == truth["harm"].count() > 0


def test_short_lists_are_spared_of_the_usual_defects_and_not_of_those_asked_for(tmp_path: Path) -> None:
    ministry = Ministry(3_000, 150, seed=SEED)
    usual = ministry.deliver(KEY, "1403-02", tmp_path / "usual")
    asked = ministry.deliver(KEY, "1403-02", tmp_path / "asked", defects={"orphan_workplace": 0.9})
    assert usual.truth is not None
    assert asked.truth is not None
    assert sum(usual.truth.counts.values()) == 0
    assert asked.truth.counts["orphan_workplace"] > 0


@pytest.mark.parametrize("harm", ["expiry_before_issue", "expired_before_month", "issue_after_month"])
def test_a_defect_of_the_dates_contradicts_what_it_is_named_for(harm: str, tmp_path: Path) -> None:
    ministry = Ministry(6_000, 300, seed=SEED)
    none = dict.fromkeys(ministry.defect_rates(KEY), 0.0)
    made = ministry.deliver(KEY, "1403-02", tmp_path, defects=none | {harm: 1.0})
    rows = pl.read_csv(made.csv_path, infer_schema=False)
    plain = rows.filter(
        pl.col(name).str.contains("^[0-9]{4}/[0-9]{2}/[0-9]{2}$") for name in ("تاریخ صدور پروانه", "تاریخ انقضای پروانه")
    )
    issued, expiry = plain["تاریخ صدور پروانه"], plain["تاریخ انقضای پروانه"]
    assert plain.height > 10
    assert (issued < expiry).all() == (harm != "expiry_before_issue")
    if harm == "expiry_before_issue":
        assert (expiry < issued).all()
    if harm == "expired_before_month":
        assert (expiry < "1403/02/01").all()
    assert (issued > "1403/02/31").all() == (harm == "issue_after_month")
