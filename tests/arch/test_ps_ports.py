# SPDX-License-Identifier: Apache-2.0
"""The ways from the logic to the processor's memory."""

from peritus.arch.ps_ports import PS_PORTS, shared


def test_names_of_the_processors_interfaces() -> None:
    assert (PS_PORTS["HPC0"].interface, PS_PORTS["HPC0"].clock) == ("S_AXI_HPC0_FPD", "saxihpc0_fpd_aclk")
    assert (PS_PORTS["HP3"].interface, PS_PORTS["HP3"].gp) == ("S_AXI_HP3_FPD", 5)


def test_who_shares_a_port_of_the_memory_controller() -> None:
    assert shared(["HP0", "HP1", "HP2", "HP3"]) == ((1, 2),)
    assert shared(["HPC1", "HP3", "HPC0", "HP0"]) == ((0, 2),)
    assert shared(["HP0", "HP1", "HP3", "HPC0"]) == ()
