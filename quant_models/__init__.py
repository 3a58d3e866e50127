# SPDX-License-Identifier: Apache-2.0
"""M³ViT in PyTorch: data, training, quantization, QONNX export, quantization to the integer graph."""

import warnings

# Brevitas looks for an optional speed-up that nothing here uses, and says so on every start.
warnings.filterwarnings("ignore", message="fast_hadamard_transform")
