"""What a job pays: the daily wage of each job, the same in all its months and whichever producer tells of it.

Days worked, benefits and premiums are the lists' matter and not here.
"""

from __future__ import annotations

from functools import cache
from math import exp
from statistics import NormalDist

import numpy as np

from mdlake.synthetic.randomness import Ints, Stream

__all__ = ["daily_wages"]

_MINIMUM_DAILY_WAGE = 2_388_728
_MEDIAN_ABOVE_MINIMUM = 1_100_000
_LOG_WAGE_DEVIATION = 0.9
_WAGE_STEPS = 4096


@cache
def _wage_ladder() -> Ints:
    """Daily wages at equal steps of probability, log-normal above the minimum, lowest first.

    A ladder in place of normal draws, because whole-number interpolation gives the same rial on every
    machine.
    """
    normal = NormalDist(0.0, _LOG_WAGE_DEVIATION)
    steps = [normal.inv_cdf((step + 0.5) / (_WAGE_STEPS + 1)) for step in range(_WAGE_STEPS + 1)]
    return np.array([_MINIMUM_DAILY_WAGE + round(_MEDIAN_ABOVE_MINIMUM * exp(step)) for step in steps])


def daily_wages(seed: int, job: Ints) -> Ints:
    """Rial a day, by the number of the job in the ministry of a seed."""
    draw = Stream(seed, "sso/insured_contributions", "wage").bits(job)
    ladder = _wage_ladder()
    step = (draw >> np.uint64(52)).astype(np.int64)
    part = (draw >> np.uint64(32) & np.uint64(0xFFFF)).astype(np.int64)
    wage = ladder[step] + ((ladder[step + 1] - ladder[step]) * part >> 16)
    is_rounded = (draw & np.uint64(1)) == 0
    return np.where(is_rounded, -(-wage // 10) * 10, wage)
