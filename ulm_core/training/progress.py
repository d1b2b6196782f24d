"""How training says how far it is. Training code knows this shape and no screen."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What training reports to."""

    def report(self, step: int, total: int, **metrics: float) -> None:
        """Take note that `step` of `total` is done, with the metrics known at that point."""

    def log(self, text: str) -> None:
        """Take note of one line for the log."""

    def should_stop(self) -> bool:
        """Return whether the user asked to stop."""
        ...


class Silent:
    """The default: nobody listens, nobody stops it."""

    def report(self, step: int, total: int, **metrics: float) -> None:
        """Take note that `step` of `total` is done, with the metrics known at that point."""

    def log(self, text: str) -> None:
        """Take note of one line for the log."""

    def should_stop(self) -> bool:
        """Return whether the user asked to stop."""
        return False
