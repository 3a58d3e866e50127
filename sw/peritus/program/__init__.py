# SPDX-License-Identifier: Apache-2.0
"""Instructions, bundles and their text form."""
