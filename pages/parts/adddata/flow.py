"""Add data, from the choice of a source to the start of the load."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.parts import fmt, jobs
from pages.parts.adddata import columns, draft, rules, sources, tables
from pages.parts.adddata.draft import Draft, begin
from pages.parts.data import open_workspace
from pages.parts.guard import guarded, show_error
from pages.parts.i18n import N_, _, text
from ulm_core.errors import UlmError
from ulm_core.events.cleaning import CleaningRules
from ulm_core.events.mapping import ColumnMapping, require_complete
from ulm_core.events.presets import get_preset, list_presets, save_preset
from ulm_core.events.sources import ReadOptions, is_database
from ulm_core.warehouse.plans import LoadOptions
from ulm_core.warehouse.preview import Preview

MODES = {"append": N_("Add to what is loaded"), "replace": N_("Replace what is loaded")}
FORMATS = {
    "auto": N_("found out"), "csv": "CSV", "jsonl": "JSON lines", "json": "JSON", "parquet": "Parquet",
    "arrow": "Arrow", "xml": "XML",
}  # fmt: skip
SHOWN_ROWS = 100
RECOGNISE = FOUND_OUT = ""  # not None: Streamlit takes that for "nothing chosen yet"


def draw(*, has_data: bool) -> None:
    """Draw the step the reader is at: choosing a source, or checking what was chosen."""
    chosen = draft.current()
    if jobs.is_active(jobs.LOADS):
        st.info(_("A load is running; the next one can start when it is done."), icon=":material/hourglass_top:")
        return
    if chosen is None:
        with st.container(border=True, key="load_form"):
            sources.draw(has_data=has_data)
        return
    _review(chosen, has_data=has_data)


def _review(chosen: Draft, *, has_data: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(f":material/description: {chosen.label}", anchor=False, width="content")
        st.button(_("Choose something else"), icon=":material/arrow_back:", on_click=draft.drop, key="draft_drop")
    with st.container(border=True):
        layout = _layout(chosen)
    try:
        seen = draft.look(chosen, LoadOptions(preset=layout[0], read=layout[1], table=chosen.table))
    except UlmError as error:
        show_error(error)
        st.caption(_("Your choices are kept: change how the file is read above, or choose something else."))
        return
    chosen = chosen.with_layout(layout[0], tuple(guess.column for guess in seen.guesses))
    with st.container(border=True, key="draft_columns"):
        st.markdown(f"##### {_('1 · Which column is what')}")
        if layout[0] is None:
            _propose(chosen, seen)
        _say_what_is_seen(seen)
        mapping = columns.draw(chosen, seen)
    options = _options(chosen, layout, seen, mapping)
    ready = _live_preview(chosen, options)
    _finish(chosen, options, mapping, is_ready=ready, has_data=has_data)


def _layout(chosen: Draft) -> tuple[str | None, ReadOptions]:
    """Draw which preset is taken and how the file is written."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        known = list_presets(open_workspace())
        fitting = _fitting(chosen)
        names = [RECOGNISE, *fitting, *(name for name in known if name not in fitting)]
        preset = st.selectbox(
            _("Layout"),
            names,
            format_func=lambda name: (
                _("Recognise the columns")
                if name == RECOGNISE
                else (_("{title} · fits").format(title=known[name].title) if name in fitting else known[name].title)
            ),
            key=chosen.key("preset"),
            help=_("A preset knows the columns, cleaning and tables of a known source, or is one you saved."),
        )
        read = ReadOptions() if is_database(chosen.place) else _read_options(chosen)
    return preset or None, read


def _fitting(chosen: Draft) -> list[str]:
    try:
        return list(draft.look(chosen, LoadOptions(table=chosen.table)).presets)
    except UlmError:
        return []


