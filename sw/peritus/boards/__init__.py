# SPDX-License-Identifier: Apache-2.0
"""What is copied onto a board: bitstream, bundle, a picture, and what runs the first frame there."""
