"""The linear RNN that the two linear pages are about, and the controls that choose it."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from core.arrays import Array
from core.linear import GRADIENT_KINDS, LARGEST_SIZE, MATRIX_KINDS
from pages.shared import compute, controls, own_matrix_panel
from pages.shared.frame import Page
from pages.shared.numbers import plain

LARGEST_STEPS = 10_000
STEPS, SIZE, SEED = 1000, 16, 7
OWN = "own"


class Settings(NamedTuple):
    """What the reader has set."""

    kind: str
    n: int
    seed: int
    gradient_kind: str
    steps: int
    entered: Array | None  # the reader's own matrix, where `kind` is OWN


class Setup(NamedTuple):
    """What the reader has set, and the RNN that it describes, at the spectral radius 1."""

    settings: Settings
    system: compute.System


class Lab(NamedTuple):
    """The RNN that the page is about, at the spectral radius that the reader has chosen."""

    settings: Settings
    W: Array  # (n, n), at `radius`
    unit_W: Array  # (n, n), at the radius 1
    gradient: Array  # (n,)
    radius: float
    scalable: bool  # False where W has no eigenvalue but 0, and no radius to choose
    paths: compute.Paths  # at the radius 1
    norms: Array  # (steps + 1,), log10, at `radius`


def choose(page: Page) -> Setup:
    """Draw the controls of everything but the radius; what the reader has set, or the link."""
    words, n = page.words, SIZE
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = controls.choice(page, "kind", [*MATRIX_KINDS, OWN], "gaussian")
        steps = controls.number(page, "steps", 1, LARGEST_STEPS, STEPS, step=50)
        gradient_kind = controls.choice(page, "gradient", GRADIENT_KINDS, "random")
        with st.popover(words("controls.more")):
            if kind != OWN:
                n = controls.number(page, "n", 1, LARGEST_SIZE, n)
            seed = controls.number(page, "seed", 0, 9999, SEED)
    entered = own_matrix_panel.draw(page) if kind == OWN else None
    setup = _setup(page, Settings(kind, n, seed, gradient_kind, steps, entered))
    if setup.system.own_radius == 0:
        page.complain("own.nilpotent")
    return setup


def at_radius(page: Page, setup: Setup, radius: float) -> Lab:
    """Draw the radius slider, at `radius` until it is moved; the RNN at the radius that it says."""
    settings, system = setup
    scalable = system.own_radius > 0
    if scalable:
        default = radius if settings.entered is None else system.own_radius
        rho = controls.radius(page, default, of="made" if settings.entered is None else "own")
        if settings.entered is not None and rho != system.own_radius:
            entered, shown = plain(system.own_radius), plain(rho)
            st.markdown(page.words("own.scaled", entered=entered, shown=shown))
    else:
        rho = 1.0
    return _lab(settings, system, rho)


def made(kind: str, radius: float) -> Lab:
    """The RNN as the page has it until its other controls are moved."""
    settings = Settings(kind, SIZE, SEED, "random", STEPS, None)
    return _lab(settings, _make(settings), radius)


def _lab(settings: Settings, system: compute.System, radius: float) -> Lab:
    paths = compute.paths(system.W, system.gradient, settings.steps)
    scalable = system.own_radius > 0
    W = system.W * radius if scalable else system.W
    norms = compute.at_radius(paths.norms, radius)
    return Lab(settings, W, system.W, system.gradient, radius, scalable, paths, norms)


def _setup(page: Page, settings: Settings) -> Setup:
    """The settings with their RNN; with a random gradient where theirs can't be had."""
    try:
        return Setup(settings, _make(settings))
    except ValueError:
        page.complain("gradient_impossible")
        settings = settings._replace(gradient_kind="random")
        return Setup(settings, _make(settings))


def _make(settings: Settings) -> compute.System:
    if settings.entered is not None:
        return compute.own_system(settings.entered, settings.seed, settings.gradient_kind)
    return compute.make_system(settings.kind, settings.n, settings.seed, settings.gradient_kind)
