"""The pictures that both a section of a page and an answer of its lesson show; `now` says what they show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from core.arrays import Array
from pages.shared import charts, cliff_lab, compute, directions, frames
from pages.shared.frame import Page
from pages.shared.frames import Line


def draw_surface(
    page: Page,
    settings: cliff_lab.Settings,
    now: str,
    *,
    key: str,
    on_select: Literal["ignore", "rerun"] = "ignore",
) -> None:
    """The surface with the cliff, and the two descents over it."""
    charts.show(
        cliff_lab.relief(),
        cliff_lab.descents(settings),
        page.words,
        key=key,
        alt_text=page.words("surface.alt"),
        now=now,
        on_select=on_select,
        scale=page.scale,
    )


def draw_arrows(page: Page, cut: directions.Cut, now: str) -> None:
    """A gradient, clipped by norm and by value."""
    charts.show(
        charts.arrows,
        frames.arrows(page.words, directions.lines(cut)),
        page.words,
        key="direction",
        alt_text=page.words("direction.alt"),
        now=now,
        width="content",
        scale=page.scale,
    )


def draw_losses(page: Page, pair: compute.VanishingPair, now: str) -> None:
    """The losses of a run whose gradient vanishes, clipped and not."""
    losses = {page.words("cut.clipped"): pair.clipped, page.words("cut.free"): pair.free}
    charts.show(
        charts.vanishing_losses,
        frames.curves(losses),
        page.words,
        key="cannot",
        alt_text=page.words("cannot.alt"),
        now=now,
        scale=page.scale,
    )


def draw_reach(page: Page, reach: compute.Reach, now: str) -> None:
    """The share of parameters that an update leaves as they were, by the distance of the input."""
    charts.show(
        charts.unchanged,
        frames.lines([Line(name, name, share) for name, share in reach.unchanged.items()]),
        page.words,
        key="update",
        alt_text=page.words("update.alt"),
        now=now,
        scale=page.scale,
    )


def draw_gates(page: Page, paths: Mapping[str, Array], now: str) -> None:
    """The gradients' paths through RNN, LSTM and GRU, those of `gated_lab.paths`."""
    lines = [
        Line(page.words(f"gates.{name}"), "lstm" if name == "memory" else name, path)
        for name, path in paths.items()
    ]
    charts.show(
        charts.gated,
        frames.lines(lines),
        page.words,
        key="gates",
        alt_text=page.words("gates.alt"),
        now=now,
        scale=page.scale,
    )
