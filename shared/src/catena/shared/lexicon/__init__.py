"""The lexicon: every source's variable -> one name, unit, direction and meaning.

Light to import: pint is loaded with the first conversion.
"""

from __future__ import annotations

from catena.shared.lexicon.defects import Defect, defects
from catena.shared.lexicon.units import factor_offset, same_units
from catena.shared.lexicon.variables import Variable, variable, variables
from catena.shared.lexicon.vocabularies import Row, lookup, rows, vocabulary_names

__all__ = [
    "Defect",
    "Row",
    "Variable",
    "defects",
    "factor_offset",
    "lookup",
    "rows",
    "same_units",
    "variable",
    "variables",
    "vocabulary_names",
]
