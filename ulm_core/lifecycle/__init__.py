"""Stages, transitions, funnels, retention, activity and survival: every number about users over time."""
