// SPDX-License-Identifier: Apache-2.0
// GEMM: everything that multiplies. One pass streams the rows past one stationary tile of PK x PN.
//
//   for nb in n_tiles:  for kb in k_tiles:  load the tile;  for row in count:
//     operand (activations, or probabilities of scores) -> multiply -> accumulate
//     kb is the last: -> epilogue (bias, stage 1, function, stage 2) -> write back (memory, row maximum, router)
//
// The row loop is one pipeline, as in rtl/peritus_core.sv; what it does to a row is in gemm_row.hpp.
// Executable definition: peritus.runtime.iss.gemm.

#include "gemm_row.hpp"
#include "units.hpp"

namespace peritus {

namespace {

// Which rows there are: a queue's tokens gather, scatter or count; else rows stand for themselves.
int list_rows(const Instruction &i, const Queues &queues, Row (&rows)[config::ACC_DEPTH]) {
  const bool gather = i.stream_src == config::StreamSource::ACT_GATHER;
  const bool queued = i.expert_valid || gather || i.scatter;
  const int expert = i.expert;
  const int length = queued ? static_cast<int>(queues.length[expert]) : config::ACC_DEPTH;
  const int tokens = i.tokens;
  const int count = i.expert_valid || length < tokens ? length : tokens;
  for (int row = 0; row < count; ++row) {
#pragma HLS PIPELINE II=1 // a row a cycle is what the queue delivers
#pragma HLS LOOP_TRIPCOUNT max=config::ACC_DEPTH
    const int token = queued ? static_cast<int>(queues.token[expert][row]) : row;
    rows[row].source = i.src_base + (gather ? token : row) * i.src_stride;
    rows[row].target = i.dst_base + (i.scatter ? token : row) * i.dst_stride;
    rows[row].score = queued ? queues.score[expert][row] : UInt<16>(0);
  }
  return count;
}

// Column j of the tile: slice kb of key nb PN + j.
void read_keys(const Instruction &i, int nb, int kb, Memories &memories, Tile &tile) {
  for (int j = 0; j < PN; ++j) {
#pragma HLS PIPELINE II=1 // a key a cycle is what the memory delivers
    const int key = nb * PN + j;
    const int slice = (i.stat_base + key * i.stat_stride) * SLICES + kb;
    const bool valid = key < i.keys;
    const int word = valid ? memories.kv.inside(slice / SLICES) : 0;
    for (int k = 0; k < PK; ++k) {
#pragma HLS UNROLL
      tile.row[k][j] = valid ? memories.kv.slice_lane(word, slice % SLICES, k) : Int<8>(0);
    }
  }
}

// Row k of the tile: word nb of key kb PK + k.
void read_values(const Instruction &i, int nb, int kb, Memories &memories, Tile &tile) {
  for (int k = 0; k < PK; ++k) {
#pragma HLS PIPELINE II=1 // a key a cycle is what the memory delivers
    const int key = kb * PK + k;
    const bool valid = key < i.keys;
    const int word = valid ? memories.kv.inside(i.stat_base + key * i.stat_stride + nb) : 0;
    for (int n = 0; n < PN; ++n) {
#pragma HLS UNROLL
      tile.row[k][n] = valid ? memories.kv.words[word].lane[n] : Int<8>(0);
    }
  }
}

// Without a parameter block the immediates serve all channels.
Params immediate_params(const Instruction &i) {
  Params params = {};
  for (int n = 0; n < PN; ++n) {
#pragma HLS UNROLL
    params.bias[n] = 0;
    params.multiplier1[n] = i.imm_mult;
    params.shift1[n] = i.imm_shift;
    params.multiplier2[n] = 0;
    params.shift2[n] = 0;
  }
  return params;
}

}  // namespace

void gemm(const Instruction &i, Segment &segment, Memories &memories) {
  const bool resident = i.stat_src == config::StatSource::RESIDENT;
  const bool weights = resident || i.stat_src == config::StatSource::WEIGHTS;
  const bool streams = weights || i.params;
  const int n_tiles = i.n_tiles, k_tiles = i.k_tiles;
  Row rows[config::ACC_DEPTH];
  Totals totals[config::ACC_DEPTH];
#pragma HLS ARRAY_RESHAPE variable=totals type=complete dim=2 // registers of a row, PN sums, are one word
  UInt<24> row_sums[config::ACC_DEPTH];

  const int count = list_rows(i, memories.queues, rows);
  if (resident) {
    segment.begin_resident(static_cast<int>(i.stat_base));
  } else if (streams) {
    segment.begin();
  }
  if (count == 0) {  // an idle expert: its weights pass by
    segment.skip(static_cast<int>(i.imm) * config::STRIPE_WORDS);
    return;
  }
  Params params = immediate_params(i);
// Registers: all PN lanes are scaled, and all PK x PN weights multiply, in one cycle.
#pragma HLS ARRAY_PARTITION variable=params.bias type=complete
#pragma HLS ARRAY_PARTITION variable=params.multiplier1 type=complete
#pragma HLS ARRAY_PARTITION variable=params.multiplier2 type=complete
#pragma HLS ARRAY_PARTITION variable=params.shift1 type=complete
#pragma HLS ARRAY_PARTITION variable=params.shift2 type=complete
  Tile tile;
#pragma HLS ARRAY_PARTITION variable=tile.row type=complete dim=0 // the same
  for (int nb = 0; nb < n_tiles; ++nb) {
#pragma HLS LOOP_TRIPCOUNT max=16
    for (int kb = 0; kb < k_tiles; ++kb) {
#pragma HLS LOOP_TRIPCOUNT max=16
      const bool first = kb == 0, last = kb == k_tiles - 1;
      if (last && i.params) params = read_params(segment, i.scale2 == config::Scale2::CHANNEL);
      if (weights && i.int4) {
        read_tile<true>(segment, tile);
      } else if (weights) {
        read_tile<false>(segment, tile);
      } else if (i.stat_src == config::StatSource::KEYS) {
        read_keys(i, nb, kb, memories, tile);
      } else {
        read_values(i, nb, kb, memories, tile);
      }
      for (int row = 0; row < count; ++row) {
#pragma HLS PIPELINE II=1 // a row a cycle is what the operands' memory delivers
#pragma HLS LOOP_TRIPCOUNT min=config::MIN_PASS max=config::ACC_DEPTH
// A row comes again in the next pass, not within the pipeline: the rows of a pass are different.
#pragma HLS DEPENDENCE variable=totals type=inter false
#pragma HLS DEPENDENCE variable=row_sums type=inter false
        const Operands x = i.stream_src == config::StreamSource::SCORES
                               ? probabilities(i, row, rows[row].source, kb, memories, row_sums[row], first)
                               : activations(rows[row].source + kb, memories);
        accumulate(multiply(tile, x), totals[row], first);
        if (last) {
          const Scale scale = row_scale(i, rows[row], row_sums[row]);
          write_back(i, row, nb, rows[row].target + nb, epilogue(i, totals[row], params, scale), memories);
        }
      }
    }
  }
  if (streams) segment.finish();
}

}  // namespace peritus
