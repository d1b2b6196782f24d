"""The churn horizon that was learnt from the log, with the curve it was read from."""

from __future__ import annotations

from pages.parts import fmt
from pages.parts.cards import Table, card, chart
from pages.parts.charts import flow as charts
from pages.parts.frame import View
from pages.parts.i18n import _, text
from ulm_core.lifecycle.horizon import ChurnHorizon, learn_churn_horizon


def ask(view: View) -> ChurnHorizon:
    """Return the horizon of the data."""
    data = view.data
    return data.remember("learn_churn_horizon", "", lambda: learn_churn_horizon(data.index, data.config))


def draw(view: View) -> None:
    """Draw the card."""
    horizon = ask(view)
    with card(
        _("Churn horizon, learnt from this data"),
        how=_(
            "A user's longest silence is the longest time between two neighbouring active events. The curve is the "
            "share of users whose longest silence exceeded so many days, that is, who came back after it. The horizon "
            "is the smallest whole number of weeks at which at most {share} did."
        ).format(share=fmt.percent(horizon.share, 0)),
    ):
        frame = horizon.to_arrow().to_pandas()
        chart(
            charts.horizon_curve(frame, days=horizon.days, share=horizon.share),
            alt=text(horizon.sentence()),
            key="horizon",
            table=Table(frame, "churn-horizon"),
        )
