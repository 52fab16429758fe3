"""The book's claim on the gating page: cross out what the gates ignored; does the prediction move?"""

from __future__ import annotations

import hashlib

import numpy as np
import streamlit as st

from core.arrays import Array
from core.review_evaluation import KEPT_IN_TABLE, highest, predict_forms
from pages.shared import charts, controls, frames, reading_lab, word_charts
from pages.shared.frame import Page
from pages.shared.numbers import plain
from pages.shared.reading_lab import QUANTITIES, Choice, Seen, name_of, signed
from pages.shared.words import Words

DRAWS = 200
COMMAND = "python -m core.make_weights"


def section(page: Page, choice: Choice, of: Seen) -> None:
    """Some words kept: the prediction before and after, against chance, the twin, and the test texts."""
    words = page.words
    if not reading_lab.says_a_rating(words, of):
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = controls.choice(
            page, "by", QUANTITIES, "opening", name=lambda quantity: words(f"colour.{quantity}")
        )
        share = controls.slider(page, "keep", 10, 100, 30) / 100
    kept = highest(reading_lab.sizes(of, by), share)
    after = reading_lab.read(choice, kept=[bool(keep) for keep in kept])
    reading_lab.draw(
        *(page, choice, after),
        key="claim-strip",
        picked=choice.picked,
        on_pick=lambda which: controls.set_index(page, "word", which),
    )
    chance = random_predictions(of, int(kept.sum()))
    st.markdown(
        words(
            "claimed.text",
            kept=int(kept.sum()),
            count=len(kept),
            by=words(f"colour.{by}"),
            full=signed(of.reading.prediction),
            after=signed(after.reading.prediction),
            moved=plain(abs(after.reading.prediction - of.reading.prediction)),
            draws=DRAWS,
            low=signed(float(np.quantile(chance, 0.05))),
            high=signed(float(np.quantile(chance, 0.95))),
        )
    )
    if not choice.chinese:
        st.markdown(_of_the_twin(words, choice, by, share))
    _on_the_test(words, choice)


def random_predictions(of: Seen, count: int) -> Array:
    """What is predicted from so many words of the text, drawn DRAWS times."""
    forms = [token.form for token in of.model.words(of.text)[: len(of.reading.words)]]
    seed = int.from_bytes(hashlib.sha1(" ".join(forms).encode("utf-8", "replace")).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    draws = [sorted(rng.choice(len(forms), count, replace=False)) for _ in range(DRAWS)]
    return predict_forms(of.model, [[forms[k] for k in draw] for draw in draws])


def _of_the_twin(words: Words, choice: Choice, by: str, share: float) -> str:
    whole = reading_lab.read(choice, reading_lab.twin(choice))
    kept = highest(reading_lab.sizes(whole, by), share)
    after = reading_lab.read(choice, reading_lab.twin(choice), [bool(keep) for keep in kept])
    return words(
        f"claimed.twin_{choice.training}",
        full=signed(whole.reading.prediction),
        after=signed(after.reading.prediction),
        moved=plain(abs(after.reading.prediction - whole.reading.prediction)),
    )


def _on_the_test(words: Words, choice: Choice) -> None:
    """The same over all test texts, as measured beforehand."""
    found = reading_lab.evaluation()
    names = (
        {"economy": choice.model}
        if choice.chinese
        else {training: name_of(choice.network, training) for training in reading_lab.TRAININGS}
    )
    curves = {training: found["models"][name]["seeds"][0]["curves"] for training, name in names.items()}
    drawn = {words(f"claimed.{training}"): curve["opening"] for training, curve in curves.items()}
    drawn |= {words(f"claimed.{name}"): curves["economy"][name] for name in ("contribution", "random")}
    at = found["kept"].index(KEPT_IN_TABLE)
    ends = words.listed(f"{name} {reading_lab.correlation(curve[at])}" for name, curve in drawn.items())
    charts.show(
        word_charts.KEPT["gru" if choice.chinese else choice.network, reading_lab.style(choice)],
        frames.points({name: list(zip(found["kept"], curve, strict=True)) for name, curve in drawn.items()}),
        words,
        key="claim",
        alt_text=words("claimed.alt"),
        now=words("claimed.now", share=plain(100 * KEPT_IN_TABLE), ends=ends),
    )
    if choice.chinese:
        st.markdown(words("claimed.test_chinese"))
    else:
        means = {training: found["models"][name]["mean"] for training, name in names.items()}
        st.markdown(
            words(
                "claimed.test",
                share=plain(100 * KEPT_IN_TABLE),
                economy=reading_lab.correlation(means["economy"]["kept, opening"]),
                plain=reading_lab.correlation(means["plain"]["kept, opening"]),
                random=reading_lab.correlation(means["economy"]["kept, random"]),
                shuffled=reading_lab.correlation(found["shuffled"][choice.network]["mean"]["kept, opening"]),
            )
        )
    st.code(COMMAND, language=None, wrap_lines=True)
