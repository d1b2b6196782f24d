"""The frame of every page: configuration, head, filters, states, footer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import streamlit as st

from pages.parts import data as data_module
from pages.parts import filters as filter_bar
from pages.parts import fmt, navigation, states, url
from pages.parts.data import Data
from pages.parts.filters import Choices, Filters
from pages.parts.guard import guarded
from pages.parts.i18n import LANGUAGE_KEY, LANGUAGES, _, language
from ulm_core import __version__
from ulm_core.errors import EmptyWorkspaceError
from ulm_core.lifecycle.filters import UserFilter
from ulm_core.warehouse.reports import attribute_values

PRODUCT = "ULM Studio"
ASSETS = Path(__file__).parents[2] / "static"
ALL_CONTROLS = ("period", "interval", "stage", "segment", "compare")


@dataclass(frozen=True)
class View:
    """What a page gets from the frame: the data, and what the reader asks of it."""

    name: str
    data: Data
    filters: Filters

    @property
    def users(self) -> UserFilter:
        """The filters on users, for the specs of `ulm_core`."""
        return UserFilter(stages=self.filters.stages, attributes=self.filters.attributes)

    @property
    def timezone(self) -> str:
        """Where days begin and end."""
        return self.data.config.timezone


def setup() -> None:
    """Draw what surrounds all pages; called by `app.py` before the navigation."""
    st.set_page_config(page_title=PRODUCT, page_icon=str(ASSETS / "icon.svg"), layout="wide")
    st.logo(str(ASSETS / "logo.svg"), size="large", icon_image=str(ASSETS / "icon.svg"))
    with st.sidebar:
        _language_control()


def _chose_language() -> None:
    st.session_state["_language"] = st.session_state["language_control"]
    url.put(LANGUAGE_KEY, st.session_state["language_control"])


def _language_control() -> None:
    st.session_state["language_control"] = language()
    st.segmented_control(
        _("Language"),
        list(LANGUAGES),
        format_func=LANGUAGES.__getitem__,
        key="language_control",
        required=True,
        on_change=_chose_language,
        label_visibility="collapsed",
    )


def _head(info: navigation.PageInfo, sample: str | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(_(info.title), anchor=False, width="content")
        if sample:
            st.badge(_("Sample data: {name}").format(name=sample), icon=":material/science:", color="violet")
    st.caption(_(info.question))


def _choices(data: Data) -> Choices:
    zone = ZoneInfo(data.config.timezone)
    first, last = (
        moment.replace(tzinfo=moment.tzinfo or ZoneInfo("UTC")).astimezone(zone).date()
        for moment in (data.summary.first_at, data.summary.as_of)
    )
    attributes = data_module.ask(data, attribute_values, call=lambda: attribute_values(data.snapshot))
    return Choices(first, last, attributes)


def _filters(data: Data, controls: Sequence[str]) -> Filters:
    choices = _choices(data)
    filters = filter_bar.read(choices)
    if controls:
        filter_bar.draw(filters, choices, controls)
        bad = filter_bar.unknown_values(choices)
        if bad:
            st.caption(
                ":material/info: "
                + _("The link asks for something this data does not have, left out: {words}").format(
                    words=", ".join(bad)
                )
            )
    return filters


def _footer(data: Data | None) -> None:
    parts = []
    if data is not None:
        summary = data.summary
        parts = [
            _("Data {period}").format(period=fmt.day_range(summary.first_at, summary.as_of)),
            _("loaded {when}").format(when=fmt.moment(summary.loads[0].loaded_at if summary.loads else None)),
            _("{n} events").format(n=fmt.number(summary.rows)),
            _("time zone {zone}").format(zone=data.config.timezone),
        ]
    st.space("small")
    st.caption(" · ".join([*parts, f"{PRODUCT} {__version__}"]))


def _open(info: navigation.PageInfo) -> Data | None:
    try:
        return data_module.open_data()
    except EmptyWorkspaceError:
        return None


@contextmanager
def begin_page(name: str, *, controls: Sequence[str] = (), needs_data: bool = True) -> Iterator[View]:
    """Draw everything around the content of a page and hand it what the reader asks.

    Parameters
    ----------
    name
        The page, a key of `navigation.PAGES`.
    controls
        Which parts of the filter bar the page answers to, from `ALL_CONTROLS`.
    needs_data
        False for pages that have something to say about an empty workspace; they check `view.data`.
    """
    navigation.ensure_declared(name)
    url.keep(name)
    info = navigation.PAGES[name]
    st.set_page_config(page_title=f"{_(info.title)} · {PRODUCT}", page_icon=str(ASSETS / "icon.svg"), layout="wide")
    data: Data | None = None
    with guarded():
        data = _open(info)
    _head(info, data.config.name if data is not None and data.config.sample else None)
    if data is None:
        if needs_data:
            states.draw_empty_workspace()
            _footer(None)
            st.stop()
    ...
    yield View(name, data, _filters(data, controls))  # type: ignore[arg-type]
    _footer(data)
