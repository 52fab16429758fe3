"""Explosion: back through t steps the gradient is multiplied by the t-th power of W."""

from pages.shared import charts, linear_lab
from pages.shared.frame import open_page

page = open_page("overview")
words = page.words
lab = linear_lab.choose(page, radius=1.1, steps=1000)
charts.show(charts.gradient_path, linear_lab.path_frame(page, lab), words, key="path", alt_text="x")
