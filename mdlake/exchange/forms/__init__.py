"""What a producer makes from a contract before it has data: an empty table with the contract's columns, and invented rows.

Both need the configuration alone. Nothing here knows a real value, and nothing that is made here says anything of reality.
"""

from __future__ import annotations

from mdlake.exchange.forms.dummy import invented_rows
from mdlake.exchange.forms.template import write_template
from mdlake.exchange.forms.writing import write_dummy

__all__ = ["invented_rows", "write_dummy", "write_template"]
