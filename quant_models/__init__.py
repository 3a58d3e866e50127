# SPDX-License-Identifier: Apache-2.0
"""M³ViT in PyTorch, its Brevitas twin, calibration, QONNX export and quantization to the integer graph."""
