# SPDX-License-Identifier: Apache-2.0
"""Picture files as they come from cameras, phones, scanners and strangers."""

from __future__ import annotations

import os
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from peritus.image import ImageError
from peritus.photo import FORMATS, MAX_PIXELS, read_photo

ROWS, COLUMNS = 24, 40
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (ROWS, COLUMNS, 3)).astype(np.uint8)
GREY16 = (np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) * 68).astype(np.uint16)


def saved(folder: Path, image: Image.Image | npt.NDArray[Any], name: str, **options: Any) -> Path:
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    picture.save(folder / name, **options)
    return folder / name


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tiff", "webp"])
def test_formats_without_loss(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    assert np.array_equal(read_photo(saved(tmp_path, RGB, f"a.{suffix}", **options)), RGB)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_picture_lies_as_its_orientation_says(tmp_path: Path, orientation: int, suffix: str) -> None:
    """The bright corner of the scene is at its top left, wherever the camera stored it."""
    scene = np.zeros((32, 48, 3), np.uint8)
    scene[:8, :8] = 255
    stored = {
        1: scene,
        2: scene[:, ::-1],
        3: scene[::-1, ::-1],
        4: scene[::-1],
        5: scene.transpose(1, 0, 2),
        6: np.rot90(scene, 1),
        7: scene[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(scene, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read_photo(saved(tmp_path, np.ascontiguousarray(stored), f"a.{suffix}", exif=exif))
    assert found.shape == scene.shape
    assert found[:6, :6].mean() > 200
    assert found[10:].mean() < 20 and found[:, 10:].mean() < 20


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_are_scaled(tmp_path: Path, suffix: str) -> None:
    found = read_photo(saved(tmp_path, GREY16, f"a.{suffix}"))
    expected = np.rint(GREY16 / 257.0).astype(np.uint8)
    assert np.array_equal(found, np.repeat(expected[:, :, None], 3, axis=2))


def test_float_of_a_known_range_is_scaled_and_others_are_refused(tmp_path: Path) -> None:
    values = np.linspace(0, 1, ROWS * COLUMNS, dtype=np.float32).reshape(ROWS, COLUMNS)
    assert np.array_equal(read_photo(saved(tmp_path, values, "a.tiff"))[..., 0], np.rint(values * 255))
    for bad, found in (
        (values * 255, "0 to 255"),
        (values - 0.5, "-0.5 to 0.5"),
        (values * np.nan, "nan to nan"),
    ):
        with pytest.raises(ImageError, match=rf"b\.tiff has float values from {found}, expected 0 to 1"):
            read_photo(saved(tmp_path, bad, "b.tiff"))
    for integers in (np.full((ROWS, COLUMNS), 70000, np.int32), np.full((ROWS, COLUMNS), -1, np.int32)):
        with pytest.raises(ImageError, match="expected 16 bits, 0 to 65535"):
            read_photo(saved(tmp_path, integers, "c.tiff"))


def tiff(folder: Path, values: npt.NDArray[Any], **tags: int) -> Path:
    """A TIFF of one channel, whose tags say what they like: photometric (0: inverse), format (2: signed)."""
    rows, columns = values.shape
    kinds = {"u": 1, "i": 2, "f": 3}
    fields = [
        (256, columns),
        (257, rows),
        (258, values.dtype.itemsize * 8),
        (259, 1),
        (262, tags.get("photometric", 1)),
        (273, 8),
        (277, 1),
        (278, rows),
        (279, values.nbytes),
        (339, tags.get("format", kinds[values.dtype.kind])),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    head = b"II" + struct.pack("<HI", 42, 8 + len(data))
    (folder / "t.tif").write_bytes(head + data + struct.pack("<H", len(fields)) + entries + bytes(4))
    return folder / "t.tif"


@pytest.mark.parametrize("values", [GREY16, (GREY16 / 65535).astype(np.float32)])
def test_white_may_be_zero(tmp_path: Path, values: npt.NDArray[Any]) -> None:
    black_is_zero = read_photo(tiff(tmp_path, values))
    assert black_is_zero.min() == 0 and black_is_zero.max() > 250
    assert np.array_equal(read_photo(tiff(tmp_path, values, photometric=0)), 255 - black_is_zero)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (np.int16, "signed integers of 16 bits"),
        (np.uint32, "has integers of 32 bits"),
        (np.int32, "signed integers of 32 bits"),
    ],
)
def test_integers_of_another_width_are_refused(tmp_path: Path, kind: type[np.generic], said: str) -> None:
    """Their range is not known: small values would make a black picture."""
    with pytest.raises(ImageError, match=rf"{said}, expected 16 bits, 0 to 65535"):
        read_photo(tiff(tmp_path, RGB[..., 0].astype(kind)))


def png(folder: Path, samples: npt.NDArray[np.uint16], colour: int, transparent: bytes) -> Path:
    """16 bits a sample; tRNS says which value is transparent."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, colour, 0, 0, 0)
    parts = ((b"IHDR", header), (b"tRNS", transparent), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    (folder / "t.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return folder / "t.png"


def test_one_transparent_value_of_sixteen_bits(tmp_path: Path) -> None:
    samples = np.where(GREY16 < 30000, np.uint16(1234), GREY16)
    found = read_photo(png(tmp_path, samples, 0, struct.pack(">H", 1234)))
    assert (found[samples == 1234] == 255).all()
    assert np.array_equal(found[samples != 1234][:, 0], np.rint(samples[samples != 1234] / 257.0))
    colour = np.repeat(samples[:, :, None], 3, axis=2)
    with pytest.raises(ImageError, match="one transparent colour of 16 bits, expected 8 bits"):
        read_photo(png(tmp_path, colour, 2, struct.pack(">HHH", 1234, 1234, 1234)))


def test_transparent_pixels_lie_on_white(tmp_path: Path) -> None:
    alpha = np.dstack((RGB, np.full((ROWS, COLUMNS), 255, np.uint8)))
    alpha[:, :20, 3] = 0
    for name in ("a.png", "a.webp"):
        found = read_photo(saved(tmp_path, alpha, name, **({"lossless": True} if "webp" in name else {})))
        assert (found[:, :20] == 255).all()
        assert np.array_equal(found[:, 20:], RGB[:, 20:])
    grey = Image.fromarray(RGB[..., 0]).convert("LA")
    grey.putalpha(0)
    assert (read_photo(saved(tmp_path, grey, "la.png")) == 255).all()
    colour = RGB[:16, :16].copy()
    colour[3, 5] = (1, 2, 3)
    found = read_photo(saved(tmp_path, colour, "one.png", transparency=(1, 2, 3)))
    assert found[3, 5].tolist() == [255] * 3 and np.array_equal(found[4:], colour[4:])
    palette = Image.fromarray(RGB).quantize(8)
    assert (read_photo(saved(tmp_path, palette, "p.png", transparency=bytes(8))) == 255).all()


def test_other_colours(tmp_path: Path) -> None:
    one = Image.fromarray((RGB[..., 0] > 99).astype(np.uint8) * 255).convert("1")
    assert set(np.unique(read_photo(saved(tmp_path, one, "one.png")))) == {0, 255}
    grey = read_photo(saved(tmp_path, RGB[..., 0], "grey.png"))
    assert np.array_equal(grey, np.repeat(RGB[..., :1], 3, axis=2))
    cmyk = Image.new("CMYK", (COLUMNS, ROWS), (0, 255, 255, 0))
    assert read_photo(saved(tmp_path, cmyk, "cmyk.jpg"))[5, 5].tolist() == pytest.approx([255, 0, 0], abs=3)


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (COLUMNS, ROWS), colour) for colour in ("red", "blue")]
    for name in ("a.gif", "a.webp", "a.tiff", "a.png"):
        path = saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:])
        assert read_photo(path)[5, 5].tolist() == pytest.approx([255, 0, 0], abs=6), name


def _png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((10000, 9000), f"10000 x 9000 pixels, at most {MAX_PIXELS:,} are read"),
        ((20000, 10000), f"more pixels than the {MAX_PIXELS:,} that are read"),
        ((1 << 30, 1 << 30), f"more pixels than the {MAX_PIXELS:,} that are read"),
        ((2000, 1), "2000 x 1 pixels, expected 8 or more each way"),
        ((8000, 10), "one side more than 32 times the other"),
        ((0, 10), "cannot be read|expected 8 or more"),
    ],
)
def test_impossible_sizes_are_refused_before_decoding(
    tmp_path: Path, size: tuple[int, int], message: str
) -> None:
    (tmp_path / "a.png").write_bytes(_png_header(*size))
    with pytest.raises(ImageError, match=message):
        read_photo(tmp_path / "a.png")


def test_what_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="nowhere does not exist"):
        read_photo(tmp_path / "nowhere")
    with pytest.raises(ImageError, match="is a folder, expected a picture"):
        read_photo(tmp_path)
    with pytest.raises(ImageError, match="cannot be read: embedded null byte"):
        read_photo(tmp_path / "a\0.png")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="is no regular file, expected a picture"):
        read_photo(tmp_path / "pipe")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    Image.fromarray(RGB).save(tmp_path / "a.ico", sizes=[(16, 16)])
    for name in ("text.png", "empty.jpg", "a.ico"):
        with pytest.raises(ImageError, match=rf"{name} cannot be read: .*; read are {', '.join(FORMATS)}"):
            read_photo(tmp_path / name)


def test_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    """2,100 files with flipped, cut or doubled bytes: an ImageError or a picture, nothing else."""
    rng = random.Random(0)
    originals = []
    for name in ("a.jpg", "a.png", "a.bmp", "a.ppm", "a.tiff", "a.webp", "a.gif"):
        path = saved(tmp_path, GREY16 if name == "a.tiff" else RGB, name)
        originals.append(path.read_bytes())
    refused = 0
    target = tmp_path / "damaged"
    for index in range(2100):
        data = bytearray(originals[index % len(originals)])
        kind = index // len(originals) % 3
        if kind == 0:
            for _ in range(rng.choice([1, 4, 64])):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[rng.randrange(len(data)) :]
        else:
            at = rng.randrange(len(data))
            data[at:at] = data[at : at + rng.randrange(1, 64)] * rng.choice([1, 50])
        target.write_bytes(data)
        try:
            found = read_photo(target)
        except ImageError:
            refused += 1
        else:
            assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3
    assert 500 < refused < 2100
