# SPDX-License-Identifier: Apache-2.0
"""What a program is proved to do before a device sees it: docs/verifier.md.

Every job that can be asked for is walked once: addresses, counts, segments of the weight stream, sums in the
accumulators, what memories hold, and the waiting bits. What is accepted runs to its end on every device, with
the same integers.
"""

from peritus.verifier.errors import ProgramRefused
from peritus.verifier.verify import verify_program

__all__ = ["ProgramRefused", "verify_program"]
