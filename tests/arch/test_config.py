# SPDX-License-Identifier: Apache-2.0
"""Configurations from files: what is refused, and in which words."""

from pathlib import Path

import pytest

from peritus.arch.config import ConfigError, config_names, load_config, parse_config
from peritus.codegen.configuration import toml_config

NANO = load_config("nano")
TEXT = toml_config(NANO)


@pytest.mark.parametrize("name", config_names())
def test_a_file_and_its_value_are_the_same(name: str, tmp_path: Path) -> None:
    hw = load_config(name)
    file = tmp_path / f"{name}.toml"
    file.write_text(toml_config(hw))
    assert load_config(file) == load_config(str(file)) == hw == parse_config(name, hw.table())


def test_shipped_names() -> None:
    assert config_names() == ["nano", "edge", "zcu104", "zcu104_vit"]
    with pytest.raises(
        ConfigError, match=r"unknown hardware 'pico'; known: nano, edge, zcu104, zcu104_vit, or a file MY"
    ):
        load_config("pico")
    with pytest.raises(ConfigError, match="unknown hardware"):
        load_config("../configs/nano")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("pn = 8", "pn = 12"), "pn = 12, must be 1, 2 or 4 times pk"),
        (("pn = 8", "pn = 0"), r"pn = 0, must be 8\.\.64"),
        (("pn = 8", 'pn = "8"'), "pn = '8': must be a valid integer"),
        (("pn = 8", "pn = true"), "pn = True: must be a valid integer"),
        (("pack_macs = false", "pack_macs = 0"), "pack_macs = 0: must be a valid boolean"),
        (("acc_depth = 32\n", ""), "acc_depth is missing"),
        (("acc_depth = 32", "depth = 1\nacc_depth = 32"), "'depth' is no field"),
        (("clock_mhz = 50", "clock_mhz = 0"), r"clock_mhz = 0, must be 0\.001 to 10,000"),
        (("clock_mhz = 50", "clock_mhz = 1e-320"), "clock_mhz = 1e-320, must be"),
        (("program_depth = 256", "program_depth = -1"), r"program_depth = -1, must be 16\.\.32768"),
        (("read_latency = 20", "read_latency = 0"), "ddr = .*, must be of a read_latency of 1 to"),
        (("read_latency = 20", "read_latency = 9007199254740992"), "read_latency of 1 to 1048575 cycles"),
        (("bytes_per_cycle = 6.0", "bytes_per_cycle = 1e-300"), "to 4096 bytes_per_cycle"),
        (("read_latency = 20", "latency = 20"), r"ddr\.read_latency is missing; 'ddr\.latency' is no field"),
        (("ddr = {", "ddr = 1 #"), "ddr = 1: must be a dictionary"),
        (("pk = 8", "pk = = 8"), "Invalid value"),
        (
            ("weight_store_words = 1024", "weight_store_words = 8"),
            "weight_store_words = 8, must be at least four",
        ),
        (
            ("resident_words = 0", "resident_words = 32761"),
            r"resident_words = 32761, must be 0, or 16\.\.32760",
        ),
        (
            ("resident_block_words = 0", "resident_block_words = 16"),
            r"resident_block_words = 16, must be 0, or 16\.\.resident_words",
        ),
        (("dsp_ratio = 1", "dsp_ratio = 3"), "dsp_ratio = 3, must be 1 or 2"),
        (
            ("dsp_ratio = 1", "dsp_ratio = 2"),
            "dsp_ratio = 2, must be 1 without pack_macs or with pk below 16",
        ),
    ],
)
def test_bad_files_are_named(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    assert change[0] in TEXT
    file.write_text(TEXT.replace(*change))
    with pytest.raises(ConfigError, match=rf"hardware .*bad.*{message}"):
        load_config(file)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.toml"):
        load_config(tmp_path / "binary.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.toml"):
        load_config(tmp_path / "folder.toml")
    (tmp_path / "Wrong-Name.toml").write_text(TEXT)
    with pytest.raises(ConfigError, match="name = Wrong-Name, must be a small letter, then"):
        load_config(tmp_path / "Wrong-Name.toml")
