"""The shop: its items and their texts, the seasons, the campaigns; fixed by the configuration alone."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from ulm_core.events.simulator.config import SimulatorConfig
from ulm_core.events.simulator.words import (
    BRANDS,
    CATEGORIES,
    CHANNEL_HAZARD,
    CHANNEL_RESPONSE,
    CHANNEL_SHARE,
    COMMON_BRANDS,
    STYLES,
)
from ulm_core.moments import DAY_US, HOUR_US

EARLY_DAYS = 60  # who signed up before the log did so at most this long before
_NEVER = -(2**62)


ITEM = np.dtype([("cluster", "i8"), ("launched", "i8"), ("price", "f8"), ("quality", "f8")])
CHANNEL = np.dtype([("cumulative", "f8"), ("hazard", "f8"), ("response", "f8")])
CAMPAIGN = np.dtype([("at", "i8"), ("lift", "f8")])


def _records(dtype: np.dtype[Any], *columns: Any) -> np.ndarray:
    """Return a structured array from its columns, in the order of the fields."""
    made = np.empty(len(columns[0]), dtype)
    for name, column in zip(dtype.names or (), columns, strict=True):
        made[name] = column
    return made


class World(NamedTuple):
    """What the kernels read. `rates` is one record of numbers, the rest are arrays."""

    rates: Any  # record: see `_rates`
    cell_start: Any  # int64[clusters * categories + 1], items are sorted by (cluster, category)
    cell_cumulative: Any  # float64[items], running popularity inside a cell
    category_cumulative: Any  # float64[clusters, categories]
    items: Any  # ITEM[items]: cluster, launched (microseconds), price, quality (0 to 1)
    season: Any  # float64[hours from EARLY_DAYS before the log], mean about 1
    channels: Any  # CHANNEL[channels]
    campaigns: Any  # CAMPAIGN[campaigns]: at (microseconds), lift
    targets: Any  # int64[targets], items promoted by shilling


@dataclass(frozen=True)
class Shop:
    """The world of the kernels with the tables people read."""

    world: World
    item_ids: tuple[str, ...]
    items: pa.Table  # item_id, text, category, price, brand, launched_on
    items_truth: pa.Table  # item_id, cluster, quality, popularity, launched_at, is_promoted
    campaign_names: tuple[str, ...]
    queries: tuple[str, ...]  # [cluster * categories + category]


def build_shop(config: SimulatorConfig) -> Shop:
    """Return the shop of a configuration; its randomness is of the catalogue only, not of users."""
    random = np.random.Generator(np.random.Philox(key=config.seed))
    category_share = _category_share(config, random)
    cluster, category = _cells(config, random, category_share)
    start, cumulative, popularity = _popularity(config, cluster, category)
    launched = _launches(config, random, start)
    price = np.round(random.lognormal(np.log(8 + 6 * category), 0.5), 2).clip(0.5)
    quality = random.beta(4, 2, config.items)
    targets = np.lexsort((popularity, launched))[: min(config.shilling_targets, config.items)].astype(np.int64)
    at, lift, names = _campaigns(config)
    world = World(
        _rates(config), start, cumulative, np.cumsum(category_share, axis=1),
        _records(ITEM, cluster, launched, price, quality), _season(config),
        _records(CHANNEL, np.cumsum(CHANNEL_SHARE), np.power(CHANNEL_HAZARD, config.channel_effect), CHANNEL_RESPONSE),
        _records(CAMPAIGN, at, lift), targets,
    )  # fmt: skip
    # Ids are shuffled, or they would give the cluster away.
    width = max(5, len(str(config.items)))
    ids = tuple(f"i{number:0{width}d}" for number in random.permutation(config.items) + 1)
    items = _item_table(config, random, ids, world, category)
    truth = _truth_table(ids, world, popularity)
    return Shop(world, ids, items, truth, names, _queries(config))


def _category_share(config: SimulatorConfig, random: np.random.Generator) -> np.ndarray:
    """Return [clusters, categories]: what each taste looks for."""
    return random.dirichlet(np.full(config.categories, 1.2), config.clusters)


def _cells(config: SimulatorConfig, random: np.random.Generator, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cluster and category of every item, sorted; every cell has one item at least."""
    cells = config.clusters * config.categories
    chance = (share / config.clusters).ravel()
    cell = np.concatenate([np.arange(cells), random.choice(cells, config.items - cells, p=chance / chance.sum())])
    cell.sort()
    return (cell // config.categories).astype(np.int64), (cell % config.categories).astype(np.int64)


def _popularity(
    config: SimulatorConfig, cluster: np.ndarray, category: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cell offsets, running shares inside each cell, and the shares (Zipf by position in the cell)."""
    cell = cluster * config.categories + category
    start = np.searchsorted(cell, np.arange(config.clusters * config.categories + 1)).astype(np.int64)
    rank = np.arange(config.items) - start[cell] + 1
    weight = rank.astype(float) ** -config.popularity_exponent
    share = weight / np.add.reduceat(weight, start[:-1])[cell]
    running = np.cumsum(share) - cell  # every cell before adds exactly one
    running[start[1:] - 1] = 1.0
    return start, running, share


def _launches(config: SimulatorConfig, random: np.random.Generator, start: np.ndarray) -> np.ndarray:
    """Return when each item enters the shop; the first of a cell was always there."""
    launched = np.full(config.items, _NEVER, np.int64)
    new = random.random(config.items) < config.new_item_share
    new[start[:-1]] = False
    days = random.integers(0, config.days, config.items)
    launched[new] = config.start_us + days[new] * DAY_US
    return launched


def _season(config: SimulatorConfig) -> np.ndarray:
    """Return the factor on session rates for every hour, from `EARLY_DAYS` before the log to its end."""
    hours = np.arange((EARLY_DAYS + config.days) * 24)
    first = config.start - dt.timedelta(days=EARLY_DAYS)
    day = hours // 24
    weekday = (first.weekday() + day) % 7
    of_year = (first.timetuple().tm_yday - 1 + day) % 365.25
    turn = 2 * math.pi
    return np.asarray(
        (1 + config.daily_season * np.cos(turn * (hours % 24 - 19) / 24))
        * (1 + config.weekly_season * np.cos(turn * (weekday - 5) / 7))
        * (1 + config.yearly_season * np.cos(turn * (of_year - 334) / 365.25))
    )


def _campaigns(config: SimulatorConfig) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return launch moments (09:00), lifts and names; with four or more the last is a placebo."""
    number = np.arange(config.campaigns)
    day = (config.days * (number + 1)) // (config.campaigns + 1)
    at = config.start_us + day * DAY_US + 9 * HOUR_US
    lift = config.campaign_lift * np.array([0.5, 1.0, 1.5])[number % 3]
    if config.campaigns >= 4:
        lift[-1] = 0.0
    return at.astype(np.int64), lift.astype(float), tuple(f"campaign-{n + 1:02d}" for n in number)


def _rates(config: SimulatorConfig) -> Any:
    """Return the numbers the kernels read as one record: config fields by their names, times in microseconds."""
    values: dict[str, float | int] = {
        name: value
        for name, value in config.model_dump().items()
        if isinstance(value, int | float) and name not in {"seed", "chunk_rows", "part_rows", "delivery_days"}
    }
    values |= {"start": config.start_us, "end": config.end_us, "season_start": config.start_us - EARLY_DAYS * DAY_US}
    values["season_max"] = float(_season(config).max())
    kinds = [(name, "i8" if isinstance(value, int) else "f8") for name, value in values.items()]
    return np.array([tuple(values.values())], dtype=np.dtype(kinds))[0]


def _queries(config: SimulatorConfig) -> tuple[str, ...]:
    """Return what a user of a taste types when looking for a category."""
    return tuple(
        f"{STYLES[cluster][category % len(STYLES[cluster])]} {CATEGORIES[category][0]}"
        for cluster in range(config.clusters)
        for category in range(config.categories)
    )


def _item_text(random: np.random.Generator, cluster: int, category: int) -> tuple[str, str]:
    """Return the text of an item and its brand: two adjectives of its taste, what it is, category, brand."""
    first, second = random.choice(len(STYLES[cluster]), 2, replace=False)
    name, nouns = CATEGORIES[category]
    brands = BRANDS[cluster] if random.random() < 0.6 else COMMON_BRANDS
    brand = brands[int(random.integers(len(brands)))]
    noun = nouns[int(random.integers(len(nouns)))]
    return f"{STYLES[cluster][first]} {STYLES[cluster][second]} {noun}, {name}, {brand}", brand


def _item_table(
    config: SimulatorConfig, random: np.random.Generator, ids: tuple[str, ...], world: World, category: np.ndarray
) -> pa.Table:
    written = [_item_text(random, int(c), int(k)) for c, k in zip(world.items["cluster"], category, strict=True)]
    opened = np.maximum(world.items["launched"], config.start_us - EARLY_DAYS * DAY_US)
    return pa.table(
        {
            "item_id": pa.array(ids),
            "text": pa.array([text for text, _ in written]),
            "category": pa.array([CATEGORIES[k][0] for k in category]),
            "price": pa.array(world.items["price"]),
            "brand": pa.array([brand for _, brand in written]),
            "launched_on": pa.array(opened, pa.timestamp("us")).cast(pa.date32(), safe=False),
        }
    )


def _truth_table(ids: tuple[str, ...], world: World, popularity: np.ndarray) -> pa.Table:
    always = world.items["launched"] == _NEVER
    return pa.table(
        {
            "item_id": pa.array(ids),
            "cluster": pa.array(world.items["cluster"]),
            "quality": pa.array(world.items["quality"]),
            "popularity_in_cell": pa.array(popularity),
            "launched_at": pa.array(world.items["launched"], pa.timestamp("us"), mask=always),
            "is_promoted": pa.array(np.isin(np.arange(len(ids)), world.targets)),
        }
    )
