"""The frame of every page: configuration, head, filters, states, footer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.parts import asked, fmt, navigation, notes, saved_views, states, url
from pages.parts import data as data_module
from pages.parts import filters as filter_bar
from pages.parts.data import Data
from pages.parts.filters import Choices, Filters
from pages.parts.guard import guarded
from pages.parts.i18n import LANGUAGE_KEY, LANGUAGES, _, language
from pages.parts.palette import use_own_colors
from ulm_core import __version__
from ulm_core.alerts.check import Alerts
from ulm_core.errors import EmptyWorkspaceError
from ulm_core.lifecycle.cohorts.store import Cohorts
from ulm_core.lifecycle.filters import UserFilter, filter_mask
from ulm_core.lifecycle.periods import local_to_us
from ulm_core.lifecycle.results import Spec, UserMask
from ulm_core.timeline.index import TimelineIndex
from ulm_core.warehouse.reports import attribute_values
from ulm_core.workspace import WorkspaceConfig

R = TypeVar("R")
S = TypeVar("S", bound=Spec)
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
    def timezone(self) -> str:
        """Where days begin and end."""
        return self.data.config.timezone

    @property
    def range_us(self) -> tuple[int, int]:
        """The period as UTC microseconds, half-open."""
        return self.day_us(self.filters.start), self.day_us(self.filters.end + timedelta(days=1))

    @property
    def previous_us(self) -> tuple[int, int]:
        """The range to compare with, of the same length: by default the days just before."""
        first, last = self.previous_days
        return self.day_us(first), self.day_us(last + timedelta(days=1))

    def day_us(self, day: date) -> int:
        """Return when a calendar day of the workspace begins (UTC microseconds)."""
        return local_to_us(datetime.combine(day, time()), self.timezone)

    @property
    def previous_days(self) -> tuple[date, date]:
        """First and last day of the range to compare with."""
        start = self.filters.compared_start
        return start, start + timedelta(days=self.filters.days - 1)

    @property
    def mask(self) -> UserMask | None:
        """The users the filters let through, or None for everyone; stages as of the end of the period."""
        filters = self.filters
        wanted = UserFilter(
            stages=filters.stages, attributes=filters.attributes, cohorts=filters.cohorts, one_in=filters.one_in
        )
        data, at_us = self.data, self.range_us[1]
        return data.remember(
            "filter_mask",
            f"{wanted.model_dump_json()}@{at_us} {self.people}",
            lambda: filter_mask(data.index, data.config, wanted, at_us, data.snapshot),
        )

    @property
    def people(self) -> str:
        """Which users are looked at, spelled out for cache keys."""
        dated = self.filters.stages or self.filters.cohorts
        stamp = Cohorts(self.data.workspace).stamp() if self.filters.cohorts else ""
        return f"{self.filters.people}@{self.range_us[1] if dated else ''} {stamp}"

    def ask(self, compute: Callable[[TimelineIndex, WorkspaceConfig, S], R], spec: S, by: str = "") -> R:
        """Return an analysis of the filtered users, computed once for everybody who asks the same.

        Parameters
        ----------
        compute
            ``compute_…`` of `ulm_core.lifecycle`.
        spec
            Its spec; the user mask of the filters is filled in here.
        by
            What stands behind the spec's values per user (groups of a breakdown), spelled out for the cache.
        """
        data = self.data
        question = f"{spec.model_dump_json(exclude={'users', 'labels', 'sign_ups'})} {by} {self.people}"
        masked = spec.model_copy(update={"users": self.mask})
        name = f"{compute.__module__}.{compute.__qualname__}"
        n_users = data.index.n_users if masked.users is None else int(masked.users.sum())
        asked.note(asked.Question(name, spec, data.index.manifest.n_events, n_users))
        return data.remember(name, question, lambda: compute(data.index, data.config, masked))


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


def _head(info: navigation.PageInfo, sample: str | None) -> DeltaGenerator:
    """Draw title and question; return the place for controls beside the title."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(_(info.title), anchor=False, width="content")
        beside = st.container(horizontal=True, vertical_alignment="center", width="content", key="head_controls")
        if sample:
            beside.badge(_("Sample data: {name}").format(name=sample), icon=":material/science:", color="violet")
    st.caption(_(info.question))
    return beside


