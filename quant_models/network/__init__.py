# SPDX-License-Identifier: Apache-2.0
"""M³ViT in PyTorch: configuration, layers, mixture of experts, float weights."""
