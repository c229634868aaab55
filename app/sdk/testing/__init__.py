"""The conformance suite: hostile tests, generated from a connector's manifest and its simulator.

Inherit `ConnectorContract` in a test of your own repository, or run ``stallholder connectors check``.
"""

from .contract import ConnectorContract
from .rules import RULES
from .verdict import Verdict, examine

__all__ = ["RULES", "ConnectorContract", "Verdict", "examine"]
