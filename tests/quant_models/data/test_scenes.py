# SPDX-License-Identifier: Apache-2.0
"""Generated scenes: a seed is its bytes; labels and depth belong to the picture; the cache heals."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from quant_models.data.dataset import IGNORE, DataError, Sample
from quant_models.data.scenes import MAX_DEPTH, SPLITS, SceneDataset, generate
from quant_models.data.scenes.camera import random_camera
from quant_models.data.scenes.classes import CAR, GENERATED, ROAD, SKY
from quant_models.data.scenes.colour import rgb
from quant_models.data.scenes.frame import HEIGHT, WIDTH, Frame
from quant_models.data.scenes.resize import shrink
from quant_models.data.scenes.shards import SHARD, open_shard, write_shard
from quant_models.data.scenes.sheet import contact_sheet
from quant_models.data.scenes.solids import Hits, Solid, Surface, draw_solid
from quant_models.network.config import CITYSCAPES_CLASSES

MICRO = ("road", "sidewalk", "building", "vegetation", "sky", "person", "car", "pole")


@pytest.fixture(scope="module")
def scenes() -> list[Sample]:
    return [generate(seed) for seed in range(24)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def small(cache: Path) -> SceneDataset:
    return SceneDataset("train", 5, cache, 32, 64, workers=1)


def test_a_seed_is_a_scene(scenes: list[Sample]) -> None:
    again = generate(3)
    assert (again.image == scenes[3].image).all()
    assert all((again.targets[task] == scenes[3].targets[task]).all() for task in ("semseg", "depth"))
    assert (scenes[3].image != scenes[4].image).any()


def test_shapes_and_ranges(scenes: list[Sample]) -> None:
    for sample in scenes:
        semseg, depth = sample.targets["semseg"], sample.targets["depth"]
        assert (sample.image.shape, sample.image.dtype) == ((128, 256, 3), np.uint8)
        assert (semseg.shape, semseg.dtype) == ((128, 256), np.uint8)
        assert (depth.shape, depth.dtype) == ((128, 256), np.float32)
        assert depth.min() > 0
        assert depth.max() <= MAX_DEPTH
        assert (depth[semseg == SKY] == MAX_DEPTH).all()
        assert (depth == depth.astype(np.float16)).all()


def test_every_class_appears_and_no_other(scenes: list[Sample]) -> None:
    seen = np.unique(np.stack([sample.targets["semseg"] for sample in scenes]))
    assert set(seen.tolist()) == set(GENERATED)


def test_road_recedes_upwards() -> None:
    """Down a column of the picture the road comes nearer."""
    for seed in range(6):
        targets = generate(seed).targets
        road, depth = targets["semseg"] == ROAD, targets["depth"]
        both = road[1:] & road[:-1]
        assert both.any()
        assert (depth[1:][both] <= depth[:-1][both]).all()


def test_depth_of_a_box_is_exact() -> None:
    """Back-projected by its depth, every pixel of a box lies on the box's surface."""
    camera = random_camera(np.random.Generator(np.random.PCG64(5)), 0.5, 0.0)
    rays, frame = camera.rays(), Frame()

    def paint(hits: Hits) -> Surface:
        return Surface(CAR, np.repeat(rgb(0.5, 0.5, 0.5), hits.x.size, axis=1))

    draw_solid(frame, camera, rays, Solid(1.0, 9.0, 0.4, (2.0, 1.5, 4.0), paint))
    hit = np.flatnonzero(np.isfinite(frame.depth))
    assert hit.size > 100
    points = camera.origin[:, None] + frame.depth[hit] * rays[:, hit]
    c, s = np.cos(0.4), np.sin(0.4)
    x, z = c * (points[0] - 1) - s * (points[2] - 9), s * (points[0] - 1) + c * (points[2] - 9)
    outside = np.maximum(np.maximum(np.abs(x) - 1.0, np.abs(z) - 2.0), np.abs(points[1] - 0.75) - 0.75)
    assert np.abs(outside).max() < 1e-4


def test_the_nearer_box_hides_the_farther_one_in_any_order() -> None:
    camera = random_camera(np.random.Generator(np.random.PCG64(6)), 0.0, 0.0)
    rays = camera.rays()

    def box(z: float, label: int) -> Solid:
        def paint(hits: Hits) -> Surface:
            return Surface(label, np.zeros((3, hits.x.size), np.float32))

        return Solid(0.0, z, 0.0, (2.0, 1.5, 2.0), paint)

    pictures = []
    for order in ((box(8, 1), box(14, 2)), (box(14, 2), box(8, 1))):
        frame = Frame()
        for solid in order:
            draw_solid(frame, camera, rays, solid)
        pictures.append((frame.label, frame.depth))
    assert (pictures[0][0] == pictures[1][0]).all()
    assert (pictures[0][1] == pictures[1][1]).all()
    assert set(np.unique(pictures[0][0][np.isfinite(pictures[0][1])]).tolist()) >= {1}