def _read_options(chosen: Draft) -> ReadOptions:
    given: dict[str, Any] = {
        "format": st.selectbox(
            _("Format"), list(FORMATS), format_func=lambda name: _(FORMATS[name]), key=chosen.key("format"), width=150
        ),
        "encoding": st.selectbox(
            _("Encoding"),
            [FOUND_OUT, "utf-8", "utf-16", "gb18030", "big5", "cp1252", "iso-8859-15", "shift_jis", "euc-kr", "cp1251"],
            format_func=lambda name: name or _("found out"),
            key=chosen.key("encoding"),
            width=150,
        ),
        "delimiter": st.selectbox(
            _("Delimiter"),
            [FOUND_OUT, ",", ";", "\t", "|", "::"],
            format_func=lambda sign: {FOUND_OUT: _("found out"), "\t": "Tab"}.get(sign, sign),
            key=chosen.key("delimiter"),
            width=130,
        ),
    }
    header = st.selectbox(
        _("First line"),
        [FOUND_OUT, "names", "data"],
        format_func=lambda value: {FOUND_OUT: _("found out"), "names": _("column names"), "data": _("data")}[value],
        key=chosen.key("header"),
        width=150,
    )
    if header != FOUND_OUT:
        given["header"] = header == "names"
    unset = (FOUND_OUT, "auto")
    return ReadOptions.model_validate({name: value for name, value in given.items() if value not in unset})


def _say_what_is_seen(seen: Preview) -> None:
    words = [_("{n} columns").format(n=fmt.number(len(seen.guesses)))]
    if len(seen.files) > 1:
        words.append(_("{n} files, of which “{file}” is shown").format(n=fmt.number(len(seen.files)), file=seen.source))
    if seen.skipped:
        words.append(_("passed over: {files}").format(files=", ".join(seen.skipped[:5])))
    st.caption(" · ".join(words))
    if seen.problem is not None:
        st.warning(
            text(seen.problem),
            title=_("Not everything that is needed was recognised; choose it below"),
            icon=":material/help:",
        )


def _take(key: str, preset: str) -> None:
    st.session_state[key] = preset


def _propose(chosen: Draft, seen: Preview) -> None:
    """Offer a preset that the columns fit, while none is taken."""
    known = list_presets(open_workspace())
    for name in seen.presets[:2]:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                ":material/lightbulb: "
                + _("The columns are those of **{title}**. Its preset knows more: events, returns, tables.").format(
                    title=known[name].title
                ),
                width="content",
            )
            st.button(
                _("Use the preset"),
                key=f"use_{name}",
                on_click=_take,
                args=(chosen.key("preset"), name),
                type="secondary",
            )


def _options(
    chosen: Draft, layout: tuple[str | None, ReadOptions], seen: Preview, mapping: ColumnMapping
) -> LoadOptions:
    """Draw rules and tables; return everything as the options of a load."""
    preset = get_preset(layout[0], open_workspace()) if layout[0] else None
    start = preset.rules if preset else CleaningRules()
    with st.expander(_("2 · Cleaning rules"), icon=":material/cleaning_services:", key=chosen.key("rules_open")):
        edited = rules.draw(chosen, start)
    described: dict[str, Any] = {}
    label = _("3 · Describe users and items")
    with st.expander(label, icon=":material/group_add:", key=chosen.key("tables_open")), guarded():
        described = tables.draw(chosen)
    # What was not touched stays open: each file of a folder may then have a layout of its own.
    is_given = mapping != seen.mapping or seen.problem is not None
    return LoadOptions.model_validate(
        {
            "preset": layout[0],
            "read": layout[1],
            "table": chosen.table,
            "mapping": mapping if is_given else None,
            "rules": edited if edited != start else None,
            **described,
        }
    )


def _live_preview(chosen: Draft, options: LoadOptions) -> bool:
    """Draw what the first rows become; return whether they can be loaded."""
    with st.container(border=True, key="draft_preview"):
        st.markdown(f"##### {_('What the first rows become')}")
        plain = options.model_copy(update={"users": None, "items": None, "users_mapping": None, "items_mapping": None})
        try:
            seen = draft.look(chosen, plain)
        except UlmError as error:
            show_error(error)
            return False
        if seen.problem is not None:
            st.caption(":material/help: " + _("No events yet. {problem}").format(problem=text(seen.problem)))
            _rows(seen)
            return False
        as_events, as_rows = st.tabs([_("Events"), _("Rows as the source has them")])
        with as_events:
            _events(seen.events.slice(0, SHOWN_ROWS).to_pandas())
        with as_rows:
            _rows(seen)
        return True


