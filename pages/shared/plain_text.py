"""What a sentence of the pages says, without its Markdown: for what is heard and not seen."""

from __future__ import annotations

import re

MARKUP = re.compile(r"\\([\W_])|\*+|^- ")
ENDED = ".:;,!?。：；，！？"


def plain_text(markdown: str) -> str:
    """The text in one line: its emphasis, its lists and what is escaped in it undone."""
    lines = [MARKUP.sub(lambda found: found[1] or "", line).strip() for line in markdown.splitlines()]
    told = [line for line in lines if line]
    ended = [line if line[-1] in ENDED else f"{line};" for line in told[:-1]]
    return " ".join([*ended, *told[-1:]])
