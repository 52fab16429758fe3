"""The words of the pages, one TOML file a language beside this one; no prose lives in the code."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "words"


@functools.cache
def read_words(language: str) -> dict[str, Any]:
    """The nested tables of one language's file."""
    return tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Words:
    """The words of one section of a language: `words("claim", radius=1.1)`.

    A key is looked for in the section first and in the table `common` after it. Dots lead into
    nested tables.
    """

    language: str
    section: str

    def __call__(self, key: str, **values: object) -> str:
        text = self._find(key)
        return text.format(**values) if values else text

    def listed(self, parts: Iterable[str]) -> str:
        """Some parts, with what the language puts between them."""
        return self("between").join(parts)

    def of(self, section: str) -> Words:
        """The same language's words of another section."""
        return Words(self.language, section)

    def _find(self, key: str) -> str:
        for section in (self.section, "common"):
            found: Any = read_words(self.language).get(section, {})
            for part in key.split("."):
                found = found.get(part) if isinstance(found, dict) else None
            if isinstance(found, str):
                return found
        raise KeyError(f"no words for {self.section}.{key} in {self.language}")
