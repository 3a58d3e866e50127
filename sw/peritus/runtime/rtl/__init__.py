# SPDX-License-Identifier: Apache-2.0
"""The RTL as a device: cycle-accurate simulation."""
