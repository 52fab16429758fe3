"""A page's settings as a file: what its link says, without the language, and back into the link."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import streamlit as st

from pages.shared import controls
from pages.shared.frame import Page

LARGEST_KB = 64
LONGEST_NAMED = 24  # characters of an unknown setting that are shown
_LINEAR = ("kind", "n", "steps", "seed", "gradient", "matrix", "rho", "tab")
SETTINGS = {
    "explosion": (*_LINEAR, "at", "unroll", "rate", "borders"),
    "vanishing": (
        *_LINEAR,
        *("rate", "scale", "type", "stages"),
        *("cell", "span", "units", "start", "bias"),
        *("learner", "delay", "open"),
    ),
    "clipping": (
        *("w", "b", "pace", "threshold", "method", "tab"),
        *("degrees", "longer", "borders", "limit"),
        *("span", "units", "rate", "cut", "activation", "seed"),
        *("setting", "draw"),
    ),
    "gating": (
        *("review", "text", "network", "trained", "colour", "colour_zh", "unit", "word", "tab"),
        *("gate_of_3", "gate_of_2", "until", "by", "keep"),
        *("hold_of_3", "hold_of_2", "held_at", "out"),
    ),
}


class BadSettings(ValueError):
    """Why a file can't be taken: a key of the words and the values for its sentence."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


def in_link(name: str) -> dict[str, str]:
    """The settings of a page that its link says; the others are at their defaults."""
    linked = st.query_params.to_dict()
    return {key: linked[key] for key in SETTINGS[name] if key in linked}


def to_file(name: str, settings: Mapping[str, str]) -> str:
    """A page's settings as JSON."""
    return json.dumps({"page": name, "settings": settings}, ensure_ascii=False, indent=2) + "\n"


def from_file(name: str, content: bytes) -> dict[str, str]:
    """The settings in a file that `to_file` wrote for this page; BadSettings says what else it is."""
    if len(content) > LARGEST_KB * 1024:
        raise BadSettings("size", most=LARGEST_KB)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise BadSettings("json") from None
    if not isinstance(found, dict) or set(found) != {"page", "settings"}:
        raise BadSettings("json")
    page, settings = found["page"], found["settings"]
    if not isinstance(page, str) or page not in SETTINGS or not isinstance(settings, dict):
        raise BadSettings("json")
    if page != name:
        raise BadSettings("page", page=page)
    for key, value in settings.items():
        if key not in SETTINGS[name]:
            raise BadSettings("key", name=_shown(key))
        if not isinstance(value, str) or not _can_be_linked(value):
            raise BadSettings("value", name=key)
    return settings


def take_back(page: Page) -> None:
    """Draw the uploader; a good file sets the link, once, and every control follows it."""
    words, taken = page.words, f"{page.name}-settings-taken"
    file = st.file_uploader(
        words("take.upload"),
        type="json",
        key=f"{page.name}-settings",
        help=words("take.help", most=LARGEST_KB),
    )
    if file is None:
        return
    if st.session_state.get(taken) == file.file_id:
        st.markdown(words("take.taken"))
        return
    try:
        settings = from_file(page.name, file.getvalue())
    except BadSettings as bad:
        if bad.key == "page":
            bad.values["page"] = words.of(str(bad.values["page"]))("menu")
        st.error(words(f"take.bad.{bad.key}", **bad.values))
        return
    st.session_state[taken] = file.file_id
    controls.follow_anew(page, SETTINGS[page.name], settings)
    st.rerun()


def _can_be_linked(value: str) -> bool:
    """Whether a link can say it: half of a pair of surrogates has no UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(key: str) -> str:
    """A stranger's word, of which Markdown makes nothing else between backticks."""
    return re.sub(r"[^\w.-]", "?", key)[:LONGEST_NAMED] or "?"
