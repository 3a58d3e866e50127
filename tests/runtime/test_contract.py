# SPDX-License-Identifier: Apache-2.0
"""The contract of peritus.runtime.Device, on every device."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bench_driver import NullDevice
from numpy.typing import NDArray

from peritus.arch.config import load_config
from peritus.bundle import BundleConfigError, BundleTaskError
from peritus.devices import BUILT_IN
from peritus.image import ImageError
from peritus.runtime import Device, open_device
from peritus.runtime.driver.runner import FRAME_BUFFERS, IN_FLIGHT
from peritus.runtime.errors import BufferUnavailable, CallError, DeviceBusy, DeviceClosed, NotLoaded
from tests.common.copy_program import HW, IMAGE, bundle, table

MARKS = {"verilator": pytest.mark.sim, "pynq": pytest.mark.board}
WAIT_S = 60
Images = Iterator[NDArray[np.uint8]]


def every_device() -> list[object]:
    """All of the table, and the driver on a device that computes nothing."""
    found: list[object] = ["null"]
    for spec in BUILT_IN:
        marks = [MARKS[name] for name in spec.packages if name in MARKS]
        if "g++" in spec.programs and not spec.packages:
            marks.append(pytest.mark.hls)
        if spec.kind == "board":
            marks.append(pytest.mark.skip(reason=f"{spec.name} is a board; its driver is tested simulated"))
        found.append(pytest.param(spec.name, marks=marks))
    return found


@pytest.fixture(params=every_device())
def empty(request: pytest.FixtureRequest) -> Iterator[Device]:
    """A device without a bundle."""
    with NullDevice(HW, 0.0) if request.param == "null" else open_device(request.param, HW) as device:
        yield device


@pytest.fixture
def device(empty: Device) -> Device:
    empty.load(bundle())
    return empty


def check_works(device: Device) -> None:
    result = device.run(IMAGE, task="second").outputs["second"]
    assert result.shape == table(1).shape
    if device.name != "null":
        np.testing.assert_array_equal(result, table(1))


def calls(device: Device) -> list[Callable[[], object]]:
    """Every call that uses the device."""
    return [
        lambda: device.run(IMAGE, task="first"),
        lambda: device.run_batch([IMAGE], ["first"]),
        lambda: list(device.stream([IMAGE], ["first"])),
        device.reset,
        lambda: device.load(bundle()),
    ]


def test_nothing_runs_before_a_bundle_is_loaded(empty: Device) -> None:
    for call in [*calls(empty)[:-1], empty.buffer, lambda: empty.release(IMAGE)]:
        with pytest.raises(NotLoaded, match=r"call load\(\) first"):
            call()
    empty.load(bundle())
    check_works(empty)


def test_bad_calls_leave_the_device_as_it_was(device: Device) -> None:
    with pytest.raises(BundleTaskError, match="unknown task 'third'"):
        device.run(IMAGE, task="third")
    for wrong in (IMAGE[1:], IMAGE.astype(np.int16)):
        with pytest.raises(ImageError):
            device.run(wrong, task="first")
    with pytest.raises(BundleConfigError):
        device.load(replace(bundle(), hw=load_config("edge")))
    with pytest.raises(CallError, match="1 images for 2 tasks, expected one image per task"):
        device.run_batch([IMAGE], ["first", "second"])
    for call in (device.run_batch, device.stream):
        with pytest.raises(
            CallError, match=r"tasks is the text 'first', expected a list of names, \['first'\]"
        ):
            list(call([IMAGE], "first"))
    nothing: Any = None
    text: Any = "no"
    for call in (device.run_batch, device.stream):
        for images, tasks, said in (([IMAGE], nothing, "tasks is a"), (nothing, ["first"], "images is a")):
            with pytest.raises(CallError, match=f"{said} NoneType, expected a list"):
                list(call(images, tasks))
        with pytest.raises(CallError, match="features is 'no', expected True or False"):
            list(call([IMAGE], ["first"], features=text))
    for bundle_like in (nothing, text):
        with pytest.raises(CallError, match="expected a Bundle"):
            device.load(bundle_like)
    with pytest.raises(ImageError):
        list(device.stream([IMAGE, IMAGE[1:]], ["first", "first"]))
    check_works(device)


def test_a_batch_is_checked_before_it_runs(device: Device) -> None:
    held = device.buffer()
    with pytest.raises(ImageError):
        device.run_batch([held, IMAGE[1:]], ["first"] * 2)
    device.release(held)  # not run, so still the caller's


def test_a_stream_ends_with_the_shorter_and_takes_images_as_there_is_room(device: Device) -> None:
    taken: list[NDArray[np.uint8]] = []

    def camera() -> Images:
        while True:
            taken.append(IMAGE)
            yield IMAGE

    for done, result in enumerate(device.stream(camera(), ["first", "second"] * 3)):
        assert result.task.name == ("first", "second")[done % 2]
        # Fewer where several jobs finished before the host looked.
        assert done < len(taken) <= min(done + IN_FLIGHT, 6)
    assert done == 5
    assert len(list(device.stream([IMAGE] * 2, itertools.repeat("first")))) == 2


def test_another_call_during_a_stream(device: Device) -> None:
    stream = device.stream([IMAGE] * 4, ["second"] * 4)
    next(stream)
    for call in calls(device):
        with pytest.raises(DeviceBusy, match=f"the {device.name} device is in use"):
            call()
    rest = [result.outputs["second"] for result in stream]
    assert len(rest) == 3
    check_works(device)


def test_another_thread_during_a_call(device: Device) -> None:
    inside, go_on, done = threading.Event(), threading.Event(), []

    def camera() -> Images:
        inside.set()
        assert go_on.wait(WAIT_S)
        yield IMAGE

    worker = threading.Thread(target=lambda: done.extend(device.run_batch(camera(), ["second"])))
    worker.start()
    assert inside.wait(WAIT_S)
    for call in calls(device):
        with pytest.raises(DeviceBusy):
            call()
    go_on.set()
    worker.join(WAIT_S)
    assert len(done) == 1
    check_works(device)


@pytest.mark.parametrize("how", ["closed", "collected"])
def test_an_abandoned_stream_frees_the_device(device: Device, how: str) -> None:
    stream = device.stream([IMAGE] * 4, ["first"] * 4)
    next(stream)
    if how == "closed":
        stream.close()  # type: ignore[attr-defined]
    else:
        del stream
        gc.collect()
    check_works(device)
    assert len([device.buffer() for _ in range(FRAME_BUFFERS)]) == FRAME_BUFFERS


def test_an_error_of_the_camera_frees_the_device(device: Device) -> None:
    def camera() -> Images:
        yield IMAGE
        raise RuntimeError("lens cap")

    with pytest.raises(RuntimeError, match="lens cap"):
        list(device.stream(camera(), ["first"] * 2))
    check_works(device)


def test_closed_is_closed(device: Device) -> None:
    device.close()
    device.close()
    for call in [*calls(device), device.buffer, lambda: device.release(IMAGE)]:
        with pytest.raises(DeviceClosed, match=f"the {device.name} device has been closed"):
            call()


def test_closing_during_a_stream(device: Device) -> None:
    """By another thread; the stream is told, and so is who comes later."""
    stream = device.stream([IMAGE] * 4, ["first"] * 4)
    next(stream)
    closer = threading.Thread(target=device.close)
    closer.start()
    closer.join(WAIT_S)
    assert not closer.is_alive()
    with pytest.raises(DeviceClosed):
        device.run(IMAGE, task="first")
    with pytest.raises(DeviceClosed):
        next(stream)


def test_frame_buffers_have_one_owner(device: Device) -> None:
    held = [device.buffer() for _ in range(FRAME_BUFFERS)]
    assert all(buffer.shape == IMAGE.shape and buffer.dtype == np.uint8 for buffer in held)
    with pytest.raises(BufferUnavailable, match=f"all {FRAME_BUFFERS}"):
        device.buffer()
    with pytest.raises(BufferUnavailable):  # nowhere to copy it to
        device.run(IMAGE, task="first")
    device.release(held[0])
    with pytest.raises(BufferUnavailable, match="not a frame buffer"):
        device.release(held[0])
    with pytest.raises(BufferUnavailable, match="still running"):
        device.run_batch([held[1], held[1][:]], ["first"] * 2)
    device.run_batch(held[2:], ["first"] * (FRAME_BUFFERS - 2))
    check_works(device)


def test_results_are_the_callers(device: Device) -> None:
    first = device.run(IMAGE, task="second", features=True)
    maps, features = first.outputs["second"].copy(), first.raw_features
    assert features is not None
    kept = features.copy()
    device.run_batch([IMAGE] * 2 * IN_FLIGHT, ["first"] * 2 * IN_FLIGHT, features=True)
    np.testing.assert_array_equal(first.outputs["second"], maps)
    np.testing.assert_array_equal(features, kept)
    first.outputs["second"][:] = 0
    check_works(device)


def test_closed_by_an_event_loop(device: Device) -> None:
    """`async with` closes as `with` does, and leaves the loop free meanwhile."""

    async def use() -> None:
        async with device as opened:
            check_works(opened)

    asyncio.run(use())
    with pytest.raises(DeviceClosed):
        device.run(IMAGE, task="first")
