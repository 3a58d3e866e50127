# SPDX-License-Identifier: Apache-2.0
"""Float networks on the processor of this machine, as others would run them: what `peritus bench` compares
with.

`export` writes them as ONNX for ONNX Runtime, `int8` makes their matrices int8, by PyTorch or by ONNX
Runtime, `work` says what is timed.
"""
