"""Churn: how long users stay, what goes with leaving, and who is at risk of it."""

from __future__ import annotations

from pages.parts import churn_curves, churn_drivers, churn_risks, leaving
from pages.parts.controls import choose
from pages.parts.frame import begin_page
from pages.parts.i18n import N_, _

CONTROLS = ("stage", "segment")
TABS = {"curves": N_("Curves"), "drivers": N_("Drivers"), "risk": N_("Risk")}

with begin_page("churn", controls=CONTROLS) as view:
    tab = choose("tab", _("View"), TABS, "curves")
    if tab == "curves":
        churn_curves.draw(view)
    elif tab == "drivers":
        churn_drivers.draw(view)
    else:
        churn_risks.draw(view)
        leaving.draw(view)
