"""How training says how far it is. The default does nothing, so training code needs no screen."""

from __future__ import annotations


class Progress:
    """Receives progress; subclass it to show or store what is reported."""

    def report(self, step: int, total: int, **metrics: float) -> None:
        """Take note that `step` of `total` is done, with the metrics known at that point."""

    def log(self, text: str) -> None:
        """Take note of one line for the log."""

    def should_stop(self) -> bool:
        """Return whether the user asked to stop."""
        return False
