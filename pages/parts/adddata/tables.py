"""Files that describe users and items, added to a load or to the log that is there."""

from __future__ import annotations

import streamlit as st

from pages.parts.adddata import uploads
from pages.parts.adddata.columns import NO_COLUMN
from pages.parts.adddata.draft import Draft, begin
from pages.parts.i18n import N_, _
from ulm_core.events.tables import TableMapping, Target
from ulm_core.warehouse.preview import TablePreview, preview_table

TARGETS: dict[Target, str] = {"users": N_("Users"), "items": N_("Items")}
FIELDS: dict[Target, dict[str, str]] = {
    "users": {"id": N_("Id"), "signed_up_at": N_("Sign-up time"), "consent": N_("Consent")},
    "items": {
        "id": N_("Id"),
        "text": N_("Text of the item"),
        "category": N_("Category"),
        "price": N_("Price"),
        "tags": N_("Tags"),
        "image_path": N_("Image path"),
    },
}


def draw(draft: Draft) -> dict[str, object]:
    """Draw both choices and return them as fields of `LoadOptions`."""
    st.caption(
        _(
            "Optional. One row per user or item; joined to the log by id, and the report names the ids that do not "
            "match. Columns without a field of their own become attributes."
        )
    )
    found: dict[str, object] = {}
    for column, target in zip(st.columns(2, gap="medium"), TARGETS, strict=True):
        with column:
            found |= _table(draft, target)
    return found


def _table(draft: Draft, target: Target) -> dict[str, object]:
    st.markdown(f"**{_(TARGETS[target])}**")
    place = st.text_input(
        _("Path or address of the file"), key=draft.key(f"{target}_place"), placeholder=f"/data/{target}.csv"
    ).strip()
    uploaded = st.file_uploader(
        _("… or upload it"), type=uploads.SUFFIXES, key=f"upload_{target}_{draft.number}", label_visibility="visible"
    )
    memory = f"_{target}_file_{draft.number}"
    new = uploads.fresh(uploaded, f"{memory}_seen")
    if new is not None:
        st.session_state[memory] = str(uploads.save_upload(new))
    if uploaded is not None:
        place = str(st.session_state.get(memory, place))
    if not place:
        return {}
    seen = preview_table(place, target)
    mapping = _mapping(draft, target, seen)
    return {} if mapping is None else {target: place, f"{target}_mapping": mapping}


def _mapping(draft: Draft, target: Target, seen: TablePreview) -> TableMapping | None:
    """Draw the fields of a table and return what they mean."""
    chosen: dict[str, str] = {}
    guessed = seen.mapping
    with st.grid(2, min_column_width=140, gap="small"):
        for field, label in FIELDS[target].items():
            guess = getattr(guessed, field, None) if guessed else None
            column = st.selectbox(
                _(label),
                [NO_COLUMN, *seen.columns],
                format_func=lambda name: name or _("(no column)"),
                key=begin(draft.key(f"{target}_{field}_{seen.source}"), guess if guess in seen.columns else NO_COLUMN),
            )
            if column != NO_COLUMN:
                chosen[field] = column
    if "id" not in chosen:
        st.warning(_("Choose the column with the id; until then this file is left out."), icon=":material/key:")
        return None
    others = [name for name in seen.columns if name not in chosen.values()]
    st.caption(_("Attributes: {columns}").format(columns=", ".join(f"`{name}`" for name in others[:12]) or _("none")))
    return TableMapping.model_validate(chosen)
