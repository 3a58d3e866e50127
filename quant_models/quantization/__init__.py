# SPDX-License-Identifier: Apache-2.0
"""From a float network to integers: calibration, folding, GPTQ, the fake-quantized model, QONNX export."""
