# SPDX-License-Identifier: Apache-2.0
"""Bitstreams for ECP5 boards by nextpnr and ecppack."""
