# SPDX-License-Identifier: Apache-2.0
"""What quantization costs: float against every way to integers, on images that none of them has seen."""
