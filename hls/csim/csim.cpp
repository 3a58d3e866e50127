// SPDX-License-Identifier: Apache-2.0
// C simulation of the HLS kernels behind a C interface of plain integers.
//
// Matrices are row-major [rows][PN]; rows are cut into passes of at most ACC_DEPTH, as a program would. A kernel that
// leaves something in a stream, or takes too much from one, is a fault of the kernel: status 1, else 0.

#include <algorithm>
#include <cstdint>

#include "activation.hpp"
#include "requantize.hpp"

using namespace peritus;

namespace {

template <typename Word>
void push(hls::stream<Word> &stream, const std::int32_t *values, int rows) {
  for (int row = 0; row < rows; ++row) {
    Word word;
    for (int n = 0; n < config::PN; ++n) word.lane[n] = values[row * config::PN + n];
    stream.write(word);
  }
}

template <typename Word>
bool pop(hls::stream<Word> &stream, std::int32_t *values, int rows) {
  for (int row = 0; row < rows; ++row) {
    Word word;
    if (!stream.read_nb(word)) return false;
    for (int n = 0; n < config::PN; ++n) values[row * config::PN + n] = word.lane[n].to_int();
  }
  return stream.empty();
}

Scale scale_of(std::uint16_t multiplier, std::uint8_t shift) {
  return {ap_uint<MULTIPLIER_BITS>(multiplier), ap_uint<SHIFT_BITS>(shift)};
}

// Calls pass(first row, rows) until all are done; 0 if every pass returned true.
template <typename Pass>
int in_passes(std::int64_t rows, Pass pass) {
  for (std::int64_t first = 0; first < rows; first += config::ACC_DEPTH) {
    const int count = static_cast<int>(std::min<std::int64_t>(config::ACC_DEPTH, rows - first));
    if (!pass(first, count)) return 1;
  }
  return 0;
}

}  // namespace

extern "C" {

int peritus_csim_lanes() { return config::PN; }

// bias, multiplier, shift: [PN]
int peritus_csim_stage1(std::int64_t rows, const std::int32_t *acc, const std::int32_t *bias,
                        const std::uint16_t *multiplier, const std::uint8_t *shift, std::int32_t *y) {
  return in_passes(rows, [&](std::int64_t first, int count) {
    hls::stream<Stage1Params> params;
    hls::stream<SumWord> sums;
    hls::stream<Stage1Word> results;
    Stage1Params channels;
    for (int n = 0; n < config::PN; ++n) channels.lane[n] = {bias[n], scale_of(multiplier[n], shift[n])};
    params.write(channels);
    push(sums, acc + first * config::PN, count);
    peritus_stage1(params, sums, results, count);
    return pop(results, y + first * config::PN, count) && params.empty() && sums.empty();
  });
}

// multiplier, shift: [PN]
int peritus_csim_stage2(std::int64_t rows, const std::int32_t *g, const std::uint16_t *multiplier,
                        const std::uint8_t *shift, std::int32_t *z) {
  return in_passes(rows, [&](std::int64_t first, int count) {
    hls::stream<Stage2Params> params;
    hls::stream<Stage1Word> values;
    hls::stream<Stage2Word> results;
    Stage2Params channels;
    for (int n = 0; n < config::PN; ++n) channels.lane[n] = scale_of(multiplier[n], shift[n]);
    params.write(channels);
    push(values, g + first * config::PN, count);
    peritus_stage2(params, values, results, count);
    return pop(results, z + first * config::PN, count) && params.empty() && values.empty();
  });
}

int peritus_csim_activation(std::int64_t rows, const std::int32_t *y, int function, std::int32_t *g) {
  return in_passes(rows, [&](std::int64_t first, int count) {
    hls::stream<Stage1Word> values;
    hls::stream<Stage1Word> results;
    push(values, y + first * config::PN, count);
    peritus_activation(values, results, count, static_cast<config::Function>(function));
    return pop(results, g + first * config::PN, count) && values.empty();
  });
}

}  // extern "C"
