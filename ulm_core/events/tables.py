"""What the columns of a users or items file mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

Target = Literal["users", "items"]


class TableMapping(BaseModel):
    """Columns of a file that describes users or items; every other column becomes an attribute.

    Attributes
    ----------
    id
        The user's or item's id, as the log writes it.
    signed_up_at, consent
        Of users: when they joined; whether they agreed to be processed (yes/no, true/false, 1/0).
    text, category, price, tags, image_path
        Of items. Tags are split at ``|``, ``;`` or ``,``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    signed_up_at: str | None = None
    consent: str | None = None
    text: str | None = None
    category: str | None = None
    price: str | None = None
    tags: str | None = None
    image_path: str | None = None
    whole_ids: bool = False
    attributes: bool = True


_NAMES: dict[Target, dict[str, str]] = {
    "users": {
        "id": r"(user|customer|visitor|member|client|account|household|person|distinct)?_?(id|key)|user|customer|uid",
        "signed_up_at": r"(sign(ed)?_?up|regist(ered|ration)|join(ed)?|created|creation)_?(at|date|time|on)?|"
        r"member_?since",
        "consent": r"(marketing_?|gdpr_?)?consent(ed)?|opt_?in",
    },
    "items": {
        "id": r"(item|product|movie|article|video|content|song|book)?_?(id|code)|item|sku|(parent_)?asin|stock_?code",
        "text": r"text|title|name|description|(prod(uct)?|item|movie)_?(name|title)|detail_desc",
        "category": r"(product_?|item_?|main_?)?(category|department|class|type|group)(_?(name|code|id))?|aisle",
        "price": r"(unit_?|list_?)?price|cost",
        "tags": r"tags?|genres?|keywords?",
        "image_path": r"image(_?(path|url|file))?|picture|img",
    },
}


def suggest_table_mapping(columns: Iterable[str], target: Target) -> TableMapping | None:
    """Return which column plays which role in a users or items file, None where no column looks like an id."""
    names = list(columns)
    found: dict[str, str] = {}
    for role, pattern in _NAMES[target].items():
        for name in names:
            plain = re.sub(r"[\s-]+", "_", name.strip().lower().lstrip("\ufeff"))
            if name not in found.values() and re.fullmatch(pattern, plain):
                found[role] = name
                break
    return TableMapping.model_validate(found) if "id" in found else None
