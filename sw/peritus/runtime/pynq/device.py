# SPDX-License-Identifier: Apache-2.0
"""The `pynq` device: the accelerator in the programmable logic of a board, through PYNQ."""

from __future__ import annotations

import fcntl
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from peritus.arch import ip
from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.resources import how_to_install
from peritus.runtime.driver.accelerator import Accelerator
from peritus.runtime.driver.device import DrivenDevice
from peritus.runtime.driver.errors import BUILD_AGAIN, BoardError, ForeignDevice
from peritus.runtime.driver.platform import Limit
from peritus.runtime.errors import DeviceBusy
from peritus.runtime.pynq.event_loop import StillRunning, private_loop

if TYPE_CHECKING:
    from peritus.runtime.pynq.ip import PynqPlatform

DEFAULT_LIMIT = Limit(seconds=10)  # for each frame
LOCK_FOLDER = Path("/run")  # root's alone, as PYNQ's registers and memory are
_CLOCK = re.compile(r'NAME="PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ" VALUE="(\d+(?:\.\d+)?)"')
PYNQ_TIMEOUT_S = 120.0  # for what PYNQ does without a limit: finding a board, loading a bitstream
T = TypeVar("T")


class PynqDevice(DrivenDevice):
    """Implements peritus.runtime.Device on a PYNQ board.

    Opening it loads the bitstream into the programmable logic and checks whose registers are there.

    Args:
        hw: the configuration that the bitstream must be of.
        bitstream: .bit with its .hwh beside it; default: peritus_<hw>.bit in the current folder.
        limit: for each frame, in seconds.
        interrupts: False to poll instead, as is done where the overlay or the board offers no interrupt.
        board: a pynq.Device; default: the one that PYNQ finds, which takes root.
        lock_folder: where a file is locked while the board is open.

    overlay: the pynq.Overlay that has been loaded. hw: as given, but for the clock, which is the bitstream's.

    Raises:
        BoardError: PYNQ is not installed, there is no board or no bitstream, the caller is not root, the lock
            file cannot be opened, or PYNQ cannot load the bitstream.
        ForeignDevice: the bitstream is not of this accelerator, driver version and configuration.
        DeviceBusy: the board is open already, here or in another process.
    """

    name = "pynq"

    def __init__(
        self,
        hw: HwConfig,
        *,
        bitstream: str | Path | None = None,
        limit: Limit = DEFAULT_LIMIT,
        interrupts: bool = True,
        board: Any = None,
        lock_folder: Path = LOCK_FOLDER,
    ) -> None:
        super().__init__(hw, limit)
        self._bitstream = _check_bitstream(Path(bitstream or ip.bitstream_name(hw)))
        self._interrupts = interrupts
        self._board = board if board is not None else _find_board()
        self._lock = _lock(self._board, lock_folder)
        try:
            self._platform = self._open()
        except StillRunning as error:
            lock = self._lock  # PYNQ may load the bitstream yet
            error.ended.add_done_callback(lambda _: lock.close())
            raise
        except BaseException:
            self._lock.close()
            raise

    @property
    def platform(self) -> PynqPlatform:
        """Registers, memory and interrupt of the device."""
        return self._platform

    def power_rails(self) -> dict[str, float]:
        """W of each supply that the board's monitors measure now; empty where PYNQ reads none."""
        rails = import_pynq().get_rails()
        return {name: watts for name, rail in rails.items() if (watts := _watts(rail)) is not None}

    def clock_mhz(self) -> float:
        """What the generator of the logic's clock is set to now; BoardError if PYNQ cannot read it."""
        return float(_in_loop(lambda: import_pynq().ps.Clocks.fclk0_mhz, "reading the clock"))

    def _open(self) -> PynqPlatform:
        """Load the bitstream; its accelerator, if it is the expected one."""
        pynq = import_pynq()
        from peritus.runtime.pynq.ip import PynqPlatform

        pynq.Device.active_device = self._board  # PYNQ looks interrupts up there
        overlay = _in_loop(
            lambda: pynq.Overlay(str(self._bitstream), device=self._board), f"loading {self._bitstream}"
        )
        self.hw = replace(self.hw, clock_mhz=clock_of(self._bitstream.with_suffix(".hwh")))
        path = _find_cell(overlay.ip_dict, self._bitstream)

        def cell() -> Any:
            found = overlay
            for part in path.split("/"):
                found = getattr(found, part)
            return found

        self.overlay = overlay
        platform = PynqPlatform(_in_loop(cell, f"cell {path}"), private_loop(), interrupts=self._interrupts)
        Accelerator(platform, self.hw)  # of the right configuration?
        return platform

    def _power_up(self, bundle: Bundle) -> PynqPlatform:
        self._check_present()
        return self._platform

    def _check_present(self) -> None:
        if not self.overlay.is_loaded():
            raise BoardError(f"another overlay has replaced {self._bitstream.name}; open the device again")

    def _revive(self) -> None:
        """Load the bitstream again: what a soft reset did not help."""
        self._platform = self._open()

    def close(self) -> None:
        """Stop the device and let others open the board; the bitstream stays loaded."""
        super().close()
        self._platform.close()
        self._lock.close()


