"""Which column plays which role, how sure that is, how moments are written; everything can be corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any
from zoneinfo import available_timezones

import streamlit as st
from pydantic import ValidationError

from pages.parts import fmt
from pages.parts.adddata.draft import Draft, begin
from pages.parts.i18n import N_, _, text
from ulm_core.errors import InputError
from ulm_core.events.columns import Columns
from ulm_core.events.mapping import EVERYTHING_ELSE, ColumnMapping
from ulm_core.events.recognise import Guess
from ulm_core.warehouse.plans import CONFIDENT
from ulm_core.warehouse.preview import Preview

ROLES = {
    Columns.USER: (N_("User"), N_("Who did it. Needed.")),
    Columns.TIME: (N_("Time"), N_("When it happened. Needed.")),
    Columns.EVENT: (N_("Event"), N_("What happened: view, purchase … Needed, or give every row one name.")),
    Columns.ITEM: (N_("Item"), N_("With what: a product, a film, an article.")),
    Columns.VALUE: (N_("Value"), N_("Money or rating of the event.")),
    Columns.QUANTITY: (N_("Quantity"), N_("Pieces; a negative number is a return.")),
    Columns.SESSION: (N_("Session"), N_("Visit, order or invoice that events belong to.")),
}
NEEDED = {Columns.USER, Columns.TIME, Columns.EVENT}
DESCRIBING = {
    Columns.ITEM_TEXT: N_("Text of the item"),
    Columns.ITEM_CATEGORY: N_("Category"),
    Columns.ITEM_PRICE: N_("Price"),
    Columns.ITEM_ATTRIBUTES: N_("Attributes"),
}
TIME_KINDS = {
    "auto": N_("ISO 8601 or Unix time, found out"),
    "day_first": N_("Day first: 31/12/2024"),
    "month_first": N_("Month first: 12/31/2024"),
    "epoch_s": N_("Unix time in seconds"),
    "epoch_ms": N_("Unix time in milliseconds"),
    "epoch_us": N_("Unix time in microseconds"),
    "relative_days": N_("Days since a day of your choice"),
    "pattern": N_("A pattern of your own"),
}
SURE, LIKELY = 0.9, CONFIDENT
EXAMPLES = 3
NO_COLUMN = ""  # not None: Streamlit takes that for "nothing chosen yet"
FIRST_ZONES = ("UTC", "Europe/London", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Shanghai")


def confidence_words(confidence: float) -> tuple[str, str]:
    """Return how sure a guess is, in a word, and the colour of its badge."""
    if confidence >= SURE:
        return _("sure"), "green"
    return (_("likely"), "blue") if confidence >= LIKELY else (_("a guess, check it"), "orange")


def draw(draft: Draft, seen: Preview) -> ColumnMapping:
    """Draw the roles of a source and return the mapping as it was edited.

    Raises
    ------
    InputError
        When what was typed cannot be a mapping.
    """
    guesses = {guess.column: guess for guess in seen.guesses}
    start = sure_mapping(seen)
    changes: dict[str, Any] = {}
    with st.grid(4, min_column_width=220, gap="small") as grid:
        for role, (label, meaning) in ROLES.items():
            with grid.cell(), st.container(border=True, height="stretch"):
                changes[role] = _role(draft, start, guesses, role, f"{_(label)}{' *' if role in NEEDED else ''}",
                                      _(meaning))  # fmt: skip
                if role == Columns.EVENT:
                    changes |= _event_name(draft, start, has_column=bool(changes[role]))
                if role == Columns.VALUE and changes[role]:
                    changes["value_is"] = _value_is(draft, start)
        with grid.cell(), st.container(border=True, height="stretch"):
            changes[Columns.PROPERTIES] = _properties(draft, start, guesses)
    changes |= _moments(draft, start)
    with st.expander(_("More about columns"), icon=":material/tune:"):
        changes |= _wide(draft, start, guesses)
        changes |= _describing(draft, start, guesses)
        comma = begin(draft.column_key("decimal_comma"), start.decimal_comma)
        changes["decimal_comma"] = st.toggle(_("Numbers are written 1.234,50"), key=comma)
    return _checked(start, changes)


def sure_mapping(seen: Preview) -> ColumnMapping:
    """Return the mapping of a preview without roles that are only a guess: those are for the reader to give."""
    if seen.problem is None:
        return seen.mapping
    unsure = {guess.role for guess in seen.guesses if guess.role in ROLES and guess.confidence < LIKELY}
    return seen.mapping.model_copy(update={str(role): () for role in unsure})


def _checked(mapping: ColumnMapping, changes: Mapping[str, Any]) -> ColumnMapping:
    try:
        return ColumnMapping.model_validate({**mapping.model_dump(), **changes})
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise InputError(N_("This cannot be used: {reason}."), reason=reason) from error


def _known(references: Sequence[str], columns: Mapping[str, Guess]) -> list[str]:
    """Return the references a source has; DuckDB compares column names without case."""
    lowered = {name.lower(): name for name in columns}
    return [lowered[reference.lower()] for reference in references if reference.lower() in lowered]


def _role(
    draft: Draft, mapping: ColumnMapping, guesses: Mapping[str, Guess], role: str, label: str, meaning: str
) -> tuple[str, ...]:
    references = mapping.references(role)
    known = _known(references, guesses)
    perhaps = next((guess for guess in guesses.values() if guess.role == role and guess.confidence < LIKELY), None)
    chosen = st.selectbox(
        label,
        [NO_COLUMN, *guesses],
        format_func=lambda name: name or _("(no column)"),
        key=begin(draft.column_key(role), known[0] if known else NO_COLUMN),
        help=meaning,
    )
    if chosen == NO_COLUMN:
        if perhaps is not None and perhaps.confidence > 0:
            word = _("perhaps {column} · {sure}").format(
                column=_plain(perhaps.column), sure=fmt.percent(perhaps.confidence, 0)
            )
            st.badge(word, color="orange", help=text(perhaps.why))
        st.caption(meaning)
        return ()
    _confidence(guesses[chosen], role, is_given=bool(known) and chosen == known[0])
    is_kept = known and chosen == known[0]
    if is_kept and len(known) > 1:
        st.caption(_("else: {columns}").format(columns=", ".join(f"`{name}`" for name in known[1:])))
    return references if is_kept else (chosen,)


def _confidence(guess: Guess, role: str, *, is_given: bool) -> None:
    """Say how sure the role of a column is, and show what stands in it."""
    if guess.role == role:
        word, color = confidence_words(guess.confidence)
        st.badge(f"{word} · {fmt.percent(guess.confidence, 0)}", color=color, help=text(guess.why))  # type: ignore[arg-type]
    else:
        st.badge(_("by the preset") if is_given else _("your choice"), color="gray")
    if guess.examples:
        shown = " · ".join(example[:24] for example in guess.examples[:EXAMPLES])
        st.caption(_("e.g. {examples}").format(examples=_plain(shown)))


def _plain(words: str) -> str:
    """Return text of a file with nothing in it that Markdown would read."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()#+!|<>$~:" else sign for sign in words)


