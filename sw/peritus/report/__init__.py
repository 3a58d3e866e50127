# SPDX-License-Identifier: Apache-2.0
"""What people see of a result: numbers and pictures."""

from peritus.report.pictures import render
from peritus.report.record import output_record, run_record, same_result

__all__ = ["output_record", "render", "run_record", "same_result"]
