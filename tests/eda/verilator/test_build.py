# SPDX-License-Identifier: Apache-2.0
"""The simulation flow on a toy: cached builds, FST waves, cocotb with AXI, and clear errors."""

import ctypes
import random
import subprocess
import time
import zlib
from pathlib import Path

import pytest

from peritus.eda.verilator import BuildError, BuildKind, BuildProgress, verilate
from peritus.eda.verilator.install import CXX, verilator_root

TOY = Path(__file__).parent / "toy"
DESIGN = TOY / "axi_registers.sv"
HARNESS = TOY / "axi_registers.cpp"
BENCH = "tests.eda.verilator.toy.bench_axi_registers"


def write_read(library: Path, value: int, wave: Path) -> int:
    call = ctypes.CDLL(str(library)).write_read
    call.restype = ctypes.c_uint32
    return int(call(ctypes.c_uint32(value), str(wave).encode()))


# --- Builds ---------------------------------------------------------------------------------------------


@pytest.mark.sim
def test_library_is_built_once_per_content(tmp_path: Path) -> None:
    design = tmp_path / "axi_registers.sv"
    design.write_text(DESIGN.read_text())
    steps: list[BuildProgress] = []

    def build() -> Path:
        return verilate("axi_registers", [design], cpp_sources=[HARNESS], progress=steps.append)

    first = build()
    assert write_read(first, 1234, tmp_path) == 1234
    steps.clear()
    assert build() == first
    assert not steps, "an unchanged design was built again"
    design.write_text(design.read_text().replace("<= s_axil_wdata[", "<= ~s_axil_wdata["))
    changed = build()
    assert changed != first
    assert write_read(changed, 1234, tmp_path) == 0xFFFF_FFFF - 1234
    assert write_read(first, 1234, tmp_path) == 1234, "two models in one process must stay apart"


@pytest.mark.sim
def test_waves_need_no_system_package(tmp_path: Path) -> None:
    pywellen = pytest.importorskip("pywellen")
    library = verilate("axi_registers", [DESIGN], cpp_sources=[HARNESS], trace=True)
    wave = tmp_path / "toy.fst"
    assert write_read(library, 0xCAFE, wave) == 0xCAFE
    variables = {variable.full_name: variable for variable in pywellen.Waveform(str(wave)).all_vars()}
    data = variables["TOP.axi_registers.s_axil_rdata"].signal
    assert [data.value_at(time_) for time_ in (5, 20, 25)] == [0, 0, 0xCAFE]


@pytest.mark.sim
def test_broken_source_gives_the_log(tmp_path: Path) -> None:
    broken = tmp_path / "broken.sv"
    broken.write_text("module broken; assign missing_name = 1'b1; endmodule\n")
    with pytest.raises(BuildError, match=r"verilation of 'broken' failed(?s:.*)missing_name") as caught:
        verilate("broken", [broken], kind=BuildKind.EXECUTABLE)
    assert caught.value.log.is_file(), "the log must outlive the failed build"


@pytest.mark.sim
def test_broken_harness_gives_the_log(tmp_path: Path) -> None:
    harness = tmp_path / "harness.cpp"
    harness.write_text('#include "Vtop.h"\nint broken = no_such_name;\n')
    with pytest.raises(BuildError, match=r"compilation of 'axi_registers' failed(?s:.*)no_such_name"):
        verilate("axi_registers", [DESIGN], cpp_sources=[harness])


@pytest.mark.sim
def test_build_has_a_time_limit() -> None:
    with pytest.raises(BuildError, match=r"ran longer than its limit of 0\.001 s"):
        verilate("axi_registers", [DESIGN], defines={"UNIQUE": time.time_ns()}, timeout_s=0.001)


def test_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"source of 'top' does not exist: .*nowhere\.sv"):
        verilate("top", [tmp_path / "nowhere.sv"])


# --- What FST waves are compressed with -----------------------------------------------------------------


def lz4_decompress(block: bytes) -> bytes:
    """Decoder of the LZ4 block format."""
    out = bytearray()
    at = 0

    def length(nibble: int) -> int:
        nonlocal at
        total = nibble
        while nibble == 15:
            total += block[at]
            at += 1
            if block[at - 1] != 255:
                break
        return total

    while True:
        token = block[at]
        at += 1
        count = length(token >> 4)
        out += block[at : at + count]
        at += count
        if at == len(block):
            return bytes(out)
        offset = int.from_bytes(block[at : at + 2], "little")
        at += 2
        for _ in range(length(token & 15) + 4):
            out.append(out[-offset])


@pytest.fixture(scope="module")
def compressor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("compress") / "compress"
    include = verilator_root() / "include"
    command = [
        CXX,
        "-Wall",
        "-Wextra",
        "-Werror",
        f"-I{include}",
        str(TOY / "compress.cpp"),
        "-o",
        str(program),
    ]
    subprocess.run(command, check=True, timeout=120)
    return program


@pytest.mark.sim
@pytest.mark.parametrize("alphabet", [1, 2, 256])
def test_wave_compression_is_lossless(compressor: Path, alphabet: int) -> None:
    rng = random.Random(alphabet)
    for size in (0, 1, 4, 5, 12, 13, 14, 19, 20, 270, 285, 65_535, 65_536, 150_000):
        plain = bytes(rng.choices(range(alphabet), k=size))
        for method, decompress in (("lz4", lz4_decompress), ("zlib", zlib.decompress)):
            packed = subprocess.run(
                [compressor, method], input=plain, capture_output=True, check=True, timeout=60
            )
            assert decompress(packed.stdout) == plain, (method, size)


# --- cocotb benches -------------------------------------------------------------------------------------


@pytest.mark.sim
class TestCocotb:
    @pytest.mark.parametrize("registers", [4, 8])
    def test_axi_bench_passes(self, run_bench, registers: int) -> None:  # type: ignore[no-untyped-def]
        passed = run_bench(
            "axi_registers",
            [DESIGN],
            BENCH,
            parameters={"Registers": registers},
            plusargs={"registers": registers},
        )
        assert {result.name for result in passed} == {
            "random_accesses",
            "wrong_on_demand",
            "endless_on_demand",
        }
        assert all(result.simulated_ns > 0 for result in passed)

    def test_a_failing_bench_fails(self, run_bench) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(AssertionError, match=r"failed: wrong_on_demand(?s:.*)sim\.log ends"):
            run_bench("axi_registers", [DESIGN], BENCH, testcase="wrong_on_demand", plusargs={"wrong": 1})

    def test_an_endless_bench_times_out(self, run_bench) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(AssertionError, match=r"limit of 3 s"):
            run_bench(
                "axi_registers",
                [DESIGN],
                BENCH,
                testcase="endless_on_demand",
                plusargs={"endless": 1},
                timeout_s=3,
            )

    def test_a_bench_without_tests_fails(self, run_bench) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(AssertionError, match=r"ran no test"):
            run_bench("axi_registers", [DESIGN], BENCH, testcase="no_such_test")
