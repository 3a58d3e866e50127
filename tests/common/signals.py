# SPDX-License-Identifier: Apache-2.0
"""Signals as a program in a terminal has them, for children of tests: a background run ignores some."""

DEFAULTS = """
import signal
for number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
