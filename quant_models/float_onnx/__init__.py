# SPDX-License-Identifier: Apache-2.0
"""A float ONNX file of a vision transformer, read as a network of ours and, behind its last block, the host's
tail.

`graph` loads the file and runs it once, so that whatever does not depend on pixels is a constant. `values`
are what a tensor can be, `rules` what each operator makes of them, `network` puts them together, `tail` cuts
off the rest, `read` does all of it and compares the result with the file.
"""

from quant_models.float_onnx.module import read_module
from quant_models.float_onnx.read import read_float_onnx

__all__ = ["read_float_onnx", "read_module"]
