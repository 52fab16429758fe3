"""The linear RNN that the two linear pages are about, and the controls that choose it."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from core.arrays import Array
from core.linear import GRADIENT_KINDS, LARGEST_SIZE, MATRIX_KINDS
from pages.shared import compute, controls, own_matrix_panel
from pages.shared.frame import Page

LARGEST_STEPS = 10_000
OWN = "own"


class Settings(NamedTuple):
    """What the reader has set."""

    kind: str
    n: int
    seed: int
    gradient_kind: str
    steps: int
    entered: Array | None  # the reader's own matrix, where `kind` is OWN


class Lab(NamedTuple):
    """The RNN that the page is about, at the spectral radius that the reader has chosen."""

    settings: Settings
    W: Array  # (n, n), at `radius`
    gradient: Array  # (n,)
    radius: float
    paths: compute.Paths  # at the radius 1
    norms: Array  # (steps + 1,), log10, at `radius`


def choose(page: Page, *, radius: float, steps: int, kind: str = "gaussian", n: int = 16) -> Lab:
    """Draw the controls; the RNN they describe, from the link where it says otherwise."""
    words = page.words
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = controls.choice(page, "kind", [*MATRIX_KINDS, OWN], kind)
        chosen_steps = controls.number(page, "steps", 1, LARGEST_STEPS, steps, step=50)
        gradient_kind = controls.choice(page, "gradient", GRADIENT_KINDS, "random")
        with st.popover(words("controls.more")):
            if kind != OWN:
                n = controls.number(page, "n", 1, LARGEST_SIZE, n)
            seed = controls.number(page, "seed", 0, 9999, 7)
    entered = own_matrix_panel.draw(page) if kind == OWN else None
    settings = Settings(kind, n, seed, gradient_kind, chosen_steps, entered)
    system = _system(page, settings)
    if system.own_radius > 0:
        default = system.own_radius if kind == OWN else radius
        rho = controls.radius(page, default, of="own" if kind == OWN else "made")
        W = system.W * rho
    else:
        page.complain("own.nilpotent")
        rho, W = 1.0, system.W
    paths = compute.paths(system.W, system.gradient, chosen_steps)
    return Lab(settings, W, system.gradient, rho, paths, compute.at_radius(paths.norms, rho))


def _system(page: Page, settings: Settings) -> compute.System:
    """The RNN of the settings, with a random gradient where theirs can't be had."""
    try:
        return _make(settings)
    except ValueError:
        page.complain("gradient_impossible")
        return _make(settings._replace(gradient_kind="random"))


def _make(settings: Settings) -> compute.System:
    if settings.entered is not None:
        return compute.own_system(settings.entered, settings.seed, settings.gradient_kind)
    return compute.make_system(settings.kind, settings.n, settings.seed, settings.gradient_kind)
