"""The ground truth beside a simulated log: users, items, campaigns and every count a load can be checked by."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ulm_core.events.simulator.chunks import OUTCOMES, Chunk, delivery_of, dirty_counts, user_table, user_truth
from ulm_core.events.simulator.config import SimulatorConfig
from ulm_core.events.simulator.lives import attack_start
from ulm_core.events.simulator.records import CLEAN, EVENTS, FAKE_KINDS
from ulm_core.events.simulator.shop import Shop
from ulm_core.events.simulator.words import CHANNEL_HAZARD, CHANNEL_RESPONSE, CHANNELS
from ulm_core.workspace import write_atomically

TRUTH_FORMAT = 1

# The reason under which a load must quarantine each kind of broken row. A duplicate is a whole row written
# twice: it is no broken row, a load counts it apart.
DIRTY_REASONS = {
    "missing user": "no user",
    "missing time": "no time",
    "missing event": "no event",
    "unreadable time": "unreadable time",
    "implausible time": "implausible time",
    "unreadable value": "unreadable value",
}


class Counts:
    """Sums over the chunks; a few numbers, whatever the length of the log."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.rows = 0
        self.events: Counter[str] = Counter()
        self.dirty: Counter[str] = Counter()
        self.fakes: Counter[str] = Counter()
        self.late_rows = 0
        self.rows_in_later_delivery = 0
        self.users_seen = 0
        self.outcome = np.zeros((config.campaigns, 2, len(OUTCOMES)))

    def add(self, chunk: Chunk) -> None:
        """Count one chunk."""
        rows = chunk.rows
        clean = rows[rows["dirty"] == CLEAN]
        self.rows += len(rows)
        self.events.update(dict(zip(EVENTS, np.bincount(clean["event"], minlength=len(EVENTS)).tolist(), strict=True)))
        self.dirty.update(dirty_counts(rows))
        kinds = np.bincount(chunk.people["fake"], minlength=len(FAKE_KINDS)).tolist()
        self.fakes.update(dict(zip(FAKE_KINDS[1:], kinds[1:], strict=True)))
        self.late_rows += int(np.count_nonzero(clean["arrival"] > clean["time"]))
        moved = delivery_of(self.config, clean["arrival"]) > delivery_of(self.config, clean["time"])
        self.rows_in_later_delivery += int(np.count_nonzero(moved))
        self.users_seen += int(np.count_nonzero(chunk.people["rows"]))
        self.outcome += chunk.outcome


class TruthWriter:
    """Writes the tables of users while the log is generated, everything else at the end."""

    def __init__(self, config: SimulatorConfig, shop: Shop, directory: Path) -> None:
        self.config, self.shop, self.directory = config, shop, directory
        (directory / "truth").mkdir(parents=True, exist_ok=True)
        self._users: pq.ParquetWriter | None = None
        self._truth: pq.ParquetWriter | None = None

    def add(self, chunk: Chunk) -> None:
        """Write the users of one chunk."""
        known, truth = user_table(self.config, chunk), user_truth(self.config, self.shop, chunk)
        if self._users is None or self._truth is None:
            self._users = pq.ParquetWriter(self.directory / "users.parquet", known.schema, compression="zstd")
            self._truth = pq.ParquetWriter(self.directory / "truth/users.parquet", truth.schema, compression="zstd")
        self._users.write_table(known)
        self._truth.write_table(truth)

    def finish(self, counts: Counts) -> None:
        """Write items, campaigns and `truth.json`; the last one says that the folder is complete."""
        for writer in (self._users, self._truth):
            if writer is not None:
                writer.close()
        pq.write_table(self.shop.items, self.directory / "items.parquet")
        pq.write_table(self.shop.items_truth, self.directory / "truth/items.parquet")
        pq.write_table(campaign_table(self.config, self.shop, counts), self.directory / "truth/campaigns.parquet")
        write_atomically(
            self.directory / "truth/truth.json", json.dumps(truth_json(self.config, self.shop, counts), indent=2)
        )


def campaign_table(config: SimulatorConfig, shop: Shop, counts: Counts) -> pa.Table:
    """Return one row a campaign and state of the audience at launch (living, lapsed).

    `uplift` is the true effect on "bought in the window" averaged over the audience, both potential outcomes
    known; `extra_purchases` the mean chance of the extra purchase.
    """
    rows = []
    for number, name in enumerate(shop.campaign_names):
        for lapsed, state in enumerate(("living", "lapsed")):
            n, treated, y0, y1, chance = counts.outcome[number, lapsed]
            rows.append(
                {
                    "campaign": name, "state": state, "launched_at": int(shop.world.campaigns["at"][number]),
                    "window_days": config.campaign_window_days, "lift": float(shop.world.campaigns["lift"][number]),
                    "users": int(n), "treated": int(treated), "converted_without": y0 / n if n else None,
                    "converted_with": y1 / n if n else None, "uplift": (y1 - y0) / n if n else None,
                    "extra_purchases": chance / n if n else None,
                }
            )  # fmt: skip
    schema = pa.schema(
        [("campaign", pa.string()), ("state", pa.string()), ("launched_at", pa.timestamp("us")),
         ("window_days", pa.int64()), ("lift", pa.float64()), ("users", pa.int64()), ("treated", pa.int64()),
         ("converted_without", pa.float64()), ("converted_with", pa.float64()), ("uplift", pa.float64()),
         ("extra_purchases", pa.float64())]
    )  # fmt: skip
    return pa.Table.from_pylist(rows, schema)


def truth_json(config: SimulatorConfig, shop: Shop, counts: Counts) -> dict[str, object]:
    """Return every parameter and count of a finished simulation as plain values."""
    return {
        "format": TRUTH_FORMAT,
        "config": config.model_dump(mode="json"),
        "rows": counts.rows,
        "rows_clean": counts.rows - sum(counts.dirty.values()),
        "rows_by_event": dict(counts.events),
        "dirty_rows": dict(counts.dirty),
        "quarantine": {reason: counts.dirty[kind] for kind, reason in DIRTY_REASONS.items()},
        "duplicates": counts.dirty["duplicate"],
        "late_rows": counts.late_rows,
        "rows_in_later_delivery": counts.rows_in_later_delivery,
        "users": config.users,
        "users_with_rows": counts.users_seen,
        "fake_users": dict(counts.fakes),
        "shilling_targets": [shop.item_ids[item] for item in shop.world.targets],
        "shilling_starts_us": int(attack_start(shop.world)),
        "channel_hazard_ratio": dict(zip(CHANNELS, [r**config.channel_effect for r in CHANNEL_HAZARD], strict=True)),
        "channel_response": dict(zip(CHANNELS, CHANNEL_RESPONSE, strict=True)),
    }
