# SPDX-License-Identifier: Apache-2.0
"""The functions of the package's own name space. What they need is imported when they are called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peritus.arch import HwConfig
    from peritus.bundle import Bundle
    from peritus.compiler.expert_use import ExpertUse
    from peritus.frontends.qonnx_file import ImportedModel
    from peritus.ir import QuantModel
    from peritus.runtime import Device

MODELS = Path(__file__).resolve().parent / "models"


def model_names() -> list[str]:
    """Names of the quantized models that come with the package."""
    return sorted(path.stem for path in MODELS.glob("*.safetensors"))


def model_path(name: str) -> Path:
    """The file of a shipped model; ModelFileError lists the known ones."""
    from peritus.ir import ModelFileError

    path = MODELS / f"{name}.safetensors"
    if not path.is_file():
        known = ", ".join(model_names())
        raise ModelFileError(f"unknown model {name!r}; known: {known}, or a .safetensors or .onnx file")
    return path


def load_model(name_or_path: str | Path) -> QuantModel:
    """A quantized model: one of model_names(), a model file (.safetensors) or a QONNX export (.onnx).

    Raises:
        ModelFileError: no such model, or the file is truncated, corrupted or of another version.
        GraphError, UnsupportedLayerError: a layer that the accelerator does not have; names the node.
    """
    from peritus.ir import ModelFileError, QuantModel

    if not isinstance(name_or_path, (str, Path)):
        raise ModelFileError(
            f"a model is asked for by a {type(name_or_path).__name__}, expected a name or path"
        )
    path = Path(name_or_path)
    if path.suffix == ".onnx":
        return import_qonnx(path).model
    if path.suffix != ".safetensors":
        path = model_path(str(name_or_path))
    return QuantModel.load(path)


def compile(  # noqa: A001 (peritus.compile)
    model: QuantModel, *, hw: str | HwConfig, together: bool = False, use: ExpertUse | None = None
) -> Bundle:
    """Compile a model for a hardware configuration, or the name of one.

    together: with a job of all tasks of an image, which shares what they have in common: device.run(image,
    task="together"). use: how much each expert is used, by name of the router; seldom used ones come last.

    Raises:
        ConfigError: unknown hardware. CapacityError: the model is too large for one of its memories; names
        it, what is needed and what there is. CompileError: the model cannot be mapped; names the node.
    """
    from peritus.arch import load_config
    from peritus.compiler import CompileError, compile_model
    from peritus.ir import QuantModel

    if not isinstance(model, QuantModel):
        raise CompileError(f"the model is a {type(model).__name__}, expected what peritus.load_model returns")
    return compile_model(model, load_config(hw), together=together, use=use)


def load_bundle(path: str | Path) -> Bundle:
    """A compiled model that `Bundle.save` or `peritus compile` wrote.

    Raises:
        BundleError: no such file, or it is truncated, corrupted or of another version.
    """
    from peritus.bundle import Bundle

    return Bundle.load(path)


def open_device(name: str, *, hw: str | HwConfig, **options: Any) -> Device:
    """A device to be used as a context manager; see peritus.runtime.Device.

    name: of a device of peritus.devices, for example "iss" or "rtl"; docs/driver.md lists them.
    options: of the device.

    Raises:
        UnknownDeviceError, DeviceOptionError, ConfigError: no such device, option or hardware.
        BoardError: no PYNQ, board or bitstream.
    """
    from peritus.runtime import open_device as open_named

    return open_named(name, hw, **options)


def import_qonnx(path: str | Path) -> ImportedModel:
    """A QONNX export (.onnx), with how well it agrees with QONNX's own execution and what each node became.

    Raises:
        ModelFileError: no such file, no ONNX, or the extra 'models' is not installed.
        GraphError, UnsupportedLayerError: as load_model.
    """
    from peritus.ir import ModelFileError
    from peritus.resources import how_to_install

    try:
        from peritus.frontends.qonnx_file import read_qonnx
    except ImportError as error:
        raise ModelFileError(
            f"reading {path} needs the extra 'models': {how_to_install('models')}"
        ) from error
    return read_qonnx(Path(path))
