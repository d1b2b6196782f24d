"""Alerts: saved numbers that are looked at after every load, and say so when they leave their bounds."""
