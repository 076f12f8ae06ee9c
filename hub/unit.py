"""Units of measurement. A value in a unit × factor + offset is the value in the family's base unit.

Factors are exact where the unit is defined exactly: International Yard and Pound Agreement (1959), SI Brochure (9th ed.).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hub.errors import Invalid


@dataclass(frozen=True)
class Unit:
    """One unit: its code, its family, and how a value of it becomes one of the base unit."""

    code: str
    family: str
    factor: Decimal
    offset: Decimal = Decimal(0)


_TABLE: dict[str, dict[str, str]] = {
    "length": {
        "m": "1", "nm": "1E-9", "um": "1E-6", "mm": "0.001", "cm": "0.01", "dm": "0.1", "km": "1000",
        "in": "0.0254", "ft": "0.3048", "yd": "0.9144", "mi": "1609.344",
    },
    "area": {"m2": "1", "mm2": "1E-6", "cm2": "0.0001", "ha": "10000", "in2": "0.00064516", "ft2": "0.09290304"},
    "volume": {
        "l": "1", "ml": "0.001", "cl": "0.01", "dl": "0.1", "m3": "1000", "cm3": "0.001",
        "gal": "3.785411784", "floz": "0.0295735295625",
    },
    "mass": {"kg": "1", "mg": "1E-6", "g": "0.001", "t": "1000", "oz": "0.028349523125", "lb": "0.45359237"},
    "time": {"s": "1", "ms": "0.001", "min": "60", "h": "3600", "d": "86400"},
    "temperature": {"K": "1", "C": "1", "F": "0.5555555555555555555555555556"},
    "power": {"W": "1", "mW": "0.001", "kW": "1000"},
    "energy": {"J": "1", "kJ": "1000", "Wh": "3600", "kWh": "3600000"},
    "voltage": {"V": "1", "mV": "0.001", "kV": "1000"},
    "current": {"A": "1", "mA": "0.001"},
    "charge": {"Ah": "1", "mAh": "0.001"},
    "frequency": {"Hz": "1", "kHz": "1000", "MHz": "1000000", "GHz": "1000000000"},
    "data": {
        "B": "1", "kB": "1000", "MB": "1000000", "GB": "1000000000", "TB": "1000000000000",
        "KiB": "1024", "MiB": "1048576", "GiB": "1073741824", "TiB": "1099511627776",
    },
    "data_rate": {"bit/s": "1", "kbit/s": "1000", "Mbit/s": "1000000", "Gbit/s": "1000000000"},
    "angle": {"deg": "1"},
    "sound": {"dB": "1"},
    "pressure": {"Pa": "1", "kPa": "1000", "bar": "100000", "psi": "6894.757293168"},
    "paper_weight": {"g/m2": "1"},
    "luminance": {"cd/m2": "1"},
    "luminous_flux": {"lm": "1"},
    "resolution": {"dpi": "1"},
}  # fmt: skip

_OFFSETS = {"C": "273.15", "F": "255.3722222222222222222222222"}

FAMILIES = tuple(_TABLE)
UNITS = {
    code: Unit(code, family, Decimal(factor), Decimal(_OFFSETS.get(code, "0")))
    for family, units in _TABLE.items()
    for code, factor in units.items()
}


def find(code: str) -> Unit:
    """The unit of that code. Raises ``Invalid`` for one that the hub does not know."""
    if code not in UNITS:
        raise Invalid(f'Unit "{code}" is not known: the hub has {", ".join(UNITS)}.')
    return UNITS[code]


def base(family: str) -> str:
    """The code of a family's base unit, the first one of its table."""
    return next(iter(_TABLE[family]))


def to_base(amount: Decimal, unit: Unit) -> Decimal:
    """The amount in the base unit of the unit's family."""
    return amount * unit.factor + unit.offset
