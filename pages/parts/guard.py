"""What a reader sees when something goes wrong: a plain cause, or a reference; never a traceback."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from pages.parts.i18n import N_, _, text
from ulm_core.errors import UlmError

log = logging.getLogger("ulm.pages")

TITLES = {
    "invalid_input": N_("This cannot be used"),
    "not_found": N_("Not found"),
    "empty_workspace": N_("No data yet"),
    "busy": N_("Busy"),
    "job": N_("The background job did not work"),
}


def show_error(error: UlmError) -> None:
    """Show an expected error: what was wrong and what to do."""
    st.warning(text(error.message), icon=":material/info:", title=_(TITLES.get(error.code, N_("This did not work"))))


def show_bug(error: Exception) -> None:
    """Log an unexpected error with a reference and show the reference."""
    reference = secrets.token_hex(3).upper()
    log.error("reference %s", reference, exc_info=error)
    st.error(
        _(
            "This part of the page could not be drawn. The rest of the page is not affected. "
            "Reload to try again; if it stays, quote reference {reference}."
        ).format(reference=reference),
        icon=":material/bug_report:",
        title=_("Something went wrong on our side"),
    )


@contextmanager
def guarded() -> Iterator[None]:
    """Keep an error inside the block it happens in.

    Streamlit's own control flow (stop, rerun, page switch) is not an `Exception` and passes through.
    """
    try:
        yield
    except UlmError as error:
        show_error(error)
    except Exception as error:
        show_bug(error)
