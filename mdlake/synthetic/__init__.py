"""The synthetic ministry: a coherent population and its producers' deliveries, with planted defects.

For tests, the demonstration and public dummy data. It shares no code with the standard and the principles
that must catch its defects, and nothing that runs in production imports it.
"""

from __future__ import annotations

from mdlake.synthetic.delivery import DeliveredFile, GroundTruth
from mdlake.synthetic.ministry import Ministry
from mdlake.synthetic.page import Canary

__all__ = ["Canary", "DeliveredFile", "GroundTruth", "Ministry"]
