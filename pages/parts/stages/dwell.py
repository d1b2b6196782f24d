"""How long users stay in a stage, and where they go from there."""

from __future__ import annotations

import math
from functools import partial

import pandas as pd
import streamlit as st

from pages.parts import fmt
from pages.parts.cards import Table, card, chart
from pages.parts.charts import survival as charts
from pages.parts.charts.stages import stage_label
from pages.parts.frame import View
from pages.parts.i18n import _, term
from pages.parts.states import TOO_FEW_USERS, draw_nothing
from pages.parts.users_list import list_button
from ulm_core.lifecycle.dwell import Dwell, DwellSpec, compute_dwell
from ulm_core.lifecycle.kaplan_meier import Curve

WIDTHS = (1.5, 1, 1.3, 1.8, 2.6, 1.3, 1.3)


def median_text(curve: Curve) -> str:
    """Return the median stay in words, with its interval."""
    if curve.n_users < TOO_FEW_USERS:
        return _("too few stays")
    if math.isinf(curve.median_days):
        return _("not reached")
    return _("{n} days").format(n=fmt.number(curve.median_days)) + f" ({_bounds(curve)})"


def _bounds(curve: Curve) -> str:
    low, high = ("∞" if math.isinf(days) else fmt.number(days) for days in (curve.median_lower, curve.median_upper))
    return f"{low} – {high}"


def next_text(dwell: Dwell, stage: str, most: int = 3) -> str:
    """Return where users went from a stage, the most frequent first."""
    row = dwell.next_counts[dwell.rules.code(stage)]
    total = int(row.sum())
    if not total:
        return fmt.MISSING
    pairs = sorted(zip(row.tolist(), dwell.stages, strict=True), key=lambda pair: -pair[0])[:most]
    return _(", ").join(f"{term(name)} {fmt.percent(n / total, 0)}" for n, name in pairs if n)


def takeaway(dwell: Dwell) -> str:
    """Return the stages that hold users longest and shortest, by median stay."""
    known = [c for c in dwell.curves if math.isfinite(c.median_days) and c.n_users >= TOO_FEW_USERS]
    if len(known) < 2:
        return _("Too few stays have ended to compare stages.")
    known.sort(key=lambda curve: curve.median_days)
    return _("Half of all stays in “{short}” end within {few} days, in “{long}” within {many}.").format(
        short=term(known[0].group),
        few=fmt.number(known[0].median_days),
        long=term(known[-1].group),
        many=fmt.number(known[-1].median_days),
    )


def _draw_rows(view: View, dwell: Dwell) -> None:
    heads = (
        _("Stage"),
        _("Stays"),
        _("Users"),
        _("Median stay (95%)"),
        _("Then they are"),
        _("Left"),
        _("Still in it"),
    )
    for column, head in zip(st.columns(WIDTHS), heads, strict=True):
        column.caption(head)
    for curve in dwell.curves:
        stage = curve.group
        cells = st.columns(WIDTHS, vertical_alignment="center")
        cells[0].markdown(f"**{stage_label(stage)}**")
        cells[1].markdown(fmt.number(curve.n_users))
        cells[3].markdown(median_text(curve))
        cells[4].markdown(next_text(dwell, stage))
        for place, which, title in (
            (2, "entered", _("Entered “{stage}”")),
            (5, "left", _("Left “{stage}”")),
            (6, "staying", _("Still in “{stage}”")),
        ):
            codes = partial(dwell.users, (stage, which))
            n = len(codes())
            with cells[place]:
                list_button(
                    view.data, n, title.format(stage=term(stage)), f"dwell_{which}_{stage}", codes, label=fmt.number(n)
                )


def draw(view: View) -> None:
    """Draw the card."""
    low, high = view.range_us
    dwell = view.ask(compute_dwell, DwellSpec(from_us=low, to_us=high))
    with card(
        _("Time in a stage"),
        how=_(
            "Stays that began in the chosen period, followed to its end; those still going on then are censored. "
            "Stages are looked at once a day, at its end, so a shorter visit is not seen. Curves are Kaplan-Meier"
            " estimates over stays with 95% Greenwood intervals; several stays of one user count as independent. "
            "The number of users counts each once."
        ),
    ):
        shown = {c.group: c for c in dwell.curves if c.n_users >= TOO_FEW_USERS}
        if not shown:
            draw_nothing(_("No stage was entered by enough users in this period. Choose a longer one."))
            return
        frame = dwell.to_pandas().rename(columns={"stage": "group"})
        curves = {name: frame[frame["group"] == name] for name in shown}
        chart(
            charts.survival_curves(
                curves, origin=_("days since entering the stage"), unit=_("share still in the stage")
            ),
            alt=takeaway(dwell),
            key="dwell",
            table=Table(pd.concat(curves.values()), f"time-in-stage_{view.filters.slug}"),
        )
        _draw_rows(view, dwell)
