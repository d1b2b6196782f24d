"""Sentences for people, kept apart from the language they are shown in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Translate = Callable[[str], str]


def N_(template: str) -> str:
    """Mark a template for extraction into the catalogues without translating it now."""
    return template


def _identity(template: str) -> str:
    return template


@dataclass(frozen=True)
class Message:
    """A sentence template with the values that fill it.

    Parameters
    ----------
    template
        English text with named fields, for example ``"{n} users"``.
    fields
        Values by field name. A value that is itself a `Message` is rendered in the same language.

    Examples
    --------
    >>> Message("{n} users", {"n": 3}).render()
    '3 users'
    """

    template: str
    fields: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def render(self, translate: Translate = _identity) -> str:
        """Return the sentence in the language of `translate`."""
        values = {
            name: value.render(translate) if isinstance(value, Message) else value
            for name, value in self.fields.items()
        }
        text = translate(self.template)
        return text.format(**values) if values else text

    def __str__(self) -> str:
        """Return the English sentence."""
        return self.render()


def message(template: str, **fields: object) -> Message:
    """Return a `Message`; the shorthand used where sentences are built."""
    return Message(template, MappingProxyType(fields))
