# SPDX-License-Identifier: Apache-2.0
"""Boards behind a serial line: frames, retransmission, and the driver's platform on top of them.

protocol.py     commands, statuses, sizes: the one home of every number; the RTL's package is made from it
emit.py         writes that package
frame.py        bytes of a frame: stuffing, length, CRC
transport.py    a byte stream; serial.py: pyserial's
client.py       requests and answers: sequence numbers, time-outs, retransmission
platform.py     peritus.runtime.driver.platform.Platform: registers, buffers and interrupt over the link
"""
