"""Numbers as a reader sees them: powers of ten with real superscripts."""

from __future__ import annotations

import math

SUPERSCRIPTS = str.maketrans("-−0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power_of_ten(exponent: int) -> str:
    """10⁻³⁸ for −38."""
    return "10" + str(exponent).translate(SUPERSCRIPTS)


def from_log10(log10_value: float) -> str:
    """10**log10_value to two digits, at any size: 0.12, 6.4, 3,700, 2.5·10⁴¹, 0, ∞."""
    if math.isnan(log10_value):
        return "NaN"
    if math.isinf(log10_value):
        return "∞" if log10_value > 0 else "0"
    if -2 <= log10_value < 4:
        return plain(10**log10_value)
    exponent = math.floor(log10_value)
    mantissa = round(10 ** (log10_value - exponent), 1)
    if mantissa >= 10:
        mantissa, exponent = 1.0, exponent + 1
    return power_of_ten(exponent) if mantissa == 1 else f"{mantissa:g}·{power_of_ten(exponent)}"


def plain(value: float) -> str:
    """A number to about three digits, 0.125 or 3,700; a power of ten where it isn't of everyday size."""
    if value and not 1e-4 <= abs(value) < 1e6 and math.isfinite(value):
        return ("−" if value < 0 else "") + from_log10(math.log10(abs(value)))
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:,.{min(digits, 6)}f}".replace("-", "−")
    return text.rstrip("0").rstrip(".") if "." in text else text