def _head_controls(beside: DeltaGenerator, page: str, filters: Filters | None) -> None:
    speaking = Alerts(data_module.open_workspace()).speaking()
    with beside:
        if speaking:
            label = _("Alerts: {n}").format(n=len(speaking))
            navigation.link("alerts", label, icon=":material/notifications_active:")
        if filters is not None:
            notes.control(filters.start, filters.end)
        saved_views.control(page)


def _choices(data: Data) -> Choices:
    first, last = data.local_days
    attributes = data.remember("attribute_values", "", lambda: attribute_values(data.snapshot))
    return Choices(first, last, attributes, data.rules.stages, tuple(Cohorts(data.workspace).names()))


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


@st.cache_resource(show_spinner=False)
def _warm_up() -> None:
    """Import what explanations need, once a process, after the first page is on the screen."""
    from ulm_core.explain.shapley import warm_up

    warm_up()


def _footer(data: Data | None) -> None:
    parts = []
    if data is not None:
        summary = data.summary
        parts = [
            _("Data {period}").format(period=fmt.day_range(*data.local_days)),
            _("loaded {when}").format(when=fmt.moment(summary.loads[0].loaded_at if summary.loads else None)),
            _("{n} events").format(n=fmt.number(summary.rows)),
            _("time zone {zone}").format(zone=data.config.timezone),
        ]
    st.space("small")
    st.caption(" · ".join([*parts, f"{PRODUCT} {__version__}"]))
    _warm_up()


def _open() -> Data | None:
    try:
        return data_module.open_data()
    except EmptyWorkspaceError:
        return None


def _begin(name: str) -> navigation.PageInfo:
    info = navigation.PAGES[name]
    # First, because without an icon of our own Streamlit fetches the page's from the network.
    st.set_page_config(page_title=f"{_(info.title)} · {PRODUCT}", page_icon=str(ASSETS / "icon.svg"), layout="wide")
    navigation.ensure_declared(name)
    url.keep(name)
    asked.clear()
    return info


@contextmanager
def begin_page(name: str, *, controls: Sequence[str] = ()) -> Iterator[View]:
    """Draw everything around the content of a page and hand it what the reader asks.

    On an empty workspace the page ends here, with the one action that helps.

    Parameters
    ----------
    name
        The page, a key of `navigation.PAGES`.
    controls
        Which parts of the filter bar the page answers to, from `ALL_CONTROLS`.
    """
    info = _begin(name)
    data: Data | None = None
    with guarded():
        data = _open()
        beside = _head(info, data.sample if data else None)
        if data is not None:
            use_own_colors(data.rules.colors)
        if data is None:
            states.draw_empty_workspace(name)
        else:
            filters = _filters(data, controls)
            _head_controls(beside, name, filters if "period" in controls else None)
            view = View(name, data, filters)
            if controls:
                _chips(view)
    if data is None:
        _footer(None)
        st.stop()
    with guarded():
        yield view
    _footer(data)


@contextmanager
def begin_admin_page(name: str) -> Iterator[Data | None]:
    """Draw the frame of a page that has something to say about an empty workspace too."""
    info = _begin(name)
    data: Data | None = None
    with guarded():
        data = _open()
        _head(info, data.sample if data else None)
    with guarded():
        yield data
    _footer(data)


def _chips(view: View) -> None:
    if not view.filters.n_active:
        return
    mask = view.mask
    n_all = view.data.index.n_users
    n_users = n_all if mask is None else int(mask.sum())
    filter_bar.draw_chips(view.filters, n_users, n_all)
    if n_users == 0:
        states.draw_filtered_out()
        st.stop()
