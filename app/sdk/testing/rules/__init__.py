"""The rules of the conformance kit, as data: what is asked of a connector, at which level, and how it is seen."""

from .bronze import BRONZE
from .gold import GOLD
from .silver import SILVER

RULES = (*BRONZE, *SILVER, *GOLD)

__all__ = ["BRONZE", "GOLD", "RULES", "SILVER"]
