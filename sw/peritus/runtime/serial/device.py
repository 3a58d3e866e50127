# SPDX-License-Identifier: Apache-2.0
"""The `ulx3s` device: the accelerator on a ULX3S at the other end of a serial line."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.runtime.driver.accelerator import Accelerator
from peritus.runtime.driver.device import DrivenDevice
from peritus.runtime.driver.platform import Limit
from peritus.runtime.errors import DeviceBusy
from peritus.runtime.serial.client import LinkClient, Patience
from peritus.runtime.serial.errors import LinkError
from peritus.runtime.serial.platform import LinkPlatform
from peritus.runtime.serial.port import SerialTransport, find_port
from peritus.runtime.serial.transport import Transport

DEFAULT_LIMIT = Limit(seconds=10)  # for each frame
BAUD = 2_000_000
FTDI, FT231X = 0x0403, (0x6015, 0x6001)  # USB IDs of the board's serial adapter


class LinkDevice(DrivenDevice):
    """Implements peritus.runtime.Device over a link; a subclass opens the line.

    Opening it checks whose registers are there. A line that fails is closed; the next call opens it again.

    Args:
        hw: the configuration that the bitstream must be of. limit: for each frame, in seconds.
        patience: with the line. sending: told bytes sent and in all, while a bundle is sent that did not
            come with the bitstream.

    Raises:
        PortError: the line cannot be opened. LinkTimeout: nothing answers there.
        ForeignDevice: the bitstream is not of this accelerator, driver version and configuration.
    """

    def __init__(
        self,
        hw: HwConfig,
        *,
        limit: Limit = DEFAULT_LIMIT,
        patience: Patience = Patience(),  # noqa: B008
        sending: Callable[[int, int], None] | None = None,
    ) -> None:
        super().__init__(hw, limit)
        self._patience = patience
        self._sending = sending
        self._client: LinkClient | None = None
        try:
            Accelerator(self._connect(), hw)  # of the right configuration?
        except BaseException:
            self._disconnect()
            raise

    @abstractmethod
    def _transport(self) -> Transport:
        """A freshly opened line."""

    @property
    def client(self) -> LinkClient:
        """The open line; LinkError while it is closed."""
        if self._client is None:
            raise LinkError(f"the line to the {self.name} device is closed")
        return self._client

    def _connect(self) -> LinkPlatform:
        if self._client is None:
            transport = self._transport()
            try:
                self._client = LinkClient(transport, self._patience)
            except BaseException:
                transport.close()
                raise
        return LinkPlatform(self._client, self._sending)

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _power_up(self, bundle: Bundle) -> LinkPlatform:
        return self._connect()

    def _revive(self) -> None:
        """Open the line again: the board may have been unplugged."""
        self._disconnect()

    def close(self) -> None:
        """Stop the device and close the line; raises as DrivenDevice.close, which leaves the line open."""
        try:
            super().close()
        except DeviceBusy:
            raise
        except BaseException:
            self._disconnect()
            raise
        self._disconnect()


class UartDevice(LinkDevice):
    """A ULX3S on a serial port.

    Args:
        port: for example /dev/ttyUSB0; default: the only one with the board's USB IDs. baud: as the bitstream
            has it.
        other arguments and exceptions: of LinkDevice.
    """

    name = "ulx3s"

    def __init__(
        self,
        hw: HwConfig,
        *,
        port: str | None = None,
        baud: int = BAUD,
        limit: Limit = DEFAULT_LIMIT,
        patience: Patience = Patience(),  # noqa: B008
        sending: Callable[[int, int], None] | None = None,
    ) -> None:
        self._port, self._baud = port, baud
        super().__init__(hw, limit=limit, patience=patience, sending=sending)

    def _transport(self) -> Transport:
        return SerialTransport(self._port or find_port(FTDI, FT231X), self._baud)
