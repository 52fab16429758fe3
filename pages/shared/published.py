"""The published experiment on the clipping page: its committed results, drawn as they are."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

import experiments
from experiments.pascanu2013 import CRITERION, HIDDEN, METHODS, SETTINGS, Result, load_results
from pages.shared import charts, controls, frames
from pages.shared.frame import Page
from pages.shared.numbers import plain
from pages.shared.words import Words

RESULTS = Path(experiments.__file__).parent / "results" / "pascanu2013.json"
GAP = 0.2
STARTS = ("smart tanh", "basic tanh", "sigmoid")


def section(page: Page) -> None:
    """The success rates of a setting and a start, with the budget and the command they come from."""
    words = page.words
    try:
        found = load_results(RESULTS)
    except (OSError, ValueError):
        st.warning(words("paper.unreadable"))
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        setting = controls.choice(page, "setting", tuple(SETTINGS), "ours")
        of_setting = [result for result in found if result.point.setting == setting]
        drawn = {result.point.initialisation for result in of_setting}
        start = controls.choice(page, "draw", [name for name in STARTS if name in drawn], STARTS[0], name=str)
    shown = [result for result in of_setting if result.point.initialisation == start]
    values = {
        "rate": f"{shown[0].rate:g}",
        "units": HIDDEN,
        "threshold": plain(SETTINGS[setting].max_norm),
        "updates": f"{max(result.point.updates for result in shown):,}",
        "seeds": max(len(result.point.seeds) for result in shown),
        "errors": plain(100 * CRITERION.share),
        "tested": f"{shown[0].tested:,}",
    }
    st.markdown(words(f"paper.{setting}", **values))
    told, verdict = "\n".join(_told(words, method, shown) for method in METHODS), _verdict(words, shown)
    charts.show(
        charts.success,
        success(words, shown),
        words,
        key="paper",
        alt_text=words("paper.alt"),
        now=f"{told}\n{verdict}",
    )
    st.markdown(told)
    st.markdown(verdict)
    st.markdown(words("paper.command"))
    command = f"python -m experiments.pascanu2013 --setting {setting} --out again.json"
    st.code(command, language="sh", wrap_lines=True)


def success(words: Words, shown: list[Result]) -> pd.DataFrame:
    """name, k, y: the share of seeds that succeeded, by the length of the sequences, for each method."""
    curves = {
        words(f"method_names.{method}"): sorted(
            (result.point.length, result.successes / len(result.point.seeds))
            for result in shown
            if result.point.method == method
        )
        for method in METHODS
    }
    return frames.points(curves)


def _verdict(words: Words, shown: list[Result]) -> str:
    """Whether the methods come in the paper's order, each ahead of the one before by GAP of all runs."""
    sgd, clip, omega = (
        sum(result.successes for result in shown if result.point.method == method) for method in METHODS
    )
    runs = sum(len(result.point.seeds) for result in shown) // len(METHODS)
    ordered = min(clip - sgd, omega - clip) >= GAP * runs
    return words(
        "paper.ordered" if ordered else "paper.undecided",
        sgd=sgd,
        clip=clip,
        omega=omega,
        runs=runs,
        gap=plain(100 * GAP),
    )


def _told(words: Words, method: str, shown: list[Result]) -> str:
    """How many seeds succeeded at each length."""
    counts = sorted(
        (
            result.point.length,
            words(
                "paper.point",
                successes=result.successes,
                seeds=len(result.point.seeds),
                length=result.point.length,
            ),
        )
        for result in shown
        if result.point.method == method
    )
    return f"- {words(f'method_names.{method}')}: {', '.join(text for _, text in counts)}"
