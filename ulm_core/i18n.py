"""Translations of every sentence, read from gettext catalogues."""

from __future__ import annotations

import gettext
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from ulm_core.messages import Translate

LOCALE_DIR = Path(__file__).parent / "locale"
LANGUAGES = {"en": "English", "zh": "中文"}
DEFAULT_LANGUAGE = "en"


def catalogue_path(language: str) -> Path:
    """Return where the catalogue of `language` lies."""
    return LOCALE_DIR / language / "LC_MESSAGES" / "ulm.po"


@lru_cache(maxsize=len(LANGUAGES))
def translator(language: str) -> Translate:
    """Return the function that translates an English template into `language`.

    The readable .po file is the only copy: it is compiled in memory once a process, so that a
    catalogue can never be newer than what users see. Unknown languages fall back to English.
    """
    path = catalogue_path(language)
    if language == DEFAULT_LANGUAGE or not path.exists():
        return gettext.NullTranslations().gettext
    with path.open("rb") as source:
        catalogue = read_po(source, locale=language, domain="ulm")
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled).gettext
