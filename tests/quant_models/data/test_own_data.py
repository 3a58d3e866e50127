# SPDX-License-Identifier: Apache-2.0
"""One's own folders: what they give, what is chosen unless one says so, and every fault by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from quant_models.data.dataset import IGNORE, DataError
from quant_models.data.fit import check_fit
from quant_models.data.folder import existing_folder
from quant_models.data.open import open_calibration, open_dataset, open_for, open_training
from quant_models.data.part import spread
from quant_models.network.config import M3VIT_MICRO, TaskConfig
from tests.common.own_data import CLASSES, SIZE, write_classes_file, write_folders, write_maps

HALF = SIZE[0] // 2, SIZE[1] // 2
TASKS = M3VIT_MICRO.tasks


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    return write_maps(write_classes_file(tmp_path / "mine"), 3)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    return write_folders(tmp_path / "pets", ("cat", "dog", "owl"), 2)


def opened(root: Path, split: str | None = None, **options: object):  # type: ignore[no-untyped-def]
    return open_dataset(f"folder:{root}", split, *HALF, **options)  # type: ignore[arg-type]


# --- maps ---


def test_maps(maps: Path) -> None:
    data = opened(maps)
    assert data.tasks == (TaskConfig("semseg", "segmentation", 3, CLASSES), TaskConfig("depth", "depth", 1))
    assert (len(data), data.name) == (3, "mine all")  # all there is
    sample = data[1]
    assert sample.image.shape == (*HALF, 3)
    labels, depth = sample.targets["semseg"], sample.targets["depth"]
    assert (labels.dtype, depth.dtype, labels.shape, depth.shape) == (np.uint8, np.float32, HALF, HALF)
    assert set(np.unique(labels)) == {0, 2, IGNORE}
    assert np.array_equal(depth == 4, labels == 0)
    assert set(np.unique(opened(maps, classes=("sky",))[0].targets["semseg"])) == {0, IGNORE}


def test_depth_as_png_is_millimetres(maps: Path) -> None:
    for path in (maps / "depth").iterdir():
        Image.fromarray(np.round(np.load(path) * 1000).astype(np.uint16)).save(path.with_suffix(".png"))
        path.unlink()
    assert set(np.unique(opened(maps)[0].targets["depth"])) == {4, 40}


@pytest.mark.parametrize("absent", ["labels", "depth"])
def test_one_kind_of_map_is_enough(maps: Path, absent: str) -> None:
    (maps / absent).rename(maps.parent / absent)
    assert [t.name for t in opened(maps).tasks] == [{"labels": "depth", "depth": "semseg"}[absent]]


def test_a_picture_turned_by_exif_fits_its_upright_maps(maps: Path) -> None:
    path = maps / "images" / "000.png"
    lying = Image.open(path).transpose(Image.Transpose.ROTATE_90)
    exif = lying.getexif()
    exif[0x0112] = 6
    path.unlink()
    lying.save(path.with_suffix(".jpg"), exif=exif, quality=95)
    sample = opened(maps)[0]
    assert sample.image[:, :, 0][sample.targets["semseg"] == 2].mean() > 150


def _save(path: str, pixels: np.ndarray) -> Callable[[Path], object]:
    return lambda root: Image.fromarray(pixels).save(root / path)


def _array(values: np.ndarray) -> Callable[[Path], object]:
    return lambda root: np.save(root / "depth" / "000.npy", values)


def _text(path: str, text: str | bytes) -> Callable[[Path], object]:
    return lambda root: (root / path).write_bytes(text.encode() if isinstance(text, str) else text)


def _move(path: str, to: str) -> Callable[[Path], object]:
    return lambda root: (root / path).rename(root / to)


def _pipe(path: str) -> Callable[[Path], object]:
    return lambda root: ((root / path).unlink(), os.mkfifo(root / path))


def _folder(path: str) -> Callable[[Path], object]:
    return lambda root: ((root / path).unlink(), (root / path).mkdir())


def _remove_all(*names: str) -> Callable[[Path], object]:
    return lambda root: [path.unlink() for name in names for path in (root / name).iterdir()]


FULL = np.zeros(SIZE)
HUGE = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000000), }".ljust(118)
HUGE = np.lib.format.magic(1, 0) + len(HUGE).to_bytes(2, "little") + HUGE
MAP_FAULTS = {
    "no labels": (_move("labels/001.png", "x"), r"images/001\.png has no labels/001\.png in .*mine"),
    "no depth": (_move("depth/001.npy", "x"), r"images/001\.png has no depth/001\.npy"),
    "no image": (_move("images/001.png", "x"), r"labels/001\.png has no image of the same stem: add it"),
    "no images": (_remove_all("images"), r"images has no pictures \(\.bmp"),
    "no maps": (
        lambda root: [_move(name, f"no {name}")(root) for name in ("labels", "depth")],
        "neither labels/ nor depth/: there is nothing to learn",
    ),
    "size": (_save("labels/000.png", FULL.astype(np.uint8)[1:]), r"labels/000\.png is 47 x 80.* 48 x 80 as"),
    "label": (
        _save("labels/000.png", (FULL + 3).astype(np.uint8)),
        r"labels/000\.png has label 3 in 3840 pixels, expected 0\.\.2 or 255",
    ),
    "colour": (_save("labels/000.png", np.zeros((*SIZE, 3), np.uint8)), "expected one channel of integers"),
    "bit": (_save("labels/000.png", FULL.astype(bool)), "of bool, expected one channel of integers"),
    "lossy": (_move("labels/000.png", "labels/000.jpg"), r"labels/000\.jpg is not read, expected \.png"),
    "lossy inside": (
        lambda root: Image.new("L", SIZE[::-1]).save(root / "labels/000.png", "JPEG"),
        r"labels/000\.png is no readable PNG",
    ),
    "8 bits": (
        lambda root: [_move("depth/000.npy", "x")(root), _save("depth/000.png", FULL.astype(np.uint8))(root)],
        r"depth/000\.png has 8 bits, expected a depth of 16 bits in millimetres",
    ),
    "twice": (_save("depth/000.png", FULL.astype(np.uint16)), r"000\.png and .*000\.npy have the same stem"),
    "millimetres": (_array(FULL + 3500), "depth 3500, expected 0 to 1000 metres: is it in millimetres"),
    "nan": (_array(FULL * np.nan), "depth nan in 3840 pixels, expected finite metres"),
    "negative": (_array(FULL - 1), "depth -1.0"),
    "texts": (_array(np.full(SIZE, "far")), "expected one channel of metres"),
    "pickle": (_array(np.full(SIZE, None)), r"000\.npy is no readable array"),
    "huge": (_text("depth/000.npy", HUGE), r"000\.npy is no readable array"),
    "deep": (
        _text("depth/000.npy", np.lib.format.magic(1, 0) + (5000).to_bytes(2, "little") + b"(" * 5000),
        r"000\.npy is no readable array",
    ),
    "archive": (
        lambda root: [np.savez(root / "a.npz", a=FULL), (root / "a.npz").rename(root / "depth" / "000.npy")],
        "is an archive, expected one array",
    ),
    "damaged": (_text("images/000.png", "no picture"), r"images/000\.png cannot be read"),
    "other file": (_text("images/notes.txt", "?"), r"images/notes\.txt is no picture that is read"),
    "same stem": (_save("images/000.bmp", np.zeros((*SIZE, 3), np.uint8)), "have the same stem: rename one"),
    "no names": (_move("classes.txt", "x"), r"classes\.txt: the file does not exist; expected one"),
    "a pipe of names": (_pipe("classes.txt"), r"classes\.txt: the file is no regular file; expected"),
    "a pipe of pixels": (_pipe("images/000.png"), r"images/000\.png is no regular file, expected a picture"),
    "a pipe of labels": (_pipe("labels/000.png"), r"labels/000\.png is no regular file"),
    "a folder of depth": (_folder("depth/000.npy"), r"depth/000\.npy is a folder"),
    "names without end": (_text("classes.txt", b"a\n" * (5 << 20)), "a file of more than 8388608 bytes"),
    "one class": (_text("classes.txt", "wall\n"), r"has 1 class names, expected 2 to 255"),
    "too many": (_text("classes.txt", "\n".join(map(str, range(256)))), "has 256 class names"),
    "two of a name": (_text("classes.txt", "a\nb\na\n"), "names 'a' twice"),
    "escape": (_text("classes.txt", "a\n\x1b[2J\n"), r"class name '\\x1b\[2J', expected at most"),
    "no text": (_text("classes.txt", b"\xff\xfe\x00"), "no text in UTF-8"),
    "splits too": (lambda root: (root / "val").mkdir(), r"has images/ and val/: is it divided"),
    "nothing": (_move("images", "pictures"), "neither images/ nor a split with one: train, val, test"),
}  # fmt: skip


@pytest.mark.parametrize("fault", MAP_FAULTS)
def test_faults_of_maps_are_named(maps: Path, fault: str) -> None:
    damage, message = MAP_FAULTS[fault]
    damage(maps)
    with pytest.raises(DataError, match=message):
        opened(maps)[0]


def test_what_file_managers_leave_does_not_matter(maps: Path) -> None:
    for name in (".DS_Store", "Thumbs.db"):
        for folder in ("images", "labels"):
            (maps / folder / name).write_text("?")
    assert len(opened(maps)) == 3


# --- folders of classes ---


def test_a_folder_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, said in (("file", "is a file"), ("none", "does not exist")):
        with pytest.raises(DataError, match=rf"folder .*{name} {said}"):
            existing_folder(tmp_path / name)


def test_folders_of_classes(folders: Path) -> None:
    data = open_dataset(f"imagefolder:{folders}", None, 32, 64)
    assert data.tasks == (TaskConfig("classes", "classification", 3, ("cat", "dog", "owl")),)
    assert [int(data[i].targets["classes"][0, 0]) for i in range(len(data))] == [0, 0, 1, 1, 2, 2]
    images, targets = data.batch(np.array([5, 0]))
    assert images.shape == (2, 32, 64, 3)
    assert images[:, 0, 0, 0].tolist() == [141, 20]
    assert (targets["classes"].dtype, targets["classes"].tolist()) == (np.int64, [[[2]], [[0]]])
    some = open_dataset(f"imagefolder:{folders}", None, 32, 64, count=3)
    assert [int(some[i].targets["classes"][0, 0]) for i in range(3)] == [0, 1, 2]  # not three cats


def test_classes_are_those_of_the_network(folders: Path) -> None:
    """Its indices count, and its name of the task; images of some of its classes are enough."""
    task = TaskConfig("species", "classification", 4, ("owl", "fox", "dog", "cat"))
    data = open_for((task,), f"imagefolder:{folders}", None, 32, 64)
    assert data.tasks == (task,)
    assert [int(data[i].targets["species"][0, 0]) for i in (0, 2, 4)] == [3, 2, 0]
    unnamed = TaskConfig("out", "classification", 1000)
    with pytest.raises(DataError, match=r"is a classification with 3 channels, deit expects .* with 1000"):
        check_fit(
            open_for((unnamed,), f"imagefolder:{folders}", None, 32, 64), "deit", (unnamed,), (32, 64, 3)
        )


FOLDER_FAULTS = {
    "one class": (
        lambda root: [(root / name).rename(root.parent / name) for name in ("cat", "dog")],
        "has 1 folders of classes, expected at least 2",
    ),
    "empty": (_remove_all("dog"), "dog has no pictures"),
    "loose": (_save("loose.png", np.zeros((*SIZE, 3), np.uint8)), r"loose\.png lies in no folder of a class"),
    "nested": (lambda root: (root / "dog" / "more").mkdir(), "dog/more is a folder, expected a picture"),
    "split among classes": (lambda root: (root / "val").mkdir(), "has val/ and cat/: splits, or classes"),
    "damaged": (_text("cat/0.png", "?"), r"cat/0\.png cannot be read"),
}


@pytest.mark.parametrize("fault", FOLDER_FAULTS)
def test_faults_of_folders_are_named(folders: Path, fault: str) -> None:
    damage, message = FOLDER_FAULTS[fault]
    damage(folders)
    with pytest.raises(DataError, match=message):
        open_dataset(f"imagefolder:{folders}", None, 32, 64)[0]


def test_a_class_that_a_network_does_not_know_is_named(folders: Path) -> None:
    with pytest.raises(DataError, match=r"pets/owl is none of the 2 classes cat, dog: rename the folder"):
        open_dataset(f"imagefolder:{folders}", None, 32, 64, ("cat", "dog"))


# --- what is chosen ---


def test_default_splits(tmp_path: Path, maps: Path) -> None:
    divided = write_classes_file(tmp_path / "divided")
    write_maps(divided / "train", 4), write_maps(divided / "val", 2)
    with pytest.raises(DataError, match=r"no labelled split 'test': choose one of train, val \(--split\)"):
        opened(divided)
    assert len(opened(divided, "val")) == 2
    write_maps(divided / "test", 1)
    assert opened(divided).name == "divided test"
    with pytest.raises(DataError, match=r"divided has no split 'all'; it has train, val, test"):
        opened(divided, "all")
    with pytest.raises(DataError, match="mine has no split 'train'; it has all"):
        opened(maps, "train")
    with pytest.raises(DataError, match="mine all has 3 samples, 4 were asked for"):
        opened(maps, count=4)


def test_training_takes_all_there_is(tmp_path: Path) -> None:
    divided = write_classes_file(tmp_path / "divided")
    write_maps(divided / "train", 4), write_maps(divided / "val", 2)
    train, val = open_training(TASKS, f"folder:{divided}", *HALF)
    assert (len(train), len(val), train.tasks) == (4, 2, val.tasks)
    assert train.tasks[0].classes == CLASSES  # the network's are others: it takes these
    train, val = open_training(TASKS, f"folder:{divided}", *HALF, count=3, validation=1)
    assert (len(train), len(val)) == (3, 1)
    known = (TaskConfig("semseg", "segmentation", 2, ("sky", "ground")),)
    assert open_training(known, f"folder:{divided}", *HALF)[1].tasks[0] == known[0]
    (divided / "val").rename(tmp_path / "val")
    with pytest.raises(DataError, match=r"has no split 'val', only train: training needs train and val"):
        open_training(TASKS, f"folder:{divided}", *HALF)


def test_an_undivided_folder_is_divided_only_on_request(tmp_path: Path) -> None:
    root = write_maps(write_classes_file(tmp_path / "mine"), 7)
    with pytest.raises(DataError, match=r"not divided into train and val: .*--validation"):
        open_training(TASKS, f"folder:{root}", *HALF)
    train, val = open_training(TASKS, f"folder:{root}", *HALF, validation=2)
    assert (len(train), len(val)) == (5, 2)
    images = [part[i].image.tobytes() for part in (train, val) for i in range(len(part))]
    assert len(set(images)) == 7
    with pytest.raises(DataError, match="7 samples: too few for 2 of validation and 6 of training"):
        open_training(TASKS, f"folder:{root}", *HALF, count=6, validation=2)
    assert len(open_calibration(f"folder:{root}", *HALF, 64)) == 7  # at most
    assert len(open_calibration(f"folder:{root}", *HALF, 3)) == 3


def test_spread_is_even_and_without_repetition() -> None:
    for length in range(1, 30):
        for count in range(1, length + 1):
            chosen = spread(length, count)
            assert len(set(chosen)) == count and chosen.min() >= 0 and chosen.max() < length
            assert count < 2 or np.diff(chosen).max() - np.diff(chosen).min() <= 1


def test_classes_of_both_splits_are_those_of_training(tmp_path: Path) -> None:
    root = tmp_path / "pets"
    write_folders(root / "train", ("cat", "dog", "owl"), 1)
    write_folders(root / "val", ("dog", "owl"), 1)
    _, val = open_training(TASKS, f"imagefolder:{root}", 32, 64)
    assert [int(val[i].targets["classes"][0, 0]) for i in range(2)] == [1, 2]
    write_folders(root / "val", ("fox",), 1)
    with pytest.raises(DataError, match=r"val/fox is none of the 3 classes cat, dog, owl"):
        open_training(TASKS, f"imagefolder:{root}", 32, 64)


def test_data_are_known_by_their_content(maps: Path, tmp_path: Path) -> None:
    first = opened(maps).fingerprint
    maps.rename(tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere"
    assert opened(moved).fingerprint == first
    np.save(moved / "depth" / "000.npy", np.full(SIZE, 5.0))
    changed = opened(moved).fingerprint
    assert changed != first
    others = (opened(moved, count=2), opened(moved, classes=("sky", "wall")))
    assert len({changed, *(data.fingerprint for data in others)}) == 3
