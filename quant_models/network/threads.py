# SPDX-License-Identifier: Apache-2.0
"""How many cores PyTorch computes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """As a context or a decorator.

    One thread adds up in one order, so what sums decide is the same on any number of cores (another kind of
    processor may add in another order). And it does not wait for others that a busy machine has put aside.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
