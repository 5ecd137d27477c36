"""The claims of the specialization paper, in its order.

`spherical`: Theorem 6 and what it rests on.
"""

from . import spherical

__all__ = ["CLAIMS"]

CLAIMS = (*spherical.CLAIMS,)
