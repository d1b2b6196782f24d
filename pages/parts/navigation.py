"""The list of pages, grouped by task, and how one page links to another."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.navigation.page import Page

from pages.parts import url
from pages.parts.i18n import N_, _


@dataclass(frozen=True)
class PageInfo:
    """What the navigation and the head of a page show."""

    name: str
    group: str
    title: str
    question: str
    icon: str

    @property
    def path(self) -> str:
        """The script, relative to `app.py`."""
        return f"pages/{self.name}.py"


PAGES = {
    page.name: page
    for page in (
        PageInfo(
            "overview",
            N_("Understand"),
            N_("Overview"),
            N_("How many users are with us, and what changed?"),
            ":material/dashboard:",
        ),
        PageInfo(
            "lifecycle",
            N_("Understand"),
            N_("Lifecycle"),
            N_("Which stage is everyone in, and where do they move?"),
            ":material/autorenew:",
        ),
        PageInfo(
            "stages",
            N_("Understand"),
            N_("Stages"),
            N_("How do users flow through your stages, and what comes next?"),
            ":material/schema:",
        ),
        PageInfo(
            "funnel",
            N_("Understand"),
            N_("Funnel"),
            N_("Where do users drop out on the way to a goal?"),
            ":material/filter_alt:",
        ),
        PageInfo(
            "retention",
            N_("Understand"),
            N_("Retention"),
            N_("Who comes back, and how long after the start?"),
            ":material/event_repeat:",
        ),
        PageInfo(
            "engagement",
            N_("Understand"),
            N_("Engagement"),
            N_("How often do people come, and how long do they stay?"),
            ":material/monitoring:",
        ),
        PageInfo(
            "paths",
            N_("Understand"),
            N_("Paths"),
            N_("What do people do before and after an event?"),
            ":material/alt_route:",
        ),
        PageInfo(
            "churn",
            N_("Understand"),
            N_("Churn"),
            N_("How long do users stay, and who is about to leave?"),
            ":material/trending_down:",
        ),
        PageInfo(
            "value",
            N_("Understand"),
            N_("Lifetime value"),
            N_("What will customers buy and be worth, and how sure is that?"),
            ":material/payments:",
        ),
        PageInfo(
            "cohorts",
            N_("Act"),
            N_("Cohorts"),
            N_("Which groups of users do we follow, and how large are they?"),
            ":material/group_work:",
        ),
        PageInfo(
            "alerts",
            N_("Act"),
            N_("Alerts"),
            N_("Which numbers left their bounds at the last load?"),
            ":material/notifications:",
        ),
        PageInfo(
            "user",
            N_("Act"),
            N_("User"),
            N_("Who is this user, what should we recommend, and why?"),
            ":material/person_search:",
        ),
        PageInfo(
            "training",
            N_("Models"),
            N_("Training"),
            N_("Does a fine-tuned model beat what it would replace?"),
            ":material/model_training:",
        ),
        PageInfo(
            "sql",
            N_("Admin"),
            N_("SQL"),
            N_("What do the tables say, asked in your own words?"),
            ":material/terminal:",
        ),
        PageInfo(
            "data",
            N_("Admin"),
            N_("Data"),
            N_("What is loaded, how fresh is it, and what was left out?"),
            ":material/database:",
        ),
    )
}
DEFAULT_PAGE = "overview"
_DECLARED = "_navigation_declared"


def declare() -> Page:
    """Declare the pages in the session's language and return the one to run."""
    sections: dict[str, list[Page]] = {}
    for info in PAGES.values():
        page = st.Page(
            info.path,
            title=_(info.title),
            icon=info.icon,
            help=_(info.question),
            default=info.name == DEFAULT_PAGE,
        )
        sections.setdefault(_(info.group), []).append(page)
    st.session_state[_DECLARED] = True
    return st.navigation(sections, expanded=True)


def ensure_declared(name: str) -> None:
    """Send a page that runs on its own through `app.py`.

    A folder called `pages` makes Streamlit serve each file alone until `st.navigation` was called once
    in the process: the first deep link to a fresh server arrives here without `app.py` having run.
    """
    if st.session_state.pop(_DECLARED, False):
        return
    parameters = {key: url.get_all(key) for key in st.query_params}
    declare()
    st.session_state.pop(_DECLARED)
    st.switch_page(PAGES[name].path, query_params=parameters)


def link(name: str, label: str, *, icon: str | None = None, **parameters: str) -> None:
    """Draw a link to a page that keeps the shared filters and adds `parameters`."""
    kept = {key: url.get_all(key) for key in url.KEPT if key in st.query_params}
    st.page_link(PAGES[name].path, label=label, icon=icon, query_params={**kept, **parameters})


def go(name: str, **parameters: str) -> None:
    """Move to a page, keeping the shared filters."""
    kept: dict[str, str | list[str]] = {key: url.get_all(key) for key in url.KEPT if key in st.query_params}
    st.switch_page(PAGES[name].path, query_params={**kept, **parameters})
