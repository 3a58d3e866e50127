# SPDX-License-Identifier: Apache-2.0
"""Loaders of public data sets, on tiny folders of each layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from quant_models.data.cityscapes import DEFAULT_BASELINE, DEFAULT_FOCAL_LENGTH, LABEL_IDS, Cityscapes
from quant_models.data.dataset import IGNORE, NO_DEPTH, DataError
from quant_models.data.nyud import Nyud
from quant_models.data.open import open_dataset, open_training
from quant_models.data.pascal import PascalContext
from quant_models.network.config import CITYSCAPES_CLASSES, TaskConfig

HEIGHT, WIDTH = 8, 16  # of the files; the loaders halve them
SIZE = (HEIGHT // 2, WIDTH // 2)


def write(path: Path, pixels: npt.NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def photo(seed: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def blocks(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Every value as a 2 x 2 block: halving by nearest pixel gives the values back."""
    return values.repeat(2, axis=0).repeat(2, axis=1)


# --- Cityscapes ---

CITY, FRAME = "aachen", "aachen_000000_000019"


def cityscapes_file(root: Path, kind: str, split: str = "val", frame: str = FRAME) -> Path:
    folder, suffix = {
        "image": ("leftImg8bit", "leftImg8bit.png"),
        "labels": ("gtFine", "gtFine_labelIds.png"),
        "disparity": ("disparity", "disparity.png"),
        "camera": ("camera", "camera.json"),
    }[kind]
    return root / folder / split / CITY / f"{frame}_{suffix}"


IDS = np.arange(SIZE[0] * SIZE[1], dtype=np.uint8).reshape(SIZE)  # label ids 0..31
DISPARITY = (257 + 256 * np.arange(SIZE[0] * SIZE[1])).astype(np.uint16).reshape(SIZE)  # 1, 2, ... pixels


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    disparity = DISPARITY.copy()
    disparity[0, :2] = 0, 1  # unknown; infinitely far
    for seed, frame in enumerate((FRAME, "aachen_000001_000019")):
        write(cityscapes_file(tmp_path, "image", frame=frame), photo(seed))
        write(cityscapes_file(tmp_path, "labels", frame=frame), blocks(IDS))
        write(cityscapes_file(tmp_path, "disparity", frame=frame), blocks(disparity))
    return tmp_path


def test_cityscapes_gives_train_ids_and_metres(cityscapes: Path) -> None:
    data = Cityscapes(cityscapes, "val", SIZE)
    assert len(data) == 2
    assert [(t.name, t.kind, t.channels) for t in data.tasks] == [
        ("semseg", "segmentation", 19),
        ("depth", "depth", 1),
    ]
    sample = data[0]
    expected = [LABEL_IDS.index(i) if i in LABEL_IDS else IGNORE for i in IDS.flat]
    assert sample.targets["semseg"].dtype == np.uint8
    assert sample.targets["semseg"].flatten().tolist() == expected
    depth = sample.targets["depth"].flatten()
    assert depth.dtype == np.float32
    assert depth[:2].tolist() == [NO_DEPTH, NO_DEPTH]
    assert depth[2:] == pytest.approx(DEFAULT_BASELINE * DEFAULT_FOCAL_LENGTH / np.arange(3, 33), rel=1e-6)
    # Halving an image is the mean over the area: within what the filter's tails and rounding add.
    assert sample.image.shape == (*SIZE, 3)
    assert sample.image.dtype == np.uint8
    assert sample.image.mean() == pytest.approx(photo(0).mean(), abs=4)


def test_official_train_ids() -> None:
    """The table of cityscapesScripts, name by name."""
    official = {
        "road": 7,
        "sidewalk": 8,
        "pole": 17,
        "traffic light": 19,
        "sky": 23,
        "train": 31,
        "bicycle": 33,
    }
    assert {name: LABEL_IDS[CITYSCAPES_CLASSES.index(name)] for name in official} == official


