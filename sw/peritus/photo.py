# SPDX-License-Identifier: Apache-2.0
"""Picture files: the one reader of them, for every command and data set."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT, TiffImageFile

from peritus.image import ImageError, check_image, fit_image, with_channels
from peritus.schema import cause, file_fault

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 1 << 26  # 67 million: decoded, 200 MB
MIN_SIDE = 8  # a picture smaller than a patch shows nothing
MAX_ASPECT = 32.0  # longer side by the shorter
BACKGROUND = (255, 255, 255)  # behind transparent pixels, as viewers show them
UINT16_BITS, UINT16_MAX = 16, 65535
_UNSIGNED = 1  # a SampleFormat of TIFF


def read_photo(path: Path) -> npt.NDArray[np.uint8]:
    """A picture file as uint8 [height, width, 3].

    Turned as its EXIF orientation says. 16-bit grey is scaled to 8 bits, float to 0..255 if it lies in 0..1;
    16-bit colour keeps its upper 8. Grey, palettes and CMYK become RGB; transparent pixels lie on white; of
    an animation, the first frame. Colour profiles are not applied.

    Raises:
        ImageError: no such file, a folder, no picture or of a format that is not read; damaged; more than
        MAX_PIXELS, a side below MIN_SIDE or an aspect above MAX_ASPECT; values of no known range.
    """
    if fault := file_fault(path):
        raise ImageError(f"image {path} {fault}, expected a picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures: the limit here is lower; of odd metadata
            with Image.open(path, formats=FORMATS) as image:
                _check_size(path, *image.size)
                image.seek(0)
                _check_samples(path, image)
                return _as_rgb(path, ImageOps.exif_transpose(image), _white_is_zero(image))
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"image {path} has more pixels than the {MAX_PIXELS:,} that are read") from error
    except Exception as error:  # decoders raise what they like
        raise ImageError(
            f"image {path} cannot be read: {cause(error)}; read are {', '.join(FORMATS)}"
        ) from error


def photo_for(path: Path, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """A picture file as an image of `shape`, (height, width, channels): cropped, scaled, gray if it has one.

    Raises as read_photo; ImageError if the shape has other channels than 1 or 3.
    """
    height, width, channels = shape
    image = with_channels(fit_image(read_photo(path), height, width), channels)
    return check_image(image, height, width, channels)


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(f"image {path} has {width} x {height} pixels, at most {MAX_PIXELS:,} are read")
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"image {path} has {width} x {height} pixels, expected {MIN_SIDE} or more each way")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(
            f"image {path} has {width} x {height} pixels, one side more than {MAX_ASPECT:g} times the other"
        )


def _check_samples(path: Path, image: Image.Image) -> None:
    """Refuse samples whose meaning the decoder does not keep."""
    if isinstance(image, TiffImageFile) and image.mode.startswith("I"):
        bits = _tag(image, BITSPERSAMPLE, 1)
        signed = _tag(image, SAMPLEFORMAT, _UNSIGNED) != _UNSIGNED
        if bits != UINT16_BITS or signed:
            raise ImageError(
                f"image {path} has {'signed ' if signed else ''}integers of {bits} bits, "
                f"expected 16 bits, 0 to {UINT16_MAX}"
            )
    tiles = getattr(image, "tile", ())  # of each: decoder, place, offset, arguments
    wide = any(";16" in str(arguments) for *_, arguments in tiles)
    if image.mode == "RGB" and "transparency" in image.info and wide:  # decoded to 8 bits, the value is not
        raise ImageError(
            f"image {path} has one transparent colour of 16 bits, expected 8 bits, or an alpha channel"
        )


def _white_is_zero(image: Image.Image) -> bool:
    """Of a TIFF whose decoder leaves that to us."""
    wide = isinstance(image, TiffImageFile) and image.mode.startswith(("I", "F"))
    return wide and _tag(image, PHOTOMETRIC_INTERPRETATION, 1) == 0


def _tag(image: Image.Image, tag: int, default: int) -> int:
    """A number of a TIFF's header, of its first channel."""
    assert isinstance(image, TiffImageFile)
    value = image.tag_v2.get(tag, default)
    return int(value[0] if isinstance(value, tuple) else value)


def _as_rgb(path: Path, image: Image.Image, white_is_zero: bool) -> npt.NDArray[np.uint8]:
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image)
        grey = _as_bytes(path, values)
        if white_is_zero:
            grey = np.invert(grey)  # 255 - grey
        if "transparency" in image.info:  # one value
            grey[values == image.info["transparency"]] = BACKGROUND[0]
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        picture = image.convert("RGBA")
        ground = Image.new("RGBA", picture.size, (*BACKGROUND, 255))
        image = Image.alpha_composite(ground, picture)
    return np.array(image.convert("RGB"))


def _as_bytes(path: Path, values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Grey of more than 8 bits, or float, as 8 bits."""
    low, high = float(values.min()), float(values.max())
    if np.issubdtype(values.dtype, np.floating):
        if not (low >= 0 and high <= 1):  # also if one is not a number
            raise ImageError(f"image {path} has float values from {low:g} to {high:g}, expected 0 to 1")
        return _rounded(values.astype(np.float64) * 255)
    if not (low >= 0 and high <= UINT16_MAX):
        raise ImageError(
            f"image {path} has integers from {low:g} to {high:g}, expected 16 bits, 0 to {UINT16_MAX}"
        )
    return _rounded(values.astype(np.float64) * (255 / UINT16_MAX))


def _rounded(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    levels: npt.NDArray[np.uint8] = np.rint(values).astype(np.uint8)
    return levels
