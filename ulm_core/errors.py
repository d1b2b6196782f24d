"""Errors a user can act on: what was wrong, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ulm_core.messages import N_, Message, message

MAX_LISTED = 8


class UlmError(Exception):
    """Base of every error the product raises on purpose.

    Parameters
    ----------
    template
        English sentence with named fields; translated where it is shown.
    code
        Stable identifier for scripts and tests.
    **fields
        Values of the template's fields.
    """

    default_code = "error"

    def __init__(self, template: str, *, code: str | None = None, **fields: object) -> None:
        self.code = code or self.default_code
        self.message: Message = message(template, **fields)
        super().__init__(str(self.message))


class InputError(UlmError):
    """The user gave something that cannot be used: a file, a setting, a combination."""

    default_code = "invalid_input"


class NotFoundError(UlmError):
    """A user, item, event, run or file with that name does not exist."""

    default_code = "not_found"

    @classmethod
    def for_name(cls, kind: str, name: object, known: Iterable[str]) -> NotFoundError:
        """Return the error for an unknown `name`, with near matches from `known` (or a few of them).

        Parameters
        ----------
        kind
            What was looked for, in lower case ("event", "user").
        name
            What was asked.
        known
            The names that exist.
        """
        names = list(known)
        near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.6)
        if near:
            return cls(
                N_("There is no {kind} “{name}”. Did you mean: {near}?"),
                kind=message(kind),
                name=name,
                near=", ".join(near),
            )
        listed = ", ".join(names[:MAX_LISTED]) + (" …" if len(names) > MAX_LISTED else "")
        return cls(
            N_("There is no {kind} “{name}”. Known: {known}."),
            kind=message(kind),
            name=name,
            known=listed or "-",
        )


class EmptyWorkspaceError(UlmError):
    """The workspace holds no data yet."""

    default_code = "empty_workspace"

    def __init__(self) -> None:
        super().__init__(N_("This workspace holds no data yet. Load the sample data or a file of your own first."))


class BusyError(UlmError):
    """Another process holds what this one needs."""

    default_code = "busy"


class CancelledError(UlmError):
    """Somebody asked for the work to stop, and it did."""

    default_code = "cancelled"


class JobError(UlmError):
    """A background job cannot be started, found or stopped."""

    default_code = "job"


# Kinds named in `NotFoundError.for_name`, so that the catalogues hold them.
KINDS = (
    N_("event"), N_("user"), N_("item"), N_("run"), N_("job"), N_("sample"), N_("attribute"), N_("stage"),
    N_("setting"), N_("cohort"), N_("alerts"), N_("views"), N_("annotations"),
    N_("table"), N_("column"), N_("preset"), N_("version"),
)  # fmt: skip