def test_cityscapes_camera_file_replaces_the_defaults(cityscapes: Path) -> None:
    path = cityscapes_file(cityscapes, "camera")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"extrinsic": {"baseline": 0.5}, "intrinsic": {"fx": 100.0}}))
    data = Cityscapes(cityscapes, "val", SIZE)
    assert data[0].targets["depth"].flatten()[2:4] == pytest.approx([50 / 3, 50 / 4])
    assert data[1].targets["depth"].flatten()[2] == pytest.approx(DEFAULT_BASELINE * DEFAULT_FOCAL_LENGTH / 3)


def test_a_choice_of_classes_ignores_the_rest(cityscapes: Path) -> None:
    data = Cityscapes(cityscapes, "val", SIZE, classes=("sky", "road"))
    assert data.tasks[0].classes == ("sky", "road")
    labels = data[0].targets["semseg"]
    assert labels[IDS == 23].tolist() == [0]
    assert labels[IDS == 7].tolist() == [1]
    assert np.all(labels[(IDS != 23) & (IDS != 7)] == IGNORE)


def test_batch_is_the_samples(cityscapes: Path) -> None:
    data = Cityscapes(cityscapes, "val", SIZE)
    images, targets = data.batch(np.array([1, 0]))
    for row, index in enumerate((1, 0)):
        assert np.array_equal(images[row], data[index].image)
        for task in ("semseg", "depth"):
            assert np.array_equal(targets[task][row], data[index].targets[task])


def _remove(kind: str) -> Callable[[Path], None]:
    return lambda root: cityscapes_file(root, kind).unlink()


def _text(kind: str, text: str) -> Callable[[Path], None]:
    def put(root: Path) -> None:
        cityscapes_file(root, kind).parent.mkdir(parents=True, exist_ok=True)
        cityscapes_file(root, kind).write_text(text)

    return put