def _event_name(draft: Draft, mapping: ColumnMapping, *, has_column: bool) -> dict[str, Any]:
    if has_column or st.session_state.get(draft.column_key("wide")):
        return {"event_name": mapping.event_name}
    name = st.text_input(
        _("Name of every event"),
        placeholder=_("purchase"),
        key=begin(draft.column_key("event_name"), mapping.event_name or ""),
    )
    return {"event_name": name.strip() or None}


def _value_is(draft: Draft, mapping: ColumnMapping) -> str:
    words = {"amount": N_("amount"), "unit price": N_("unit price")}
    return str(
        st.segmented_control(
            _("The value is the"),
            list(words),
            format_func=lambda name: _(words[name]),
            required=True,
            key=begin(draft.column_key("value_is"), mapping.value_is),
            help=_("A unit price is multiplied by the quantity."),
        )
    )


def _properties(draft: Draft, mapping: ColumnMapping, guesses: Mapping[str, Guess]) -> tuple[str, ...]:
    everything = EVERYTHING_ELSE in mapping.properties
    chosen = st.multiselect(
        _("Properties"),
        [EVERYTHING_ELSE, *guesses],
        format_func=lambda name: _("every other column") if name == EVERYTHING_ELSE else name,
        placeholder=_("none"),
        key=begin(
            draft.column_key("properties"),
            [EVERYTHING_ELSE] if everything else _known(mapping.properties, guesses),
        ),
        help=_("Kept beside each event, for conditions and breakdowns."),
    )
    st.caption(_("Kept beside each event, for conditions and breakdowns."))
    return tuple(chosen)


