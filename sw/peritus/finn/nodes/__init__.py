# SPDX-License-Identifier: Apache-2.0
"""Our streaming operators under FINN's attribute names. Importing this registers them.

One file per node; `node` has what they share, `rtl` the Verilog around modules of rtl/finn,
`hls` the C++ around functions of the twin. FINN looks for
nodes in its own domain, finn.custom_op.fpgadataflow, and takes no other.
"""

from peritus.finn.nodes.add import PeritusAdd
from peritus.finn.nodes.combine import MoECombine
from peritus.finn.nodes.dispatch import MoEDispatch
from peritus.finn.nodes.embed import PeritusEmbed
from peritus.finn.nodes.experts import MoEMVAU
from peritus.finn.nodes.fork import PeritusFork
from peritus.finn.nodes.gelu import PeritusGelu
from peritus.finn.nodes.hls import register_hls
from peritus.finn.nodes.layernorm import PeritusLayerNorm
from peritus.finn.nodes.node import PeritusNode
from peritus.finn.nodes.requant import PeritusRequant
from peritus.finn.nodes.router import PeritusRouter
from peritus.finn.nodes.rtl import register
from peritus.finn.nodes.scores import PeritusScores
from peritus.finn.nodes.softmax import PeritusSoftmax
from peritus.finn.nodes.values import PeritusValues

NODES: tuple[type[PeritusNode], ...] = (
    MoECombine,
    MoEDispatch,
    MoEMVAU,
    PeritusAdd,
    PeritusEmbed,
    PeritusFork,
    PeritusGelu,
    PeritusLayerNorm,
    PeritusRequant,
    PeritusRouter,
    PeritusScores,
    PeritusSoftmax,
    PeritusValues,
)

for _node in NODES:
    register(_node)
for _hls in (PeritusGelu, PeritusRequant):
    register_hls(_hls)