def _pixels(kind: str, pixels: npt.NDArray[Any]) -> Callable[[Path], None]:
    return lambda root: write(cityscapes_file(root, kind), pixels)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_remove("labels"), "gtFine_labelIds.png does not exist, expected for .*leftImg8bit.png"),
        (_remove("disparity"), "disparity.png does not exist, expected for .*leftImg8bit.png"),
        (_pixels("labels", IDS), "labelIds.png is 4 x 8 pixels, expected 8 x 16 as its image .*leftImg8bit"),
        (_pixels("disparity", DISPARITY), "disparity.png is 4 x 8 pixels, expected 8 x 16"),
        (_pixels("labels", blocks(IDS + 3)), r"labelIds.png has label 34 in 4 pixels, expected 0\.\.33"),
        (_pixels("labels", photo(0)), r"shape \(8, 16, 3\) of uint8, expected one channel of integers"),
        (_text("image", "no picture"), "leftImg8bit.png cannot be read"),
        (
            _text("camera", "{}"),
            "camera file .*KeyError.*expected numbers extrinsic.baseline and intrinsic.fx",
        ),
        (_text("camera", "{"), "camera file .*expected numbers"),
        (_text("camera", "[" * 100000), "camera file .*expected numbers"),
        (
            _text("camera", '{"extrinsic": {"baseline": 1' + "0" * 400 + '}, "intrinsic": {"fx": 9}}'),
            "camera file .*expected numbers",
        ),
        (
            _text("camera", '{"extrinsic": {"baseline": 0}, "intrinsic": {"fx": 9}}'),
            "baseline 0.0, fx 9.0, expected positive",
        ),
    ],
)
def test_damaged_cityscapes_is_named(cityscapes: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(cityscapes)
    with pytest.raises(DataError, match=message):
        Cityscapes(cityscapes, "val", SIZE)[0]


def test_missing_cityscapes_folders_are_named(cityscapes: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"folder .*leftImg8bit/train does not exist"):
        Cityscapes(cityscapes, "train", SIZE)
    with pytest.raises(DataError, match="no split 'validation'; it has train, val, test"):
        Cityscapes(cityscapes, "validation", SIZE)
    (tmp_path / "leftImg8bit" / "test").mkdir(parents=True)
    with pytest.raises(DataError, match=r"leftImg8bit/test has no images, expected CITY/\*_leftImg8bit.png"):
        Cityscapes(tmp_path, "test", SIZE)
    with pytest.raises(DataError, match="no class 'lamp'; it has road, sidewalk"):
        Cityscapes(cityscapes, "val", SIZE, classes=("lamp",))


# --- NYUDv2 and PASCAL-Context ---


def nyud_folder(root: Path) -> Path:
    labels = IDS.copy()  # 0 = unlabelled, then 1..31
    labels[-1, -1] = 40
    depth = np.arange(IDS.size, dtype=np.float32).reshape(SIZE) / 4  # the first is 0 = unknown
    write(root / "images" / "0001.jpg", photo(0))
    write(root / "segmentation" / "0001.png", blocks(labels))
    (root / "depth").mkdir()
    np.save(root / "depth" / "0001.npy", blocks(depth))
    (root / "gt_sets").mkdir()
    (root / "gt_sets" / "val.txt").write_text("0001\n")
    return root


def test_nyud(tmp_path: Path) -> None:
    data = Nyud(nyud_folder(tmp_path), "val", SIZE)
    assert (len(data), data.name) == (1, "nyud val")
    assert [(t.name, t.channels) for t in data.tasks] == [("semseg", 40), ("depth", 1)]
    targets = data[0].targets
    assert targets["semseg"].flatten().tolist() == [IGNORE, *range(30), 39]
    assert targets["depth"].flatten().tolist() == [NO_DEPTH, *(i / 4 for i in range(1, 32))]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "gt_sets" / "val.txt").unlink(), r"val\.txt: the file does not exist"),
        (lambda root: (root / "gt_sets" / "val.txt").write_text("\n"), r"val\.txt is empty"),
        (lambda root: (root / "images" / "0001.jpg").unlink(), r"0001\.jpg does not exist"),
        (
            lambda root: (root / "depth" / "0001.npy").unlink(),
            "npy does not exist, expected for .*jpg",
        ),
        (lambda root: (root / "depth" / "0001.npy").write_text("?"), r"0001\.npy is no readable array"),
        (
            lambda root: np.save(root / "depth" / "0001.npy", np.zeros((3, 4))),
            "3 x 4 pixels, expected 8",
        ),
        (
            lambda root: np.save(root / "depth" / "0001.npy", np.full((HEIGHT, WIDTH), np.nan)),
            "depth nan in 128 pixels, expected finite metres",
        ),
        (
            lambda root: np.save(root / "depth" / "0001.npy", np.full((HEIGHT, WIDTH), -1.0)),
            "depth -1.0 in 128 pixels, expected finite metres >= 0",
        ),
        (
            lambda root: write(root / "segmentation" / "0001.png", blocks(IDS + 10)),
            r"label 41 in 4 pixels, expected 0\.\.40",
        ),
    ],
)
def test_damaged_nyud_is_named(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(nyud_folder(tmp_path))
    with pytest.raises(DataError, match=message):
        Nyud(tmp_path, "val", SIZE)[0]


def pascal_folder(root: Path) -> Path:
    labels = np.minimum(IDS, 20)
    labels[0, 0] = IGNORE
    for name, source in (("2008_000002", "VOC12"), ("2008_000003", "pascal-context")):
        write(root / "JPEGImages" / f"{name}.jpg", photo(0))
        path = root / "semseg" / source / f"{name}.png"
        path.parent.mkdir(parents=True)
        picture = Image.fromarray(blocks(labels), mode="P")  # VOC's PNGs hold indices into a palette
        picture.putpalette(list(range(256)) * 3)
        picture.save(path)
        write(root / "sal_distill" / f"{name}.png", blocks((IDS * 8).astype(np.uint8)))
    (root / "ImageSets" / "Context").mkdir(parents=True)
    (root / "ImageSets" / "Context" / "train.txt").write_text("2008_000002\n2008_000003\n")
    return root


def test_pascal(tmp_path: Path) -> None:
    data = PascalContext(pascal_folder(tmp_path), "train", SIZE)
    assert len(data) == 2
    assert [(t.name, t.channels) for t in data.tasks] == [("semseg", 21), ("sal", 2)]
    for sample in (data[0], data[1]):  # one from either folder of labels
        assert sample.targets["semseg"].flatten().tolist() == [IGNORE, *range(1, 21), *[20] * 11]
        assert sample.targets["sal"].flatten().tolist() == [0] * 16 + [1] * 16


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda root: (root / "semseg" / "VOC12" / "2008_000002.png").unlink(),
            r"pascal-context/2008_000002\.png does not exist, expected for .*2008_000002\.jpg",
        ),
        (
            lambda root: (root / "sal_distill" / "2008_000002.png").unlink(),
            r"sal_distill/2008_000002\.png does not exist",
        ),
        (
            lambda root: write(root / "semseg" / "VOC12" / "2008_000002.png", blocks(IDS)),
            r"label 21 in 44 pixels, expected 0\.\.20 or 255",
        ),
        (
            lambda root: (root / "ImageSets" / "Context" / "train.txt").unlink(),
            r"train\.txt: the file does not exist",
        ),
    ],
)
def test_damaged_pascal_is_named(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(pascal_folder(tmp_path))
    with pytest.raises(DataError, match=message):
        PascalContext(tmp_path, "train", SIZE)[0]


# --- by name ---


def test_data_sets_open_by_name(tmp_path: Path, cityscapes: Path) -> None:
    nyud, pascal = tmp_path / "nyud", tmp_path / "pascal"
    nyud.mkdir()
    nyud_folder(nyud), pascal_folder(pascal)
    for spec, split, name in (
        (f"cityscapes:{cityscapes}", "val", "cityscapes val"),
        (f"nyud:{nyud}", "val", "nyud val"),
        (f"pascal:{pascal}", "train", "pascal train"),
    ):
        data = open_dataset(spec, split, *SIZE, count=1)
        assert (data.name, len(data), data[0].image.shape) == (name, 1, (*SIZE, 3))
    assert open_dataset(f"cityscapes:{cityscapes}", "val", *SIZE, ("sky",)).tasks[0].classes == ("sky",)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("kitti:/data", r"unknown data set 'kitti:/data'; known: scenes, cityscapes:FOLDER, nyud:FOLDER"),
        ("cityscapes", "unknown data set 'cityscapes'"),
        ("cityscapes:", "unknown data set 'cityscapes:'"),
        ("scenes:/data", "unknown data set 'scenes:/data'"),
        ("nyud:/does/not/exist", "folder /does/not/exist does not exist"),
    ],
)
def test_unknown_data_sets(spec: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_dataset(spec, "val", *SIZE)


def test_training_on_a_public_data_set_takes_all_of_it(cityscapes: Path) -> None:
    tasks = (TaskConfig("semseg", "segmentation", 2, ("road", "sky")), TaskConfig("depth", "depth", 1))
    spec = f"cityscapes:{cityscapes}"
    with pytest.raises(DataError, match=r"folder .*leftImg8bit/train does not exist"):
        open_training(tasks, spec, *SIZE)
    for folder in ("leftImg8bit", "gtFine", "disparity"):
        shutil.copytree(cityscapes / folder / "val", cityscapes / folder / "train")
    train, val = open_training(tasks, spec, *SIZE)
    assert (len(train), len(val), train.tasks) == (2, 2, tasks)
    with pytest.raises(DataError, match=r"no labelled split 'test': choose one of train, val \(--split\)"):
        open_dataset(spec, None, *SIZE)
    before = train.fingerprint
    path = cityscapes_file(cityscapes, "camera", "train")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"extrinsic": {"baseline": 0.5}, "intrinsic": {"fx": 100.0}}))
    assert open_training(tasks, spec, *SIZE)[0].fingerprint != before  # depth follows from it


def test_count_is_checked(cityscapes: Path) -> None:
    with pytest.raises(DataError, match="cityscapes val has 2 samples, 3 were asked for"):
        open_dataset(f"cityscapes:{cityscapes}", "val", *SIZE, count=3)
    with pytest.raises(DataError, match=r"nyud.* has no labelled split 'test': choose one of train, val"):
        open_dataset(f"nyud:{cityscapes}", None, *SIZE)
