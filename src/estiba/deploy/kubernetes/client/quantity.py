"""Quantities of Kubernetes, such as `100m` or `192Mi`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

UNITS: Final[Mapping[str, Decimal]] = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("0.001"),
    "": Decimal(1),
    **{unit: Decimal(1000) ** (power + 1) for power, unit in enumerate(("k", "M", "G", "T", "P", "E"))},
    **{unit: Decimal(1024) ** (power + 1) for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))},
}
"""Factors of the units."""

_QUANTITY: Final = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)")
"""Number and unit; `12e6` has an exponent, and `12E` a unit (apimachinery, `resource.Quantity`)."""


def parse(text: object) -> Decimal:
    """Parse a quantity of Kubernetes, such as `100m` or `192Mi`; 0 for what is none."""
    found = _QUANTITY.fullmatch(str(text))
    return Decimal(found[1]) * UNITS.get(found[2], Decimal(1)) if found else Decimal(0)
