"""Gating: what the gates of really trained models let in of a review, word by word."""

import numpy as np
import streamlit as st

from core.attribution import log10_survival
from core.review_evaluation import KEPT_IN_TABLE, LONG, MIDDLING, QUANTITIES, highest, rank_correlation
from core.review_training import Recipe
from core.reviews import LEAST_KNOWN, LONGEST
from pages.shared import (
    charts,
    claim_test,
    controls,
    gating_lesson,
    lesson,
    notebooks,
    reading_lab,
    take_home,
    word_charts,
    word_frames,
)
from pages.shared.frame import open_page
from pages.shared.numbers import from_log10, plain
from pages.shared.reading_lab import CHINESE, NETWORKS, TRAININGS, Choice, Seen, name_of, signed

FAILURES = ("bad", "not_bad", "good", "not_good", "disappointed", "never_disappointed")
COLUMNS = (
    *("r", "sign", "auc", "auc, middling words"),
    *("opening with deletion", "contribution with deletion", "kept, opening"),
)
SMALL_LOAD = 0.2  # of the largest opening
MOST_OPEN = 0.3  # the share of words that count as picked out by the gates
TEACHES = -1.0  # decades that the RNN's gradient must fall to be spoken of

page = open_page("gating")
words = page.words


def look(choice: Choice, of: Seen) -> None:
    """What to try, and what the colours are not."""
    openings, sizes = reading_lab.values(of, "opening"), reading_lab.sizes(of, "contribution")
    other = of if choice.chinese else reading_lab.read(choice, reading_lab.twin(choice))
    others = reading_lab.values(other, "opening")
    values = {
        "late": plain(round(100 * float(sizes[len(sizes) // 2 :].sum() / sizes.sum()))),
        "largest": plain(float(openings.max())),
        "median": plain(float(np.median(openings))),
        "other_largest": plain(float(others.max())),
        "other_median": plain(float(np.median(others))),
        "other_rating": signed(other.reading.prediction),
        "open": reading_lab.quoted(words, of, np.argsort(-openings)[:2]),
        "adding": reading_lab.quoted(words, of, np.argsort(-sizes)[:3]),
    }
    st.markdown(words("look.chinese" if choice.chinese else f"look.{choice.training}", **values))
    rnn = reading_lab.read(choice, "rnn").reading.log10_gradients
    if not choice.chinese and rnn[0] - rnn[-1] < TEACHES:
        st.markdown(words("look.gradient", rnn=from_log10(float(rnn[0] - rnn[-1]))))
    if choice.marks and choice.training == "economy":
        most = highest(openings, MOST_OPEN)
        marked = np.array([reading_lab.is_marked(choice, word.start) for word in of.reading.words])
        st.markdown(
            words(
                "look.marks",
                share=plain(100 * MOST_OPEN),
                picked=reading_lab.quoted(words, of, np.flatnonzero(marked & most)),
                left=reading_lab.quoted(words, of, np.flatnonzero(marked & ~most)),
            )
        )


def gates(choice: Choice, of: Seen) -> None:
    """A gate's opening for every word and unit."""
    names = tuple(gate for gate in of.model.cell.gates if gate != "candidate")
    gate = controls.choice(page, f"gate_of_{len(names)}", names, names[0], name=lambda g: words(f"gate.{g}"))
    st.markdown(words(f"gates.{gate}"))
    reading_lab.say_window(words, choice, of)
    shown = word_frames.window(len(of.reading.words), choice.picked)
    means = of.reading.gates[gate].mean(axis=1)
    most, least = (
        shown.start + int(find(means[shown.start : shown.stop])) for find in (np.argmax, np.argmin)
    )
    seen = words(
        "gates.now",
        gate=words(f"gate.{gate}"),
        most=reading_lab.quoted(words, of, [most]),
        largest=plain(float(means[most])),
        least=reading_lab.quoted(words, of, [least]),
        smallest=plain(float(means[least])),
    )
    if choice.picked is not None:
        here = plain(float(means[choice.picked]))
        seen += " " + words("gates.here", word=reading_lab.quoted(words, of, [choice.picked]), size=here)
    charts.show(
        word_charts.gate,
        word_frames.gate(of.reading.words, of.reading.gates[gate], choice.picked),
        words,
        key="gates",
        alt_text=words("gates.alt"),
        now=seen,
    )


def survival(choice: Choice, of: Seen) -> None:
    """How much of what one word wrote the gates have kept at each word after it."""
    word = int(np.argmax(np.abs(of.reading.contributions))) if choice.picked is None else choice.picked
    paths = {
        words(f"cells.{label}"): log10_survival(trace.cell, trace, word)[:, 0]
        for label, name in reading_lab.gated_models(choice).items()
        if (trace := reading_lab.read(choice, name).reading.trace) is not None
    }
    left = [words("survival.left", name=name, left=from_log10(path[-1])) for name, path in paths.items()]
    seen = words("survival.text", word=reading_lab.quoted(words, of, [word]), left="\n".join(left))
    st.markdown(f"{seen}\n\n{words('survival.how')}")
    charts.show(
        word_charts.SURVIVAL[reading_lab.style(choice)],
        word_frames.over_words(of.reading.words, paths, word, first=word),
        words,
        key="survival",
        alt_text=words("survival.alt"),
        now=seen,
    )


def along(choice: Choice, of: Seen) -> None:
    """The prediction after each word."""
    if not reading_lab.says_a_rating(words, of):
        return
    count = len(of.reading.words)
    until = controls.slider(page, "until", 1, count, count) if count > 1 else 1
    so_far = np.array([of.model.bias, *of.reading.so_far])
    seen = words(
        "along.text",
        word=reading_lab.quoted(words, of, [until - 1]),
        before=signed(so_far[until - 1]),
        so_far=signed(so_far[until]),
        end=signed(of.reading.prediction),
    )
    st.markdown(seen)
    paths = {
        words(f"cells.{label}"): reading_lab.read(choice, name).reading.so_far
        for label, name in reading_lab.drawn_models(choice).items()
    }
    charts.show(
        word_charts.SO_FAR[reading_lab.style(choice)],
        word_frames.over_words(of.reading.words, paths, until - 1, told=signed),
        words,
        key="along",
        alt_text=words("along.alt"),
        now=seen,
    )


def claim(choice: Choice, of: Seen) -> None:
    """The book's claim, tested: without the words that the gates ignored the prediction hardly moves."""
    claim_test.section(page, choice, of)


def hold(choice: Choice, of: Seen) -> None:
    """A gate held at a value, and words clicked away."""
    st.markdown(words("hold.how"))
    names = tuple(gate for gate in of.model.cell.gates if gate != "candidate")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        gate = controls.choice(
            page, f"hold_of_{len(names)}", ("none", *names), "none", name=lambda g: words(f"gate.{g}")
        )
        percent = controls.slider(page, "held_at", 0, 100, 100) if gate != "none" else 100
    if not reading_lab.says_a_rating(words, of):
        return
    out = controls.indices(page, "out", len(choice.tokens))
    held = of.model if gate == "none" else of.model.holding(gate, percent / 100)
    after = reading_lab.seen(held, choice.text, [k not in out for k in range(len(choice.tokens))])
    reading_lab.draw(
        *(page, choice, after),
        key="hold-strip",
        picked=None,
        on_pick=lambda which: controls.toggle_index(page, "out", which),
    )
    st.markdown(
        words(
            "hold.text",
            free=signed(of.reading.prediction),
            held=signed(after.reading.prediction),
            out=len(out),
            gate=words("hold.nothing")
            if gate == "none"
            else words("hold.gate", gate=words(f"gate.{gate}"), at=percent),
        )
    )
    drawn = {words("hold.free"): (of.reading.words, of.reading.log10_gradients)}
    if gate != "none" or out:
        drawn[words("hold.held")] = (after.reading.words, after.reading.log10_gradients)
    frame = word_frames.beside(of.reading.words, drawn)
    charts.show(
        word_charts.held,
        frame,
        words,
        key="hold",
        alt_text=words("hold.alt"),
        now=reading_lab.told_lines(words, frame),
    )
    if np.isneginf(after.reading.log10_gradients).any():
        st.markdown(words("hold.zero"))
    if out:
        st.button(words("hold.restore"), on_click=controls.forget, args=(page, "out"))


def agree(choice: Choice, of: Seen) -> None:
    """How far the quantities agree on which words count, here and on the test texts."""
    own = {name: "input_gradient" if name == "gradient" else name for name in QUANTITIES}
    sizes = {name: reading_lab.sizes(of, own[name]) for name in QUANTITIES}
    tested = reading_lab.evaluation()["models"][choice.model]["mean"]["agreement"]
    rows = [
        (
            on_test,
            f"| {words(f'colour.{own[a]}')} | {words(f'colour.{own[b]}')} "
            f"| {reading_lab.correlation(rank_correlation(sizes[a], sizes[b]))} "
            f"| {reading_lab.correlation(on_test)} |",
        )
        for pair, on_test in tested.items()
        for a, b in [pair.split(", ")]
    ]
    st.markdown(words("agree.text"))
    st.markdown(
        "\n".join([words("agree.head"), "|---|---|--:|--:|", *(row for _, row in sorted(rows)[::-1])])
    )
    mean = reading_lab.evaluation()["models"][choice.model]["mean"]
    contributions = reading_lab.values(of, "contribution")
    st.markdown(
        words(
            "agree.read",
            opening=reading_lab.correlation(tested["opening, deletion"]),
            gradient=reading_lab.correlation(tested["gradient, deletion"]),
            contribution=reading_lab.correlation(mean["contribution with deletion"]),
            here=reading_lab.correlation(rank_correlation(contributions, reading_lab.values(of, "deletion"))),
        )
    )


def fails(choice: Choice, _of: Seen) -> None:
    """Where the models are wrong."""
    name = name_of(choice.network, choice.training)
    reader = reading_lab.model(name)
    said = {failure: signed(reader.read(words(f"fails.{failure}")).prediction) for failure in FAILURES}
    rows = [f"| {words(f'fails.{failure}')} | {rating} |" for failure, rating in said.items()]
    head = words("fails.head", name=words(f"cells.{choice.network}_{choice.training}"))
    st.markdown("\n".join([head, "|---|--:|", *rows]))
    found = reading_lab.evaluation()
    figures = found["models"][name]["mean"]
    numbers = figures["r within"] | {
        "r": figures["r"],
        "engine": found["baselines"]["VADER engine"]["tweets"],
    }
    st.markdown(
        words(
            "fails.text",
            late=plain(round(100 * figures["later half"])),
            known=plain(100 * LEAST_KNOWN),
            most=LONGEST,
            trained=Recipe(choice.network, economy=True).longest,
            long=LONG,
            bad=said["bad"],
            not_bad=said["not_bad"],
            **{key: reading_lab.correlation(number) for key, number in numbers.items()},
        )
    )


def convoy(choice: Choice, of: Seen) -> None:
    """The grain analogy goes on: a convoy that decides what to carry."""
    openings, trace = reading_lab.values(of, "opening"), of.reading.trace
    word = int(np.argmax(openings))
    stages = len(openings) - 1 - word
    if trace is None or not stages:
        st.markdown(words("convoy.short"))
        return
    left = float(log10_survival(trace.cell, trace, word)[-1, 0])
    st.markdown(
        words(
            "convoy.plain" if choice.training == "plain" else "convoy.text",
            word=reading_lab.quoted(words, of, [word]),
            loaded=plain(100 * float(openings[word])),
            small=int(np.sum(openings < SMALL_LOAD * openings.max())),
            limit=plain(100 * SMALL_LOAD),
            median=plain(100 * float(np.median(openings))),
            count=len(openings),
            stages=stages,
            left=from_log10(left + 2),
            eaten=plain(100 * (1 - 10 ** (left / stages))),
        )
    )


def figures(_choice: Choice, _of: Seen) -> None:
    """What the models reach, beside what is reached without them, and the control."""
    found = reading_lab.evaluation()
    named = {
        words(f"cells.{network}_{training}"): found["models"][name_of(network, training)]["mean"]
        for training in TRAININGS
        for network in NETWORKS
    }
    named[words("cells.rnn")] = found["models"]["rnn"]["mean"]
    named |= {words(f"figures.shuffled_{name}"): found["shuffled"][name]["mean"] for name in NETWORKS}
    named |= {words(f"figures.{name.replace(' ', '_')}"): of for name, of in found["baselines"].items()}
    rows = [
        " | ".join([f"| {label}", *(reading_lab.correlation(of.get(column)) for column in COLUMNS), ""])
        for label, of in named.items()
    ]
    chinese = plain(round(100 * found["models"][CHINESE]["mean"]["accuracy"], 1))
    st.markdown(
        words("figures.text", test=f"{found['texts']['test']:,}", seeds=len(found["seeds"]), chinese=chinese)
    )
    st.markdown("\n".join([words("figures.head"), "|---" + "|--:" * len(COLUMNS) + "|", *rows]))
    least, most = MIDDLING
    st.markdown(words("figures.read", least=least, most=most, share=plain(100 * KEPT_IN_TABLE)))
    st.code(claim_test.COMMAND, language=None, wrap_lines=True)
    st.code(words("figures.code"), language=None, wrap_lines=True)


def code(choice: Choice, _of: Seen) -> None:
    """The picture, its numbers and code, and the settings, to take home."""
    take_home.section(page, notebooks.of_reading(words, choice))


SECTIONS = {
    "look": look,
    "gates": gates,
    "survival": survival,
    "along": along,
    "claim": claim,
    "hold": hold,
    "agree": agree,
    "fails": fails,
    "convoy": convoy,
    "figures": figures,
    "code": code,
}

if not reading_lab.weights_are_there(page):
    st.stop()

lesson.ask(page, gating_lesson.GATING)
chosen = reading_lab.choose(page)


@st.fragment
def at_the_word() -> None:
    """What follows the picked word: a pick draws this part of the page alone."""
    choice = chosen._replace(picked=controls.index(page, "word", len(chosen.tokens)))
    of = reading_lab.read(choice)
    strip, reading = st.columns([3, 1], gap="medium")
    with strip:
        reading_lab.draw(
            *(page, choice, of),
            key="strip",
            picked=choice.picked,
            on_pick=lambda which: controls.set_index(page, "word", which),
        )
        paths = reading_lab.gradients(words, choice)
        reading_lab.say_window(words, choice, of)
        frame = word_frames.over_words(of.reading.words, paths, choice.picked)
        charts.show(
            word_charts.GRADIENTS[reading_lab.style(choice)],
            frame,
            words,
            key="gradients",
            alt_text=words("gradients.alt"),
            now=reading_lab.told_lines(words, frame),
        )
    with reading:
        for sentence in reading_lab.story(words, choice, of):
            st.markdown(sentence)
    SECTIONS[controls.section(page, tuple(SECTIONS))](choice, of)


at_the_word()
