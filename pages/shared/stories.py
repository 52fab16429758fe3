"""What a computation shows, as sentences with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import LOG10_2, Array
from core.descent import Update
from pages.shared.numbers import from_log10, plain
from pages.shared.words import Words

ROUNDING = 1e-9  # decades: less than this is no growth


def half_from(log10_path: Array) -> int | None:
    """The first step at which the gradient is at most half of what it was; None if it never is."""
    reached = log10_path <= log10_path[0] - LOG10_2
    return int(np.argmax(reached)) if reached.any() else None


def training_story(words: Words, updates: Sequence[Update]) -> list[str]:
    """What happened to a training run, a sentence a fact."""
    last = updates[-1]
    if last.first_nan is None and last.first_inf is None:
        first_loss, last_loss = plain(updates[0].loss), plain(last.loss)
        return [words("training.alive", updates=len(updates), first=first_loss, last=last_loss)]
    story = []
    if last.first_inf is None:
        story.append(words("training.no_inf"))
    for kind, failure in (("first_inf", last.first_inf), ("first_nan", last.first_nan)):
        if failure is not None:
            story.append(
                words(
                    f"training.{kind}",
                    update=failure.update,
                    operation=words(f"training.operation.{failure.operation}"),
                    step="" if failure.step is None else words("training.step", t=failure.step),
                    cause=words(f"training.cause.{failure.cause}"),
                )
            )
    if last.first_inf is not None and last.first_inf.operation == "norm":
        log10_norm = updates[last.first_inf.update - 1].log10_norm
        story.append(words("training.norm_first", size=from_log10(log10_norm)))
    if last.first_nan is not None:
        story.append(words("training.after"))
    return story


class Transient(NamedTuple):
    """What ‖W^k‖ does before the end, as a key of the words and the values of its sentence."""

    kind: str
    values: dict[str, str]
    norms: Array


def transient(norms: Array, radius: float) -> Transient:
    """Where log10 ‖W^k‖ peaks, and from where on it is below 0; cut off well after that."""
    peak = int(np.argmax(norms))
    after = np.flatnonzero(norms[peak:] < 0)
    below = peak + int(after[0]) if len(after) and peak > 0 else None
    shown = norms[: max(3 * below, 20)] if below is not None else norms
    values = {
        "peak": from_log10(norms[peak]),
        "step": f"{peak:,}",
        "below": f"{below:,}" if below is not None else "",
        "steps": f"{len(norms) - 1:,}",
    }
    if radius >= 1:
        return Transient("text_growing", values, norms)
    if norms[peak] <= ROUNDING:
        return Transient("text_monotone", values, norms)
    return Transient("text" if below is not None else "text_never", values, shown)


def computed_story(words: Words, name: str, path: Array, exact: Array) -> str:
    """Where a type's path parts from the exact one, by a factor of two, and where it ends."""
    with np.errstate(invalid="ignore"):
        apart = ~(np.abs(path - exact) < LOG10_2)
    if not apart.any():
        return words("computed.holds", type=name)
    ends = {"computed": from_log10(path[-1]), "exact": from_log10(exact[-1])}
    return words("computed.parts", type=name, step=f"{int(np.argmax(apart)):,}", **ends)


def last_distance(words: Words, last: int | None, farthest: int) -> str:
    """The last distance at which an update still changes a parameter, as the words say it."""
    if last is None:
        return words("update.none")
    return words("update.all", steps=f"{farthest:,}") if last == farthest else f"{last:,}"
