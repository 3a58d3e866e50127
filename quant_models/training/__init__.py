# SPDX-License-Identifier: Apache-2.0
"""Training of M³ViT: float multi-task training with balanced routers, then quantization-aware training."""
