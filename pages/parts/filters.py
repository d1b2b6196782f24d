"""The filter bar: period, interval, stage, segment, compare; read from the URL, one row on every page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta

import streamlit as st

from pages.parts import fmt, url
from pages.parts.i18n import N_, _, term, text
from ulm_core.errors import InputError
from ulm_core.lifecycle.cohorts.model import read_rule
from ulm_core.lifecycle.cohorts.sentences import describe
from ulm_core.lifecycle.cohorts.store import is_inline

PERIODS = {"all": N_("All"), "30d": N_("30 days"), "90d": N_("90 days"), "custom": N_("Custom")}
PERIOD_DAYS = {"30d": 30, "90d": 90}
INTERVALS = {"day": N_("Day"), "week": N_("Week"), "month": N_("Month")}
DEFAULT_PERIOD = "90d"
DEFAULT_INTERVAL = {"all": "week", "30d": "day", "90d": "week", "custom": "week"}
SEPARATOR = ":"
SAMPLE = 10  # one user in so many, when a sample is asked for
COMPARED = {
    "": N_("Nothing"),
    "previous": N_("The period before"),
    "year": N_("The same period last year"),
    "custom": N_("Another period"),
}


@dataclass(frozen=True)
class Filters:
    """What the reader asks for. `start` and `end` are calendar days of the workspace, both included."""

    period: str
    start: date
    end: date
    interval: str
    stages: tuple[str, ...] = ()
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    cohorts: tuple[str, ...] = ()
    one_in: int | None = None
    compare: str = ""
    compare_from: date | None = None
    match_weekday: bool = True

    @property
    def n_active(self) -> int:
        """How many filters narrow the users."""
        return (1 if self.stages else 0) + len(self.attributes) + len(self.cohorts) + (1 if self.one_in else 0)

    @property
    def days(self) -> int:
        """Length of the period."""
        return (self.end - self.start).days + 1

    @property
    def compared_start(self) -> date:
        """First day of the range to compare with: as long as the period, by default on the same days of the week."""
        if self.compare == "custom" and self.compare_from is not None:
            return self.compare_from
        if self.compare == "year":
            return self.start - timedelta(days=364) if self.match_weekday else _year_before(self.start)
        weeks = -(-self.days // 7)
        # Without "compare" the figures are held against the days just before, as ever.
        return self.start - timedelta(days=7 * weeks if self.compare and self.match_weekday else self.days)

    @property
    def people(self) -> str:
        """What narrows the users, spelled out for cache keys."""
        return (
            f"stages={self.stages} attributes={sorted(self.attributes.items())} cohorts={self.cohorts} 1/{self.one_in}"
        )

    @property
    def slug(self) -> str:
        """The filters as a part of a file name."""
        words = [self.start.isoformat(), self.end.isoformat(), self.interval, *self.stages]
        words += [f"{name}-{'-'.join(values)}" for name, values in self.attributes.items()]
        words += [f"sample-1-in-{self.one_in}"] if self.one_in else []
        words += [_("list") if is_inline(name) else name for name in self.cohorts]
        return "_".join(words).replace(" ", "-").replace("/", "-").lower()


@dataclass(frozen=True)
class Choices:
    """What can be chosen: first and last day of the data, user attributes with their values, stages, cohorts."""

    first: date
    last: date
    attributes: dict[str, list[str]] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    cohorts: tuple[str, ...] = ()


def _year_before(day: date) -> date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:  # 29 February
        return day.replace(year=day.year - 1, day=28)


def _parse_day(text: str | None, fallback: date) -> date:
    try:
        return date.fromisoformat(text) if text else fallback
    except ValueError:
        return fallback


def read_period(period: str, start: str | None, end: str | None, choices: Choices) -> tuple[date, date]:
    """Return first and last day of a period; always inside the data, never empty.

    Parameters
    ----------
    period
        One of `PERIODS`; "30d" means the last 30 days of the data, not of the calendar.
    start, end
        ISO dates of a custom period; unreadable ones fall back to the data's own bounds.
    """
    if period in PERIOD_DAYS:
        return max(choices.first, choices.last - timedelta(days=PERIOD_DAYS[period] - 1)), choices.last
    if period != "custom":
        return choices.first, choices.last
    low, high = _parse_day(start, choices.first), _parse_day(end, choices.last)
    low, high = min(low, high), max(low, high)
    low, high = max(low, choices.first), min(high, choices.last)
    return (low, high) if low <= high else (choices.first, choices.last)


def read_compare(word: str | None) -> str:
    """Return what the period is compared with; "1" is how older links say "previous"."""
    asked = "previous" if word == "1" else word or ""
    return asked if asked in COMPARED else ""


def read_attributes(pairs: Sequence[str], known: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Return the chosen values by attribute; unknown names and values are left out."""
    chosen: dict[str, list[str]] = {}
    for pair in pairs:
        name, found, value = pair.partition(SEPARATOR)
        if found and value in known.get(name, ()):
            chosen.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in chosen.items()}