def _check_bitstream(path: Path) -> Path:
    for needed in (path, path.with_suffix(".hwh")):
        if not needed.is_file():
            raise BoardError(f"no bitstream: {needed} does not exist (needed: .bit, and its .hwh beside it)")
    return path.resolve()


def _watts(rail: Any) -> float | None:
    """Of a pynq.pmbus.Rail: measured, or voltage times current."""
    if rail.power is not None:
        return float(rail.power.value)
    if rail.voltage is None or rail.current is None:
        return None
    return float(rail.voltage.value) * float(rail.current.value)


def clock_of(handoff: Path) -> float:
    """MHz that the processor gives the logic, by the .hwh of a bitstream: what it was built to run at.

    Raises:
        BoardError: the file does not say.
    """
    found = _CLOCK.search(handoff.read_text(errors="replace"))
    if found is None:
        raise BoardError(f"{handoff.name} names no clock of the logic (pl_clk0); {BUILD_AGAIN}")
    return round(float(found[1]), 3)


def import_pynq() -> Any:
    """The module; BoardError if it is not installed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "pkg_resources", UserWarning)  # PYNQ's own affair
        try:
            import pynq
        except ImportError as error:
            raise BoardError(f"PYNQ is not installed ({error}): {how_to_install('board')}") from error
    return pynq


def _find_board() -> Any:
    """PYNQ's own device."""
    pynq = import_pynq()

    def probe() -> list[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # says what is raised below
            return list(pynq.Device.devices)

    user = os.geteuid()
    boards = _in_loop(probe, "looking for a board" + (f" as user {user}, not as root" if user else ""))
    if not boards:
        raise BoardError("PYNQ finds no board here: run on the board, as root, with XRT's environment set")
    if user != 0:
        raise BoardError(f"PYNQ lets only root drive a board, and this is user {user}: sudo -i")
    return boards[0]


def _lock(board: Any, folder: Path) -> IO[str]:
    """Held until it is closed or the process ends; DeviceBusy if somebody has it."""
    name = re.sub(r"\W", "_", str(board.tag))
    path = folder / f"peritus_{name}.lock"
    try:
        file = path.open("a")
    except OSError as error:
        raise BoardError(f"the lock file {path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise DeviceBusy(f"the board {board.tag} is open already ({path} is locked)") from None
    except OSError as error:
        file.close()
        raise BoardError(f"the lock file {path} cannot be locked: {error.strerror}") from error
    return file


def _in_loop(function: Callable[[], T], what: str) -> T:
    """Call PYNQ where its interrupts will be waited for; its many kinds of errors as BoardError."""
    try:
        return private_loop().call(function, PYNQ_TIMEOUT_S)
    except StillRunning as error:
        raise StillRunning(f"{what}: {error}", error.ended) from error
    except BoardError as error:
        raise BoardError(f"{what}: {error}") from error
    except Exception as error:
        raise BoardError(f"{what}: {type(error).__name__}: {error}") from error


def _find_cell(ip_dict: dict[str, dict[str, Any]], bitstream: Path) -> str:
    """Path of the accelerator in the block design; ForeignDevice if there is none of this version."""
    types = {name: str(entry.get("type")) for name, entry in ip_dict.items()}
    for name, vlnv in types.items():
        if vlnv == ip.VLNV:
            return name
    others = ", ".join(sorted(set(types.values()))) or "nothing"
    raise ForeignDevice(f"{bitstream.name} has no {ip.VLNV}; it has {others}; {BUILD_AGAIN}")