def _rows(seen: Preview) -> None:
    rows = seen.raw.slice(0, SHOWN_ROWS).to_pandas()
    st.dataframe(rows, hide_index=True, height=280, alt=_("First rows of the source"))


def _events(events: pd.DataFrame) -> None:
    aside = events[events["reason"].notna()]
    good = len(events) - len(aside)
    if good == len(events):
        st.caption(":material/check_circle: " + _("All {n} rows looked at become events.").format(n=fmt.number(good)))
    else:
        reasons = aside["reason"].value_counts()
        st.caption(
            ":material/rule: "
            + _("{good} of {n} rows looked at become events; set aside: {reasons}.").format(
                good=fmt.number(good),
                n=fmt.number(len(events)),
                reasons=", ".join(f"{_(str(reason))} ({fmt.number(count)})" for reason, count in reasons.items()),
            )
        )
    shown = events.dropna(axis="columns", how="all").copy()
    if "reason" in shown:
        shown["reason"] = [_(reason) if isinstance(reason, str) else "" for reason in shown["reason"]]
        shown.insert(0, "reason", shown.pop("reason"))
    names = {
        "user_id": _("User"), "time": _("Time (UTC)"), "event": _("Event"), "item_id": _("Item"), "value": _("Value"),
        "quantity": _("Quantity"), "session_id": _("Session"), "properties": _("Properties"), "reason": _("Set aside"),
    }  # fmt: skip
    shown = shown.rename(columns=names)
    st.dataframe(
        shown,
        hide_index=True,
        height=280,
        alt=_("Events made of the first rows"),
        column_config={_("Time (UTC)"): st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss")},
    )


def _finish(chosen: Draft, options: LoadOptions, mapping: ColumnMapping, *, is_ready: bool, has_data: bool) -> None:
    """Draw the last row: keep the layout, add or replace, load."""
    with st.container(border=True, key="draft_finish"):
        with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
            mode = "replace"
            if has_data:
                mode = str(
                    st.segmented_control(
                        _("What to do with the data that is there"),
                        list(MODES),
                        format_func=lambda name: _(MODES[name]),
                        required=True,
                        key=begin(chosen.key("mode"), "append"),
                    )
                )
            with st.container(horizontal=True, width="content", vertical_alignment="bottom"):
                _save_as_preset(chosen, mapping, options, is_ready=is_ready)
                starts = st.button(
                    _("Load"), type="primary", icon=":material/play_arrow:", key="draft_load", disabled=not is_ready
                )
        st.caption(
            _("The same content a second time changes nothing; rows that are there already are counted once.")
            if mode == "append"
            else _("Everything loaded before goes, and comes back with undo, once.")
            if has_data
            else _("It runs in the background: leave the page if you like.")
        )
    if starts:
        parameters = {
            "path": chosen.place,
            "mode": mode,
            "options": options.model_dump(mode="json", exclude_defaults=True),
        }
        jobs.begin_load("load-file", parameters)


def _save_as_preset(chosen: Draft, mapping: ColumnMapping, options: LoadOptions, *, is_ready: bool) -> None:
    with st.popover(_("Save as preset"), icon=":material/bookmark_add:", disabled=not is_ready):
        name = st.text_input(
            _("Name"), key=chosen.key("preset_name"), placeholder="web-shop", help=_("Letters, digits, - and _.")
        )
        if st.button(_("Save"), type="primary", key="preset_save"):
            with guarded():
                require_complete(mapping, [])
                path = save_preset(open_workspace(), name.strip(), mapping, rules=options.rules, read=options.read)
                st.toast(_("Saved as “{name}”; it stands in the list of layouts.").format(name=path.stem))
                st.rerun()
