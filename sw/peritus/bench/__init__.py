# SPDX-License-Identifier: Apache-2.0
"""One table: frames on the RTL, checked bit for bit, beside the cycle model, the host's processor and what
others published."""

from peritus.bench.cases import CASES, Case, bundle_of, find_cases
from peritus.bench.measure import model_cycles, rows

__all__ = ["CASES", "Case", "bundle_of", "find_cases", "model_cycles", "rows"]
