"""Front door: settings, language, navigation. Run with `make run` (or `streamlit run app.py`)."""

from __future__ import annotations

from pages.parts import frame, navigation

frame.setup()
navigation.declare().run()