def _moments(draft: Draft, mapping: ColumnMapping) -> dict[str, Any]:
    """Draw how moments are written."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.selectbox(
            _("How times are written"),
            list(TIME_KINDS),
            format_func=lambda name: _(TIME_KINDS[name]),
            key=begin(draft.column_key("time_kind"), mapping.time_kind),
        )
        found: dict[str, Any] = {"time_kind": kind}
        if kind == "pattern":
            found["time_pattern"] = st.text_input(
                _("Pattern (as in strptime)"),
                key=begin(draft.column_key("time_pattern"), mapping.time_pattern or "%d.%m.%Y %H:%M"),
            )
        if kind == "relative_days":
            origin = begin(draft.column_key("origin"), mapping.origin.date())
            day = st.date_input(_("Day 0 (UTC)"), key=origin, format="YYYY-MM-DD")
            found["origin"] = datetime.combine(day, time())
        zones = list(dict.fromkeys((mapping.timezone, *FIRST_ZONES, *sorted(available_timezones()))))
        found["timezone"] = st.selectbox(
            _("Time zone of times without one"),
            zones,
            key=begin(draft.column_key("timezone"), mapping.timezone),
            help=_("What is stored is UTC."),
        )
    return found


def _wide(draft: Draft, mapping: ColumnMapping, guesses: Mapping[str, Guess]) -> dict[str, Any]:
    """Draw the choice for logs with one column per kind of event."""
    columns = st.multiselect(
        _("Columns that are each one kind of event"),
        list(guesses),
        placeholder=_("none"),
        key=begin(draft.column_key("wide"), _known(list(mapping.wide), guesses)),
        help=_("For logs like `user, time, viewed, bought` with a mark in the column of what happened."),
    )
    if not columns:
        return {"wide": {}}
    kinds = {"flag": N_("a mark or a count"), "time": N_("the moment of the event")}
    kind = st.segmented_control(
        _("They hold"),
        list(kinds),
        format_func=lambda name: _(kinds[name]),
        required=True,
        key=begin(draft.column_key("wide_kind"), mapping.wide_kind),
    )
    names = {}
    with st.grid(4, min_column_width=160, gap="small"):
        for column in columns:
            label = _("Event in {column}").format(column=_plain(column))
            key = begin(draft.column_key(f"wide_{column}"), mapping.wide.get(column, column))
            given = st.text_input(label, key=key)
            names[column] = given.strip() or column
    return {"wide": names, "wide_kind": str(kind)}


def _describing(draft: Draft, mapping: ColumnMapping, guesses: Mapping[str, Guess]) -> dict[str, Any]:
    """Draw the choice of columns that describe the item of a row."""
    found = {}
    with st.grid(4, min_column_width=180, gap="small"):
        for role, label in DESCRIBING.items():
            found[role] = tuple(
                st.multiselect(
                    _(label),
                    list(guesses),
                    placeholder=_("none"),
                    key=begin(draft.column_key(role), _known(mapping.references(role), guesses)),
                    help=_("Columns of the log that describe the item of a row; they fill the item table."),
                )
            )
    return found
