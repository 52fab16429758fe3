"""In which language a page speaks: the link's, else the browser's, else English."""

from __future__ import annotations

import functools

import streamlit as st

from pages.shared.words import FOLDER, Words

FALLBACK = "en"


@functools.cache
def languages() -> dict[str, str]:
    """The languages that there are words in, the fallback first, and what each calls itself."""
    found = sorted((path.stem for path in FOLDER.glob("*.toml")), key=lambda name: (name != FALLBACK, name))
    return {name: Words(name, "common")("language") for name in found}


def language() -> str:
    """The language of this run."""
    linked = st.query_params.get("lang")
    if linked in languages():
        return str(linked)
    preferred = (st.context.locale or FALLBACK).lower()
    return next((name for name in languages() if preferred.startswith(name)), FALLBACK)


def in_link() -> dict[str, str]:
    """What a link to another page says of the language: nothing unless it was chosen."""
    return {"lang": language()} if "lang" in st.query_params else {}


def switch(words: Words) -> None:
    """Draw the choice of language; the link keeps it."""
    st.session_state["lang"] = language()
    st.segmented_control(
        words("controls.lang"),
        list(languages()),
        format_func=languages().__getitem__,
        required=True,
        key="lang",
        label_visibility="collapsed",
        on_change=_choose,
    )


def _choose() -> None:
    st.query_params["lang"] = st.session_state["lang"]
