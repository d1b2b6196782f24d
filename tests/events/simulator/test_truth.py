"""What is planted can be found again in the log: hazards, uplift, taste, seasons, fakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.events.simulator.conftest import read_events, truth
from ulm_core.events.simulator import SimulationReport, SimulatorConfig, simulate

PLAIN = {
    "dirty_share": 0.0, "late_share": 0.0, "weekly_season": 0.0, "yearly_season": 0.0, "daily_season": 0.0,
    "campaigns": 0, "shilling_share": 0.0, "robot_share": 0.0, "session_spread": 0.0, "resurrection_share": 0.0,
    "channel_effect": 0.0, "satisfaction_effect": 0.0, "inactivated_ratio": 1.0, "early_share": 0.0,
    "delivery_days": 3_660,
}  # fmt: skip


def sessions_of(log: pd.DataFrame) -> pd.DataFrame:
    """Return first and last moment of every session, by user and time."""
    spans = log.dropna(subset="session").groupby(["user", "session"])["time"].agg(["min", "max"]).reset_index()
    return spans.sort_values(["user", "min"])


def test_the_churn_hazard_is_recovered_from_sessions(tmp_path: Path) -> None:
    """With constant rates a user has (rate + hazard) / hazard sessions, 1 / (rate + hazard) apart."""
    config = SimulatorConfig(
        **{**PLAIN, "users": 3_000, "days": 700, "churn_hazard": 0.05, "sessions_per_week": 1.4, "rate_rate": 0.0}
    )
    log = read_events(simulate(config, tmp_path / "x").files)
    spans = sessions_of(log)
    early = spans.groupby("user")["min"].transform("min") < pd.Timestamp("2026-05-01")  # the others are censored
    spans = spans[early]
    gap = (spans["min"] - spans.groupby("user")["max"].shift()).dt.total_seconds().dropna().mean() / 86_400
    per_user = len(spans) / spans["user"].nunique()
    assert 1 / (gap * per_user) == pytest.approx(0.05, rel=0.06)
    assert 1 / gap - 0.05 == pytest.approx(0.2, rel=0.06)


def test_hazard_ratios_of_channels_are_in_the_truth(tmp_path: Path) -> None:
    config = SimulatorConfig(
        **{**PLAIN, "users": 6_000, "days": 120, "channel_effect": 1.0, "churn_hazard": 0.02, "sessions_per_week": 3.0}
    )
    report = simulate(config, tmp_path / "x")
    users = truth(report, "users").merge(pq.read_table(tmp_path / "x/users.parquet").to_pandas(), on="user_id")
    until = users["first_churn_at"].fillna(pd.Timestamp("2025-05-01"))
    days = (until - users["signed_up_at"]).dt.total_seconds() / 86_400
    churned = users["first_churn_at"].notna()
    hazard = churned.groupby(users["channel"]).sum() / days.groupby(users["channel"]).sum()
    assert hazard["ads"] / hazard["organic"] == pytest.approx(1.8, rel=0.15)
    assert hazard["friend"] / hazard["organic"] == pytest.approx(0.6, rel=0.2)


def test_satisfied_users_stay(clean_shop: SimulationReport) -> None:
    users = truth(clean_shop, "users")
    real = users[~users["is_fake"] & users["activated_at"].notna() & (users["returns"] == 0)]
    satisfied = real["satisfaction_at_end"] > real["satisfaction_at_end"].median()
    assert real["is_alive_at_end"][satisfied].mean() > real["is_alive_at_end"][~satisfied].mean() + 0.05


def measured_uplift(log: pd.DataFrame, campaign: str, days: int) -> tuple[float, float]:
    """Return the difference of conversion between treated and held out, and its standard error."""
    mine = log[log["properties"] == f'{{"campaign": "{campaign}"}}']
    bought = log[log["event"] == "purchase"][["user", "time"]].merge(mine[["user", "time"]], on="user", how="inner")
    inside = (bought["time_x"] - bought["time_y"]).between(pd.Timedelta(0), pd.Timedelta(days=days), "left")
    converted = mine["user"].isin(bought["user"][inside])
    treated = mine["event"] == "campaign received"
    share, other = converted[treated], converted[~treated]
    return share.mean() - other.mean(), float(np.sqrt(share.var() / len(share) + other.var() / len(other)))


def test_the_true_uplift_is_recovered_from_the_holdout(clean_shop: SimulationReport, clean_log: pd.DataFrame) -> None:
    campaigns = truth(clean_shop, "campaigns")
    for name, rows in campaigns.groupby("campaign"):
        true = float(np.average(rows["uplift"], weights=rows["users"]))
        measured, error = measured_uplift(clean_log, str(name), 14)
        assert abs(measured - true) < 3.5 * error, name
    lifts = campaigns.groupby("campaign")["lift"].first()
    assert lifts.tolist() == pytest.approx([0.15, 0.3, 0.45, 0.0])


def test_arms_are_random_and_the_audience_is_counted(clean_shop: SimulationReport, clean_log: pd.DataFrame) -> None:
    campaigns = truth(clean_shop, "campaigns").groupby("campaign")[["users", "treated"]].sum()
    for name, row in campaigns.iterrows():
        mine = clean_log[clean_log["properties"] == f'{{"campaign": "{name}"}}']
        assert (len(mine), int((mine["event"] == "campaign received").sum())) == (row["users"], row["treated"])
        assert row["treated"] / row["users"] == pytest.approx(0.8, abs=0.04)


def test_taste_is_learnable_from_the_texts(clean_shop: SimulationReport, clean_log: pd.DataFrame) -> None:
    """The adjective a user saw most in the first half of the views names the taste of the second half."""
    items = pq.read_table(clean_shop.directory / "items.parquet").to_pandas().set_index("item_id")
    cluster = truth(clean_shop, "items").set_index("item_id")["cluster"]
    users = truth(clean_shop, "users").set_index("user_id")
    views = clean_log[clean_log["event"] == "view"].sort_values(["user", "time"])
    views = views[views.groupby("user")["time"].transform("size") >= 40]
    views = views[~views["user"].map(users["is_fake"])]
    half = views.groupby("user").cumcount() < views.groupby("user")["time"].transform("size") // 2
    words = items["text"].str.split().str[0]
    style = cluster.groupby(words).agg(lambda found: found.mode()[0])  # learnt from items, not from users
    seen = views[half]["item"].map(words).map(style).groupby(views["user"]).agg(lambda found: found.mode()[0])
    later = views[~half]
    hit = later["item"].map(cluster) == later["user"].map(seen)
    assert hit.mean() > 0.7  # chance: 1 in 6
    assert (seen == users["cluster"].reindex(seen.index)).mean() > 0.95


def test_the_week_and_the_day_have_their_seasons(clean_log: pd.DataFrame) -> None:
    views = clean_log[clean_log["event"] == "view"]["time"]
    hours = views.dt.hour.value_counts()
    assert hours[19] / hours[7] > 4
    saturday, tuesday = (int((views.dt.dayofweek == day).sum()) for day in (5, 1))
    assert saturday / tuesday > 1.3


def test_the_funnel_narrows(clean_log: pd.DataFrame) -> None:
    counts = clean_log["event"].value_counts()
    assert counts["view"] > counts["add to cart"] > counts["purchase"] > counts["rate"] > 0
    stars = clean_log[clean_log["event"] == "rate"]["value"]
    assert stars.between(1, 5).all()


def test_fakes_are_marked_and_behave_like_fakes(clean_shop: SimulationReport, clean_log: pd.DataFrame) -> None:
    users = truth(clean_shop, "users").set_index("user_id")
    targets = clean_shop.truth["shilling_targets"]
    rates = clean_log[(clean_log["event"] == "rate") & clean_log["item"].isin(targets)]
    shills = rates[rates["user"].map(users["fake_kind"]) == "shilling"]
    assert len(shills) == len(targets) * clean_shop.truth["fake_users"]["shilling"]
    assert (shills["value"] == 5).all()
    robot = users.index[users["fake_kind"] == "robot"][0]
    gaps = (
        clean_log[clean_log["user"] == robot]
        .groupby("session")["time"]
        .apply(lambda t: t.sort_values().diff().dropna())
    )
    assert (gaps == pd.Timedelta(seconds=2)).all()


def test_nobody_buys_an_item_before_its_launch(clean_shop: SimulationReport, clean_log: pd.DataFrame) -> None:
    launched = truth(clean_shop, "items").set_index("item_id")["launched_at"].dropna()
    users = truth(clean_shop, "users").set_index("user_id")
    real = clean_log[~clean_log["user"].map(users["is_fake"])]
    first = real.groupby("item")["time"].min().reindex(launched.index).dropna()
    assert (first >= launched.reindex(first.index)).all()
    assert len(launched) > 100