def _is_cohort(word: str, choices: Choices) -> bool:
    """Whether a word of the URL is a saved cohort, or a rule written out (a click on a chart makes one)."""
    if not is_inline(word):
        return word in choices.cohorts
    with suppress(InputError):
        read_rule(word)
        return True
    return False


def unknown_values(choices: Choices) -> list[str]:
    """Return the words of the URL that mean nothing here; the page names them instead of failing."""
    known_segments = {f"{name}{SEPARATOR}{value}" for name, values in choices.attributes.items() for value in values}
    bad = [word for word in url.get_all("stage") if word not in choices.stages]
    bad += [word for word in url.get_all("segment") if word not in known_segments]
    bad += [word for word in url.get_all("cohort") if not _is_cohort(word, choices)]
    for key, allowed in (("period", PERIODS), ("interval", INTERVALS)):
        word = url.get(key)
        if word is not None and word not in allowed:
            bad.append(word)
    return bad


def read(choices: Choices) -> Filters:
    """Return the filters in the URL, each falling back to its default when it is not valid."""
    asked = url.get("period", DEFAULT_PERIOD)
    period = asked if asked in PERIODS else DEFAULT_PERIOD
    start, end = read_period(period, url.get("from"), url.get("to"), choices)
    interval = url.get("interval")
    return Filters(
        period=period,
        start=start,
        end=end,
        interval=interval if interval in INTERVALS else DEFAULT_INTERVAL[period],
        stages=tuple(stage for stage in choices.stages if stage in url.get_all("stage")),
        attributes=read_attributes(url.get_all("segment"), choices.attributes),
        cohorts=tuple(name for name in dict.fromkeys(url.get_all("cohort")) if _is_cohort(name, choices)),
        one_in=SAMPLE if url.get("sample") == str(SAMPLE) else None,
        compare=read_compare(url.get("compare")),
        compare_from=_parse_day(url.get("compare_from"), start - timedelta(days=(end - start).days + 1)),
        match_weekday=url.get("match") != "0",
    )


def _changed_period() -> None:
    period = st.session_state["filter_period"]
    url.put("period", None if period == DEFAULT_PERIOD else period)
    if period != "custom":
        url.put("from", None)
        url.put("to", None)


def _changed_dates() -> None:
    chosen = st.session_state["filter_dates"]
    if len(chosen) == 2:
        url.put("from", chosen[0].isoformat())
        url.put("to", chosen[1].isoformat())


def _changed_interval() -> None:
    url.put("interval", st.session_state["filter_interval"])


def _changed_stages() -> None:
    url.put("stage", st.session_state["filter_stages"])


def _changed_segment(name: str, key: str) -> None:
    others = [pair for pair in url.get_all("segment") if not pair.startswith(name + SEPARATOR)]
    url.put("segment", others + [f"{name}{SEPARATOR}{value}" for value in st.session_state[key]])


def _changed_cohorts() -> None:
    inline = [word for word in url.get_all("cohort") if is_inline(word)]
    url.put("cohort", [*st.session_state["filter_cohorts"], *inline])


