"""Placeholder."""

from __future__ import annotations

import streamlit as st

from pages.parts.frame import ALL_CONTROLS, begin_page

with begin_page("training", controls=ALL_CONTROLS) as view:
    st.write(view.filters)
