# SPDX-License-Identifier: Apache-2.0
"""Device `hls`: the accelerator in Vitis HLS C++ (hls/), compiled for this machine."""