def add_cohort(word: str) -> None:
    """Narrow every page to a saved cohort, or to the users of a rule in JSON."""
    url.put("cohort", [*(kept for kept in url.get_all("cohort") if kept != word), word])


def _changed_sample() -> None:
    url.put("sample", str(SAMPLE) if st.session_state["filter_sample"] else None)


def _drop_sample() -> None:
    url.put("sample", None)


def _changed_compare() -> None:
    url.put("compare", st.session_state["filter_compare"] or None)
    if st.session_state["filter_compare"] != "custom":
        url.put("compare_from", None)


def _changed_compare_from() -> None:
    url.put("compare_from", st.session_state["filter_compare_from"].isoformat())


def _changed_match() -> None:
    url.put("match", None if st.session_state["filter_match"] else "0")


def reset() -> None:
    """Drop every filter."""
    for key in url.KEPT:
        if key != "lang":
            url.put(key, None)


def _period_controls(filters: Filters, choices: Choices) -> None:
    st.session_state["filter_period"] = filters.period
    st.segmented_control(
        _("Period"),
        list(PERIODS),
        format_func=lambda period: _(PERIODS[period]),
        key="filter_period",
        required=True,
        on_change=_changed_period,
        help=_("Counted back from the last day of the data ({day}), not from today.").format(day=fmt.day(choices.last)),
    )
    if filters.period == "custom":
        st.session_state["filter_dates"] = (filters.start, filters.end)
        st.date_input(
            _("From – to"),
            min_value=choices.first,
            max_value=choices.last,
            key="filter_dates",
            on_change=_changed_dates,
            format="YYYY-MM-DD",
            width=230,
        )


def _interval_control(filters: Filters) -> None:
    st.session_state["filter_interval"] = filters.interval
    st.segmented_control(
        _("Interval"),
        list(INTERVALS),
        format_func=lambda interval: _(INTERVALS[interval]),
        key="filter_interval",
        required=True,
        on_change=_changed_interval,
        help=_("Calendar days, weeks or months in the time zone of the workspace."),
    )


def _stage_control(filters: Filters, choices: Choices) -> None:
    label = _("Stage") + (f" · {len(filters.stages)}" if filters.stages else "")
    with st.popover(label, icon=":material/autorenew:", key="filter_stage_box"):
        st.session_state["filter_stages"] = list(filters.stages)
        st.pills(
            _("Stage at the end of the data"),
            choices.stages,
            selection_mode="multi",
            format_func=term,
            key="filter_stages",
            on_change=_changed_stages,
        )


def _segment_control(filters: Filters, choices: Choices) -> None:
    label = _("Segment") + (f" · {len(filters.attributes)}" if filters.attributes else "")
    with st.popover(
        label, icon=":material/groups:", disabled=not choices.attributes, key="filter_segment_box", width="content"
    ):
        st.caption(_("Users whose attribute has one of the chosen values. Users without it are left out."))
        for name, values in choices.attributes.items():
            key = f"filter_segment_{name}"
            st.session_state[key] = list(filters.attributes.get(name, ()))
            st.multiselect(
                name.replace("_", " ").capitalize(),
                values,
                key=key,
                placeholder=_("Any"),
                on_change=_changed_segment,
                args=(name, key),
            )


def _cohort_control(filters: Filters, choices: Choices) -> None:
    label = _("Cohorts") + (f" · {len(filters.cohorts)}" if filters.cohorts else "")
    with st.popover(label, icon=":material/group_work:", key="filter_cohort_box", width="content"):
        if choices.cohorts:
            st.session_state["filter_cohorts"] = [name for name in filters.cohorts if not is_inline(name)]
            st.multiselect(
                _("Users who belong to every chosen cohort at the end of the period"),
                choices.cohorts,
                key="filter_cohorts",
                placeholder=_("Any"),
                on_change=_changed_cohorts,
            )
        else:
            st.caption(_("No cohort is saved yet."))
        st.session_state["filter_sample"] = filters.one_in is not None
        st.toggle(
            _("Only one user in {n} (a sample)").format(n=SAMPLE),
            key="filter_sample",
            on_change=_changed_sample,
            help=_("For a quick look at a very large log. The same users every time, by a hash of the id; numbers are "
                   "those of the sample and are not scaled up."),
        )  # fmt: skip


