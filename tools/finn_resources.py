# SPDX-License-Identifier: Apache-2.0
"""Resources of the streaming nodes on an XCZU7EV, by open synthesis: the table of docs/finn.md.

    python tools/finn_resources.py

The sizes are those of the two-block network of tests/finn/networks.py. Estimated, see
peritus.eda.yosys.estimate. Last, the weights of a full-size network beside the memory of the device.
"""

import peritus
from peritus.arch.config import load_config
from peritus.eda.sources import design_files
from peritus.eda.yosys import xcup
from peritus.eda.yosys.estimate import Synthesizer
from peritus.ir.ops import affines
from peritus.resources import resource

MEMORY_BITS = {"RAMB36": 36 * 1024, "URAM288": 288 * 1024}

TOKENS, HEADS, HEAD_DIM, LANES, CHANNELS, HIDDEN, EXPERTS, TOP_K = 9, 2, 16, 4, 32, 64, 4, 2
ROW = {"Lanes": LANES, "Channels": CHANNELS}
ATTENTION = {"HeadDim": HEAD_DIM, "Heads": HEADS, "Tokens": TOKENS}
NODES: dict[str, tuple[str, dict[str, int]]] = {
    "PeritusGelu": ("gelu", {"Lanes": LANES}),
    "PeritusRequant": ("requant", {**ROW, "InW": 25, "OutW": 8}),
    "PeritusLayerNorm": ("layernorm", ROW),
    "PeritusSoftmax": ("softmax", {"Lanes": 3, "Keys": TOKENS}),
    "PeritusScores": ("scores", ATTENTION),
    "PeritusValues": ("values", {**ATTENTION, "Lanes": LANES}),
    "PeritusRouter": ("router", {"Experts": EXPERTS, "TopK": TOP_K}),
    "MoEDispatch": ("dispatch", {**ROW, "Tokens": TOKENS, "Experts": EXPERTS, "TopK": TOP_K}),
    "MoEMVAU": (
        "experts",
        {"Simd": LANES, "Lanes": LANES, "Inputs": CHANNELS, "Outputs": CHANNELS, "Experts": EXPERTS},
    ),
    "MoECombine": ("combine", {**ROW, "Tokens": TOKENS, "Rows": TOKENS * TOP_K}),
    "PeritusAdd": ("add", {"Lanes": LANES}),
    "PeritusFork": ("fork", {"Width": 16 * LANES, "Copies": 2}),
    "PeritusEmbed": ("embed", {**ROW, "Rows": TOKENS, "Prefix": 1}),
}


def main() -> None:
    hw = load_config("nano")  # the nodes know no configuration
    print("| node | LUT | FF | DSP48E2 | RAMB36 | deepest logic |\n|---|---|---|---|---|---|")
    for node, (name, parameters) in NODES.items():
        top = f"peritus_finn_{name}"
        files = design_files(top, None, [resource("sim/finn/estimate")])
        found = Synthesizer(hw, files=files).run(top, parameters=parameters)
        counts = (found.resources[kind] for kind in ("LUT", "FF", "DSP48E2", "RAMB36"))
        print(f"| {node} | {' | '.join(f'{count:g}' for count in counts)} | {found.levels} |", flush=True)
    weights = sum(
        affine.weight.size * affine.weight_bits
        for op in peritus.load_model("m3vit_tiny").graph.nodes
        for affine in affines(op)
    )
    memory = sum(xcup.CAPACITY[kind] * bits for kind, bits in MEMORY_BITS.items())
    print(f"weights of m3vit_tiny: {weights / 8e6:.2f} MB; memory of an {xcup.DEVICE}: {memory / 8e6:.2f} MB")


if __name__ == "__main__":
    main()
