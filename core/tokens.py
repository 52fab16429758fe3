"""Words: where they stand in a text, the form in which a model reads them, and their parts.

A text is never changed: a token knows from which character to which it reaches, so that a page can
show the text as it was written and colour the words in it.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
import zlib
from typing import NamedTuple

CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
JOINER, SELECTOR = "\u200d", "\ufe0f"
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
_EMOJI = "[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff][\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]*"
_ACCENTS = "".join(filter(lambda c: unicodedata.category(c)[0] == "M", map(chr, range(0x300, 0xFE00))))
_LETTER = rf"[^\W_{CJK}][{_ACCENTS}]*"
_TOKEN = re.compile(
    rf"""
    (?P<url>    (?i: https?:// | www\. ) [^\s{CJK}]+ )
  | (?P<name>   @ \w+ )
  | (?P<face>   (?<!\w) (?: [:;=] ['’]? [-o^]? [)(\]\[dDpP/\\|*3] | <3 | \(: | \): | [xX]D+ ) (?!\w) )
  | (?P<word>   (?: {_LETTER} )+ (?: ['’] (?: {_LETTER} )+ )* )
  | (?P<cjk>    [{CJK}] )
  | (?P<emoji>  {_FLAG} | {_EMOJI} (?: {JOINER} {_EMOJI} )* )
  | (?P<mark>   [!?]+ | ！+ | ？+ )
    """,
    re.VERBOSE,
)
_BESIDE_WORDS = re.compile(rf"[^0-9a-z{CJK}]+")
_REPEATED = re.compile(r"(\D)\1{2,}")
STAND_INS = {"url": "<url>", "name": "<name>"}


class Token(NamedTuple):
    """A word as it stands in a text, text[start:end], and the form in which a model reads it."""

    text: str
    start: int
    end: int
    form: str


def tokenize(text: str) -> list[Token]:
    """The words of a text, in order; numbers, emoticons, emoji and runs of ! and ? count as words.

    Every CJK character is one of its own. The form is lower case in Unicode's NFKC, with a 0 for every
    digit, two of a letter that is repeated more often, and the same word for all web addresses, and for all
    @names.
    """
    return [Token(found.group(), found.start(), found.end(), _form(found)) for found in _TOKEN.finditer(text)]


def _form(found: re.Match[str]) -> str:
    kind, text = str(found.lastgroup), found.group()
    if kind in STAND_INS:
        return STAND_INS[kind]
    if kind in ("face", "emoji"):
        return text.replace(SELECTOR, "")
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return re.sub(r"\d", "0", _REPEATED.sub(r"\1\1", plain))


def is_chinese(text: str) -> bool:
    """Whether more than half of the words of a text are CJK characters."""
    tokens = tokenize(text)
    cjk = sum(re.fullmatch(f"[{CJK}]", token.text) is not None for token in tokens)
    return 2 * cjk > len(tokens)


def grams(form: str, buckets: int, lengths: tuple[int, ...] = (3, 4)) -> list[int]:
    """The buckets, 0 … buckets − 1, of the runs of so many characters in "<form>"; never empty.

    Hashed by CRC-32, which is the same everywhere (Bojanowski et al. 2017 have the idea).
    """
    bounded = f"<{form}>"
    parts = [bounded[k : k + n] for n in lengths for k in range(len(bounded) - n + 1)] or [bounded]
    return [zlib.crc32(part.encode("utf-8", "surrogatepass")) % buckets for part in parts]


def key(text: str) -> str:
    """What texts that count as the same share: NFKC, in lower case, of 0–9, a–z and CJK alone."""
    return _BESIDE_WORDS.sub(" ", unicodedata.normalize("NFKC", text).lower()).strip()


def fold(text: str) -> int:
    """Which tenth of the data a text belongs to, 0 … 9: SHA-1 of its key, modulo 10."""
    return int.from_bytes(hashlib.sha1(key(text).encode()).digest(), "big") % 10
