"""Experiments of the literature, run again: scripts that state what they spent, and the engine below them."""
