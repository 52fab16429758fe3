"""Controls whose state is the URL, so that a link shows what its sender saw.

Each control follows its query parameter when that is new to it (a first visit, back, forward) and
writes its own value there otherwise; a default is left out. Streamlit can bind widgets by itself
(`bind="query-params"`), but it writes a choice's *label* into the link, which differs from
language to language, and raises where a link says `n=1e309`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from pages.shared.frame import Page
from pages.shared.radius_slider import RADII, radius_slider


def number(page: Page, key: str, least: int, most: int, default: int, *, step: int = 1) -> int:
    """A whole number in a box, from the link's `key`."""
    widget = _follow_number(page, key, least, most, default)
    value = st.number_input(
        page.words(f"controls.{key}"), least, most, step=step, key=widget, help=page.words(f"help.{key}")
    )
    return _write_number(key, widget, value, least, most, default)


def decimal(page: Page, key: str, least: float, most: float, default: float, *, step: float) -> float:
    """A number in a box, from the link's `key`; an emptied box gets its last number back."""
    widget = f"{page.name}-{key}"
    if not _follow_link(key, widget, default, lambda linked: _within(linked, least, most)):
        values = {"least": f"{least:g}", "most": f"{most:g}", "default": f"{default:g}"}
        page.complain("link.decimal", name=page.words(f"controls.{key}"), **values)
    if st.session_state[widget] is None:
        st.session_state[widget] = st.session_state.get(f"{widget}-last", default)
    value = st.number_input(
        page.words(f"controls.{key}"),
        *(least, most, None),
        step=step,
        format="%g",
        key=widget,
        help=page.words(f"help.{key}"),
    )
    sent = default if value is None else min(max(float(value), least), most)
    st.session_state[f"{widget}-last"] = sent
    write_link(key, widget, _decimal_in_link(sent, default))
    return sent


def set_decimals(page: Page, chosen: Mapping[str, float], defaults: Mapping[str, float]) -> None:
    """Give `decimal`s their values before they are drawn: something else than their boxes has chosen them.

    The link says all of them at once, so that one step back undoes one choice.
    """
    linked = st.query_params.to_dict()
    for key, value in chosen.items():
        widget = f"{page.name}-{key}"
        text = _decimal_in_link(value, defaults[key])
        st.session_state[widget] = value
        st.session_state[f"{widget}-link"] = text
        linked.pop(key, None)
        linked |= {} if text is None else {key: text}
    st.query_params.from_dict(linked)


def _decimal_in_link(value: float, default: float) -> str | None:
    return None if value == default else f"{value:.15g}"


def slider(page: Page, key: str, least: int, most: int, default: int) -> int:
    """A whole number on a slider, from the link's `key`."""
    widget = _follow_number(page, key, least, most, default)
    value = st.slider(page.words(f"controls.{key}"), least, most, key=widget, help=page.words(f"help.{key}"))
    return _write_number(key, widget, value, least, most, default)


def choice(
    page: Page, key: str, options: Sequence[str], default: str, *, name: Callable[[str], str] | None = None
) -> str:
    """One of a few, in a select box, from the link's `key`; `name` says it where the words don't."""
    widget = f"{page.name}-{key}"
    _follow_choice(page, key, widget, default, lambda linked: linked if linked in options else None)
    value = st.selectbox(
        page.words(f"controls.{key}"),
        options,
        format_func=name or (lambda option: page.words(f"{key}.{option}")),
        key=widget,
        help=page.words(f"help.{key}"),
    )
    value = value if value in options else default
    write_link(key, widget, None if value == default else value)
    return value


def text(page: Page, key: str, most: int, default: str) -> str:
    """A text of up to `most` characters, from the link's `key`."""
    widget = f"{page.name}-{key}"
    if not _follow_link(key, widget, default, lambda linked: linked if len(linked) <= most else None):
        page.complain("link.text", most=f"{most:,}")
    value = st.text_area(
        page.words(f"controls.{key}"), key=widget, help=page.words(f"help.{key}"), height=110
    )
    if len(value) > most:
        page.complain("link.text", most=f"{most:,}")
        value = value[:most]
    write_link(key, widget, None if value == default else value)
    return value


def index(page: Page, key: str, count: int) -> int | None:
    """Which of `count` things is picked, from the link's `key`, where they count from 1; None for none."""
    widget = f"{page.name}-{key}"
    if not _follow_link(key, widget, None, lambda linked: _whole(linked, 1, count)):
        page.complain("link.choice", name=page.words(f"controls.{key}"))
    picked = st.session_state[widget]
    picked = picked if picked is not None and picked <= count else None
    write_link(key, widget, None if picked is None else str(picked))
    return None if picked is None else picked - 1


def set_index(page: Page, key: str, picked: int) -> None:
    """Pick another one before it is drawn, or none where it is picked already."""
    widget = f"{page.name}-{key}"
    st.session_state[widget] = None if st.session_state[widget] == picked + 1 else picked + 1
    st.session_state[f"{widget}-link"] = st.query_params.get(key)


def forget(page: Page, *keys: str) -> None:
    """Let controls begin anew: what they spoke of has changed."""
    for key in keys:
        st.session_state.pop(f"{page.name}-{key}", None)
        st.query_params.pop(key, None)


def follow_anew(page: Page, keys: Sequence[str], linked: Mapping[str, str]) -> None:
    """Make the link say `linked` for these keys, and let all controls follow it as at a first visit.

    For use where they have been drawn already: the page has to run again after it.
    """
    for name in [str(name) for name in st.session_state]:
        if name.startswith(f"{page.name}-") and name.endswith(("-link", "-before")):
            st.session_state.pop(name.removesuffix("-link"), None)
            st.session_state.pop(name, None)
    others = {key: value for key, value in st.query_params.to_dict().items() if key not in keys}
    st.query_params.from_dict(others | dict(linked))


