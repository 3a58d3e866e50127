# SPDX-License-Identifier: Apache-2.0
"""Proofs for all inputs that a unit of the HLS twin equals its RTL block: `make prove`."""
