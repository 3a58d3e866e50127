# SPDX-License-Identifier: Apache-2.0
"""A Vivado batch project, running it, and reading its reports."""