def _compare_control(filters: Filters) -> None:
    label = _("Compare") + (" · ✓" if filters.compare else "")
    with st.popover(label, icon=":material/compare_arrows:", key="filter_compare_box", width="content"):
        st.session_state["filter_compare"] = filters.compare
        spelled = {word: _(title) for word, title in COMPARED.items()}
        st.radio(
            _("Compare with"),
            list(COMPARED),
            format_func=spelled.__getitem__,
            key="filter_compare",
            on_change=_changed_compare,
        )
        if filters.compare == "custom":
            st.session_state["filter_compare_from"] = filters.compare_from
            st.date_input(
                _("Beginning on"), key="filter_compare_from", format="YYYY-MM-DD", on_change=_changed_compare_from
            )
        elif filters.compare:
            st.session_state["filter_match"] = filters.match_weekday
            st.toggle(
                _("Match the days of the week"),
                key="filter_match",
                on_change=_changed_match,
                help=_("Moves the range by whole weeks, so that weekends stand against weekends."),
            )
        if filters.compare:
            end = filters.compared_start + timedelta(days=filters.days - 1)
            st.caption(_("Against {period}").format(period=fmt.day_range(filters.compared_start, end)))


def draw(filters: Filters, choices: Choices, controls: Sequence[str]) -> None:
    """Draw the row of controls that this page answers to."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="filter_bar"):
        if "period" in controls:
            _period_controls(filters, choices)
        if "interval" in controls:
            _interval_control(filters)
        if "stage" in controls:
            _stage_control(filters, choices)
        if "segment" in controls:
            _segment_control(filters, choices)
            _cohort_control(filters, choices)
        if "compare" in controls:
            _compare_control(filters)


def _drop_stage(stage: str) -> None:
    url.put("stage", [kept for kept in url.get_all("stage") if kept != stage])


def _drop_segment(name: str) -> None:
    url.put("segment", [kept for kept in url.get_all("segment") if not kept.startswith(name + SEPARATOR)])


def _drop_cohort(name: str) -> None:
    url.put("cohort", [kept for kept in url.get_all("cohort") if kept != name])


def cohort_title(word: str) -> str:
    """Return the name of a saved cohort, or what a rule says."""
    return text(describe(read_rule(word))) if is_inline(word) else word


def draw_chips(filters: Filters, n_users: int, n_all: int) -> None:
    """Draw what narrows the users, each removable, with the count they leave."""
    if not filters.n_active:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="filter_chips"):
        for stage in filters.stages:
            st.button(
                _("Stage: {stage}").format(stage=term(stage)),
                icon=":material/close:",
                key=f"chip_stage_{stage}",
                on_click=_drop_stage,
                args=(stage,),
            )
        for name, values in filters.attributes.items():
            st.button(
                f"{name.replace('_', ' ')}: {', '.join(values)}",
                icon=":material/close:",
                key=f"chip_segment_{name}",
                on_click=_drop_segment,
                args=(name,),
            )
        for number, name in enumerate(filters.cohorts):
            st.button(
                _("Cohort: {name}").format(name=cohort_title(name)),
                icon=":material/close:",
                key=f"chip_cohort_{number}",
                on_click=_drop_cohort,
                args=(name,),
            )
        if filters.one_in:
            st.button(
                _("Sample: 1 user in {n}").format(n=filters.one_in),
                icon=":material/close:",
                key="chip_sample",
                on_click=_drop_sample,
            )
            st.badge(_("Not all users"), icon=":material/blur_on:", color="orange")
        st.button(_("Reset"), type="tertiary", icon=":material/restart_alt:", key="chip_reset", on_click=reset)
        st.caption(
            _("Filters: {k} · {n} of {all} users").format(
                k=filters.n_active, n=fmt.number(n_users), all=fmt.number(n_all)
            )
        )