def indices(page: Page, key: str, count: int) -> frozenset[int]:
    """Which of `count` things are chosen, from the link's `key`: their numbers, from 1, with commas."""
    widget = f"{page.name}-{key}"
    if not _follow_link(key, widget, (), lambda linked: _wholes(linked, count)):
        page.complain("link.choice", name=page.words(f"controls.{key}"))
    chosen = sorted(k for k in st.session_state[widget] if k <= count)
    write_link(key, widget, ",".join(map(str, chosen)) if chosen else None)
    return frozenset(k - 1 for k in chosen)


def toggle_index(page: Page, key: str, which: int) -> None:
    """Choose one more, or one less, before they are drawn."""
    widget = f"{page.name}-{key}"
    st.session_state[widget] = tuple(set(st.session_state[widget]) ^ {which + 1})
    st.session_state[f"{widget}-link"] = st.query_params.get(key)


def section(page: Page, names: Sequence[str]) -> str:
    """Which of the page's sections is open, from the link's `tab`; only that one is computed.

    A segmented control rather than `st.tabs`: it costs the browser a third, and all of it is seen
    on a phone.
    """
    widget = f"{page.name}-tab"
    _follow_choice(page, "tab", widget, names[0], lambda linked: linked if linked in names else None)
    chosen: str | None = st.segmented_control(
        page.words("controls.tab"),
        names,
        format_func=lambda name: page.words(f"tabs.{name}"),
        required=True,
        key=widget,
        label_visibility="collapsed",
    )
    name = chosen if chosen is not None and chosen in names else names[0]
    write_link("tab", widget, None if name == names[0] else name)
    return name


def radius(page: Page, default: float, *, of: str) -> float:
    """The spectral radius, from the link's `rho`; `of` names what is scaled, each with its own state."""
    widget = f"{page.name}-radius-{of}"
    before = st.session_state.setdefault(f"{page.name}-radius-of", widget)
    if before != widget and st.query_params.get("rho") == st.session_state.get(f"{before}-link"):
        st.query_params.pop("rho", None)  # it was the radius of what was scaled before
    st.session_state[f"{page.name}-radius-of"] = widget
    _follow_choice(page, "rho", widget, {"radius": None}, _radius_state)
    value = _sent_radius(st.session_state[widget].get("radius"), default)
    radius_slider(page.words("controls.rho"), value, default, key=widget)
    write_link("rho", widget, None if value == default else f"{value:g}")
    return value


def forget_radius(page: Page, *, of: str) -> None:
    """Back to the default radius, before the slider is drawn: what is scaled has changed."""
    st.session_state[f"{page.name}-radius-{of}"] = {"radius": None}


def _radius_state(linked: str) -> dict[str, float] | None:
    value = _within(linked, RADII[0], RADII[-1])
    return None if value is None else {"radius": value}


def _sent_radius(sent: Any, default: float) -> float:
    """The radius that the slider sent; the default for None, and for what no slider sends."""
    is_number = isinstance(sent, int | float) and RADII[0] <= sent <= RADII[-1]
    return float(sent) if is_number else default


def _follow_number(page: Page, key: str, least: int, most: int, default: int) -> str:
    widget = f"{page.name}-{key}"
    if not _follow_link(key, widget, default, lambda linked: _whole(linked, least, most)):
        name = page.words(f"controls.{key}")
        page.complain("link.number", name=name, least=least, most=f"{most:,}", default=f"{default:,}")
    st.session_state[widget] = min(st.session_state[widget], most)  # `most` may depend on another control
    return widget


def _follow_choice(
    page: Page, key: str, widget: str, default: Any, parse: Callable[[str], Any | None]
) -> None:
    if not _follow_link(key, widget, default, parse):
        page.complain("link.choice", name=page.words(f"controls.{key}"))


def _follow_link(key: str, widget: str, default: Any, parse: Callable[[str], Any | None]) -> bool:
    """Give the widget the link's value if the link is new to it; False if the link makes no sense."""
    linked = st.query_params.get(key)
    if widget in st.session_state and st.session_state.get(f"{widget}-link") == linked:
        return True
    value = None if linked is None else parse(linked)
    st.session_state[widget] = default if value is None else value
    return linked is None or value is not None


def _write_number(key: str, widget: str, value: int | None, least: int, most: int, default: int) -> int:
    sent = default if value is None else value
    within = min(max(int(sent), least), most)  # a browser may send what its widget doesn't offer
    write_link(key, widget, None if within == default else str(within))
    return within


def write_link(key: str, widget: str, value: str | None) -> None:
    """Make the link say `value` for `key`, or nothing for None, and remember that it was this widget."""
    st.session_state[f"{widget}-link"] = value
    if value is None:
        st.query_params.pop(key, None)
    elif st.query_params.get(key) != value:
        st.query_params[key] = value


def _within(text: str, least: float, most: float) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if least <= value <= most else None


def _wholes(text: str, most: int) -> tuple[int, ...] | None:
    if text.count(",") >= most:
        return None
    found = [_whole(part, 1, most) for part in text.split(",")]
    return None if None in found else tuple({number for number in found if number is not None})


def _whole(text: str, least: int, most: int) -> int | None:
    try:
        value = float(text)
    except ValueError:
        return None
    whole = math.isfinite(value) and value == int(value) and least <= value <= most
    return int(value) if whole else None
