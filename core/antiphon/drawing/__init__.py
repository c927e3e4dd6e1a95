"""Drawings as SVG: a recovery in time, what caused what in it, and what services do together.

Pure functions from data to text, without a dependency and without a script. What they return can
stand in a page or in a file of its own, follows the reader's choice of light or dark, and says
nothing by colour alone. Text from events is escaped.
"""

from antiphon.drawing.causation import causation
from antiphon.drawing.choreography import choreography
from antiphon.drawing.style import STYLE
from antiphon.drawing.waterfall import waterfall

__all__ = ["STYLE", "causation", "choreography", "waterfall"]
