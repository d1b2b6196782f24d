"""Sections of the data page that say what is loaded."""
