"""A small shop with habits, regulars and leavers: quick to train on, and with something to learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ulm_core.events.samples import LogBundle
from ulm_core.timeline.publish import import_bundle
from ulm_core.training.config import FineTuneConfig
from ulm_core.workspace import Workspace, WorkspaceConfig

START = pd.Timestamp("2024-01-01")
DAYS = 240
N_USERS, N_ITEMS = 60, 24
WORDS = ("green tea", "black tea", "whole milk", "oat milk", "rye bread", "white bread")
CONFIG = WorkspaceConfig(name="Shop", conversion_events=("purchase",), passive_events=("mail",))

TINY = FineTuneConfig(
    tower="linear", text_mode="none", width=16, length=16, batch_size=64, max_steps=30, evaluate_every=10,
    min_item_users=3, validation_days=28, horizon_days=14, churn_horizon_days=28, warm_up_days=21, device="cpu",
)  # fmt: skip


def shop_events(seed: int = 0) -> pd.DataFrame:
    """Return purchases of users with three favourites each, a visit about every five days, some leavers."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(N_USERS):
        favourites = rng.choice(N_ITEMS, 3, replace=False)
        leaves = rng.integers(60, DAYS * 2)
        day, visit = float(rng.integers(0, 30)) + 0.5, 0
        while day < min(DAYS, leaves):
            chosen = {int(item) for item in favourites if rng.random() < 0.7}
            chosen.add(int(rng.integers(0, N_ITEMS) ** 2 // N_ITEMS))
            when, name, basket = START + pd.Timedelta(days=day), f"u{user:02d}", f"{user}-{visit}"
            rows += [(name, when, "purchase", f"i{item:02d}", 2.0 + item, 1.0, basket) for item in sorted(chosen)]
            if rng.random() < 0.1:
                rows.append((name, when + pd.Timedelta(hours=5), "mail", None, np.nan, np.nan, None))
            day, visit = day + float(rng.integers(2, 9)), visit + 1
    return pd.DataFrame(rows, columns=["user", "time", "event", "item", "value", "quantity", "session"])


def shop_items() -> pa.Table:
    """Return items whose text says what they are."""
    texts = [f"{WORDS[k % len(WORDS)]}, size {k // len(WORDS)}" for k in range(N_ITEMS)]
    return pa.table(
        {
            "item_id": [f"i{k:02d}" for k in range(N_ITEMS)],
            "text": texts,
            "category": [WORDS[k % len(WORDS)].split()[1] for k in range(N_ITEMS)],
        }
    )


def load(workspace: Workspace, events: pd.DataFrame) -> Workspace:
    """Load a log into a workspace as a sample would be."""
    table = pa.Table.from_pandas(events, preserve_index=False)
    bundle = LogBundle(
        source="shop", fingerprint="shop", config=CONFIG, events=lambda: iter([table]), items=shop_items(), users=None
    )
    import_bundle(workspace, bundle)
    return workspace


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return the shop's workspace; tests train in it but never load into it."""
    return load(Workspace(tmp_path_factory.mktemp("shop")), shop_events())
