"""The panel in which readers enter a matrix of their own: a table, or a file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.arrays import Array
from pages.shared import controls, own_matrix
from pages.shared.frame import Page


def draw(page: Page) -> Array:
    """Draw the panel; the last good matrix, whatever has been entered since."""
    words = page.words
    _follow_link(page)
    with st.expander(words("own.title"), expanded=True):
        table, file = st.columns([3, 2])
        with file:
            _upload(page)
        with table:
            _edit(page)
    W: Array = st.session_state[_key(page, "matrix")]
    text = own_matrix.to_link(W)
    if text is None:
        st.markdown(words("own_too_long"))
    controls.write_link("matrix", _key(page, "matrix"), text if _is_new(own_matrix.EXAMPLE, W) else None)
    return W


def _follow_link(page: Page) -> None:
    """Start from the link's matrix where it is new: a first visit, back, or forward."""
    stored, linked = _key(page, "matrix"), st.query_params.get("matrix")
    if stored in st.session_state and st.session_state.get(f"{stored}-link") == linked:
        return
    W = own_matrix.EXAMPLE
    try:
        W = W if linked is None else own_matrix.from_link(linked)
    except own_matrix.BadMatrix as bad:
        page.complain(f"own.bad.{bad.key}", **bad.values)
    _start_from(page, W)


def _start_from(page: Page, W: Array) -> None:
    """Take a matrix from outside the table: the table starts anew from it, at its own radius."""
    st.session_state[_key(page, "size")] = min(len(W), own_matrix.LARGEST_IN_TABLE)
    _start_table(page, W)
    _keep(page, W)


def _start_table(page: Page, W: Array) -> None:
    """Begin the table from `W`, forgetting the edits made to the one before."""
    version = st.session_state.get(_key(page, "version"), 0) + 1
    st.session_state[_key(page, "version")] = version
    st.session_state[_key(page, "table")] = W


def _keep(page: Page, W: Array) -> None:
    """Keep a good matrix, at its own radius if it is a new one."""
    stored = _key(page, "matrix")
    if stored in st.session_state and _is_new(st.session_state[stored], W):
        controls.forget_radius(page, of="own")
    st.session_state[stored] = W


def _upload(page: Page) -> None:
    words = page.words
    file = st.file_uploader(words("own.upload"), type=["csv", "npy"], help=words("own.upload_help"))
    if file is None or st.session_state.get(_key(page, "file")) == file.file_id:
        return
    try:
        W = own_matrix.from_file(file.name, file.getvalue())
    except own_matrix.BadMatrix as bad:
        st.error(words(f"own.bad.{bad.key}", **bad.values))
        return
    st.session_state[_key(page, "file")] = file.file_id
    _start_from(page, W)


def _edit(page: Page) -> None:
    words = page.words
    current: Array = st.session_state[_key(page, "matrix")]
    most = own_matrix.LARGEST_IN_TABLE
    if len(current) > most:
        st.markdown(words("own.too_large_for_table", n=len(current), most=most))
        return
    size = int(st.number_input(words("own.size"), 1, most, key=_key(page, "size")))
    if len(st.session_state[_key(page, "table")]) != size:
        _start_table(page, _resized(current, size))
    start = pd.DataFrame(st.session_state[_key(page, "table")]).map(own_matrix.cell_text)
    start.columns = [str(column + 1) for column in range(size)]
    edited = st.data_editor(
        start,
        num_rows="dynamic",
        hide_index=True,
        key=f"{_key(page, 'editor')}-{st.session_state[_key(page, 'version')]}",
        alt=words("own.table"),
    )
    try:
        W = own_matrix.from_rows(edited.astype(object).where(edited.notna(), None).to_numpy().tolist())
    except own_matrix.BadMatrix as bad:
        st.error(words(f"own.bad.{bad.key}", **bad.values))
        return
    _keep(page, W)


def _resized(W: Array, size: int) -> Array:
    """`W` cut, or filled up with zeros."""
    resized = np.zeros((size, size))
    kept = min(size, len(W))
    resized[:kept, :kept] = W[:kept, :kept]
    return resized


def _is_new(before: Array, now: Array) -> bool:
    return not np.array_equal(before, now)


def _key(page: Page, name: str) -> str:
    return f"{page.name}-own-{name}"
