# SPDX-License-Identifier: Apache-2.0
"""A page of this machine for this machine: drop a photo, watch it run, see map and report."""
