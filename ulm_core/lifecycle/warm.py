"""Compiling the kernels ahead of the first question.

Numba compiles a kernel at its first call (seconds each) and keeps the machine code beside the source.
Asking every question once, after a load or at the start of the product, moves that wait out of the first
visit of a page; with warm caches it costs less than a second on the sample.
"""

from __future__ import annotations

import time

import numpy as np

from ulm_core.lifecycle.active_users import ActiveUsersSpec, compute_active_users
from ulm_core.lifecycle.activity import ActivitySpec, compute_activity
from ulm_core.lifecycle.at_risk import AtRiskSpec, compute_at_risk
from ulm_core.lifecycle.behaviour import BEHAVIOURS, behaviour_at
from ulm_core.lifecycle.cohorts.evaluate import Log, cohort_mask
from ulm_core.lifecycle.cohorts.model import Behaviour, Clause
from ulm_core.lifecycle.dwell import DwellSpec, compute_dwell
from ulm_core.lifecycle.figures import FiguresSpec, compute_figures
from ulm_core.lifecycle.funnel import FunnelSpec, compute_funnel
from ulm_core.lifecycle.overview import OverviewSpec, compute_overview
from ulm_core.lifecycle.retention import RetentionSpec, compute_retention
from ulm_core.lifecycle.rules import workspace_rules
from ulm_core.lifecycle.sessions import SessionsSpec, compute_sessions, learn_session_gap
from ulm_core.lifecycle.stages import StageMixSpec, compute_stage_mix, stage_context, stages_of_history
from ulm_core.lifecycle.stickiness import StickinessSpec, compute_stickiness
from ulm_core.lifecycle.survival import SurvivalSpec, compute_survival
from ulm_core.lifecycle.value.histories import calendar_days, read_purchases
from ulm_core.timeline.index import TimelineIndex
from ulm_core.workspace import WorkspaceConfig


def warm_kernels(index: TimelineIndex, config: WorkspaceConfig) -> float:
    """Ask every question once; return the seconds it took.

    Parameters
    ----------
    index
        Any published log; the answers are thrown away.
    """
    started = time.perf_counter()
    rules = workspace_rules(index, config)
    compute_overview(index, config, OverviewSpec(rules=rules))
    compute_figures(index, config, FiguresSpec())
    compute_stage_mix(index, config, StageMixSpec(rules=rules, interval="month"))
    compute_dwell(index, config, DwellSpec(rules=rules, interval="week"))
    compute_at_risk(index, config, AtRiskSpec(rules=rules))
    compute_activity(index, config, ActivitySpec(interval="month"))
    compute_retention(index, config, RetentionSpec(interval="month"))
    compute_retention(index, config, RetentionSpec(interval="month", with_value=True))
    compute_stickiness(index, config, StickinessSpec(interval="month"))
    compute_active_users(index, config, ActiveUsersSpec())
    compute_sessions(index, config, SessionsSpec(gap_seconds=learn_session_gap(index, config).seconds))
    for order in ("ordered", "any"):
        compute_funnel(index, config, FunnelSpec.checked(steps=("*", "*"), order=order)).to_json()
    names = index.manifest.event_names
    compute_funnel(index, config, FunnelSpec.checked(steps=(names[0], names[-1]), trend="month")).to_json()
    compute_survival(index, config, SurvivalSpec(by="cohort", cohort_interval="quarter"))
    end_us = index.manifest.last_us + 1
    behaviour_at(index, config, end_us, 28, list(BEHAVIOURS))
    days = calendar_days(index, config)
    read_purchases(index, config, days, len(days), np.ones(index.n_users, np.bool_))
    cohort_mask(Log(index, config), Behaviour(clauses=(Clause(),)), index.manifest.last_us)
    # An edited history is writable, unlike the mapped columns: to numba another type, compiled apart.
    history = index.history(0)
    edited = history.take(np.ones(len(history), np.bool_))
    stages_of_history(edited, [index.manifest.last_us], rules, stage_context(index, config))
    return time.perf_counter() - started