def test_shrinking(scenes: list[Sample]) -> None:
    """Against the definition, pixel by pixel: area average, majority, lower median."""
    large, small = scenes[0], shrink(scenes[0], 32, 64)
    assert small.image.shape == (32, 64, 3)
    for row, column in ((0, 0), (17, 40), (31, 63), (20, 5)):
        block = np.s_[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        assert np.abs(large.image[block].mean(axis=(0, 1)) - small.image[row, column]).max() <= 0.5
        votes = np.bincount(large.targets["semseg"][block].ravel(), minlength=20)
        assert votes[small.targets["semseg"][row, column]] == votes.max()
        assert small.targets["depth"][row, column] == np.sort(large.targets["depth"][block].ravel())[7]


def test_cached_equals_generated(small: SceneDataset) -> None:
    assert len(small) == 5
    assert [task.name for task in small.tasks] == ["semseg", "depth"]
    images, targets = small.batch(np.array([4, 0, 4]))
    for position, seed in enumerate((4, 0, 4)):
        expected = shrink(generate(SPLITS["train"] + seed), 32, 64)
        assert (images[position] == expected.image).all()
        assert (targets["semseg"][position] == expected.targets["semseg"]).all()
        assert (targets["depth"][position] == expected.targets["depth"]).all()
        assert (small[seed].image == expected.image).all()
    assert (small[-1].image == images[0]).all()
    with pytest.raises(IndexError, match=r"0 \.\. 4"):
        small.batch(np.array([5]))
    with pytest.raises(IndexError):
        small[5]


def test_a_larger_count_extends_and_reads_what_is_there(small: SceneDataset, cache: Path) -> None:
    (first,) = cache.rglob("*.npy")
    written = first.stat().st_mtime_ns
    larger = SceneDataset("train", SHARD + 1, cache, 32, 64, workers=1)
    assert first.stat().st_mtime_ns == written
    assert (larger[2].image == small[2].image).all()
    assert (larger[SHARD].image == shrink(generate(SHARD), 32, 64).image).all()
    assert not list(cache.rglob("*.tmp"))


def test_a_damaged_shard_is_made_again(tmp_path: Path) -> None:
    expected = SceneDataset("val", 1, tmp_path, 16, 32, workers=1)[0].image
    (path,) = tmp_path.rglob("*.npy")
    content = path.read_bytes()
    np.save(path, np.zeros((SHARD, 16, 32), np.uint8))
    of_another_kind = path.read_bytes()
    one_bit = bytearray(content)
    one_bit[len(content) // 2] ^= 1
    deep = content[:8] + (5000).to_bytes(2, "little") + b"(" * 5000
    short, long = content[:-1], content + b"x"
    for damaged in (
        of_another_kind,
        b"",
        content[:50],
        content[: len(content) // 2],
        one_bit,
        deep,
        short,
        long,
    ):
        path.write_bytes(damaged)
        assert open_shard(path, 16, 32) is None
    assert (SceneDataset("val", 1, tmp_path, 16, 32, workers=1)[0].image == expected).all()
    assert path.read_bytes() == content


def test_scenes_are_known_by_their_content(small: SceneDataset, cache: Path) -> None:
    again, more = (SceneDataset("train", count, cache, 32, 64, workers=1) for count in (5, 6))
    others = SceneDataset("train", 5, cache, 32, 64, MICRO, workers=1)
    assert again.fingerprint == small.fingerprint
    assert len({data.fingerprint for data in (small, more, others)}) == 3


def test_two_processes_may_write_the_same_shard(tmp_path: Path) -> None:
    path = tmp_path / "shard.npy"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_shard, args=(path, 7, 16, 32)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=120)
        assert writer.exitcode == 0
    shard = open_shard(path, 16, 32)
    assert shard is not None
    assert (shard[0][0]["image"] == shrink(generate(7), 16, 32).image).all()
    assert [found.name for found in tmp_path.iterdir()] == ["shard.npy"]


def test_splits_are_disjoint() -> None:
    starts = sorted(SPLITS.values())
    assert len(set(starts)) == 3
    assert min(np.diff(starts)) >= 10_000_000


def test_fewer_classes(small: SceneDataset, cache: Path) -> None:
    merged = SceneDataset("train", 5, cache, 32, 64, MICRO, workers=1)
    assert merged.tasks[0].classes == MICRO
    into = {"wall": "building", "terrain": "vegetation", "traffic sign": "pole", "truck": "car"}
    for index in range(5):
        before, after = small[index].targets["semseg"], merged[index].targets["semseg"]
        assert after.max() < len(MICRO) <= IGNORE
        for train_id in np.unique(before):
            name = CITYSCAPES_CLASSES[train_id]
            assert (after[before == train_id] == MICRO.index(into.get(name, name))).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"split": "all"}, "'all'.*train, val, test"),
        ({"count": 0}, "count = 0"),
        ({"height": 48}, "48 x 64"),
        ({"classes": ("road", "sky")}, "'sidewalk'"),
        ({"classes": (*MICRO, "river")}, "'river'"),
        ({"classes": (*MICRO, "road")}, "not distinct"),
    ],
)
def test_bad_arguments_are_named(changed: dict[str, object], message: str, tmp_path: Path) -> None:
    arguments: dict[str, object] = {"split": "train", "count": 1, "height": 32, "width": 64} | changed
    with pytest.raises(DataError, match=message):
        SceneDataset(**arguments, cache=tmp_path, workers=1)  # type: ignore[arg-type]


def test_unwritable_cache_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(DataError, match="file"):
        SceneDataset("train", 1, blocked, 16, 32, workers=1)


def test_contact_sheet(scenes: list[Sample]) -> None:
    sheet = contact_sheet(scenes[:3], columns=2)
    assert sheet.shape == (2 * HEIGHT, 2 * 3 * WIDTH, 3)
    assert (sheet[:HEIGHT, :WIDTH] == scenes[0].image).all()
    assert (sheet[HEIGHT:, :WIDTH] == scenes[2].image).all()
    sky = scenes[0].targets["semseg"] == SKY
    assert (sheet[:HEIGHT, WIDTH : 2 * WIDTH][sky] == (70, 130, 180)).all()
