// SPDX-License-Identifier: Apache-2.0
// What GEMM does to one row of a pass, stage by stage: operand fetch, multiply, accumulate, epilogue, write back.
//
// Each is a pure function, or a step on explicit state. RTL: rtl/compute/peritus_operand_fetch.sv, peritus_mac_array.sv,
// peritus_accumulator.sv, peritus_epilogue.sv, peritus_write_back.sv.

#pragma once

#include "activation.hpp"
#include "memories.hpp"
#include "residual.hpp"
#include "router.hpp"
#include "softmax.hpp"
#include "weights.hpp"

namespace peritus {

using config::Instruction;

constexpr int OPERAND_BITS = 9;              // an activation, -128..127, or a probability, 0..255
constexpr int SUM_BITS = 17 + clog2(PK);     // of PK products of an operand and a weight within +-127
static_assert(SUM_BITS <= config::ACC_W, "a sum fits the accumulator");
static_assert(config::MAX_TOP_K <= config::MAX_EXPERTS && config::MAX_EXPERTS <= PN, "logits fit a word");

using Operands = Lanes<Int<16>, PK>;  // of OPERAND_BITS; 16 in memory, so that rows of them are aligned
using Sums = Lanes<Factor<SUM_BITS>, PN>;
using Totals = Lanes<Int<config::ACC_W>, PN>;
using Results = Lanes<Int<STAGE2_BITS>, PN>;

// source: slice of the first operands. target: word of the first results. score: of a queued token, Q1.15.
struct Row {
  int source;
  int target;
  UInt<16> score;
};

// Stage 2 of a row, where not each channel has its own.
struct Scale {
  UInt<MULTIPLIER_BITS> multiplier;
  UInt<6> shift;
};

inline Operands activations(int slice, Memories &memories) {
#pragma HLS INLINE
  const int word = memories.act.inside(slice / SLICES), part = slice % SLICES;
  Operands x;
  for (int k = 0; k < PK; ++k) {
#pragma HLS UNROLL
    x.lane[k] = memories.act.slice_lane(word, part, k);
  }
  return x;
}

// Also counts them: sum is the row's, over all its slices.
inline Operands probabilities(const Instruction &i, int row, int source, int kb, Memories &memories, UInt<24> &sum,
                              bool first) {
#pragma HLS INLINE
  const int slice = source + kb;
  const int word = memories.score.inside(slice / SLICES), part = slice % SLICES;
  const Int<16> maximum = memories.row_maximum[row];
  Operands p;
  UInt<24> total = first ? UInt<24>(0) : sum;
  for (int k = 0; k < PK; ++k) {
#pragma HLS UNROLL
    const bool keep = kb * PK + k < i.keys;  // padding keys hold anything
    const UInt<8> one = probability(memories.score.slice_lane(word, part, k), maximum, keep);
    p.lane[k] = static_cast<int>(one);
    total += UInt<24>(one);
  }
  sum = total;
  return p;
}

Sums multiply(const Tile &tile, const Operands &x);  // hls/src/mac_array.cpp

inline void accumulate(const Sums &sums, Totals &totals, bool first) {
#pragma HLS INLINE
  for (int n = 0; n < PN; ++n) {
#pragma HLS UNROLL
    const Int<config::ACC_W> before = first ? Int<config::ACC_W>(0) : totals.lane[n];
    totals.lane[n] = Int<config::ACC_W>(before + Int<config::ACC_W>(sums.lane[n]));
  }
}

// Multiplier 1 with shift 0 passes the value.
inline Scale row_scale(const Instruction &i, const Row &row, UInt<24> row_sum) {
#pragma HLS INLINE
  if (i.scale2 == config::Scale2::SCORE) return {row.score, i.shift2};
  if (i.scale2 == config::Scale2::RECIP) {
    const Mantissa r = reciprocal(row_sum);
    return {r.r, UInt<6>((static_cast<int>(r.shift) + static_cast<int>(i.shift2)) & 63)};
  }
  return {UInt<MULTIPLIER_BITS>(1), UInt<6>(0)};
}

inline Results epilogue(const Instruction &i, const Totals &totals, const Params &params, const Scale &row) {
#pragma HLS INLINE
  constexpr int W = config::ACC_W;
  const bool by_channel = i.scale2 == config::Scale2::CHANNEL;
  Results z;
  for (int n = 0; n < PN; ++n) {
#pragma HLS UNROLL
    const Int<W> biased = Int<W>(totals.lane[n] + params.bias[n]);
    const Int<STAGE1_BITS> y = requantize<STAGE1_BITS, W>(biased, params.multiplier1[n], params.shift1[n]);
    const Int<STAGE1_BITS> g = activation(y, i.fn);
    z.lane[n] = requantize<STAGE2_BITS, STAGE1_BITS>(g, by_channel ? params.multiplier2[n] : row.multiplier,
                                                     by_channel ? params.shift2[n] : row.shift);
  }
  return z;
}

// The token of a gate's row. A gate whose first one is not token 0 puts its tokens behind those of the gate before.
inline int token_of(const Instruction &gate, int row) {
#pragma HLS INLINE
  return static_cast<int>(gate.dst_base) + row;
}

// Fills the queues of the experts of a token's choice.
inline void route(const Instruction &i, int token, const Results &logits, Queues &queues) {
#pragma HLS INLINE
  const int experts = i.width, top_k = i.top_k;
  Int<16> value[config::MAX_EXPERTS];
  std::uint64_t candidates = 0;
  for (int e = 0; e < config::MAX_EXPERTS; ++e) {
#pragma HLS UNROLL
    if (token == 0) queues.length[e] = 0;
    value[e] = logits.lane[e];
    if (e < experts) candidates |= std::uint64_t(1) << e;
  }
  const Int<16> maximum = value[best_of(value, candidates)];
  UInt<24> sum = 0;
  for (int e = 0; e < config::MAX_EXPERTS; ++e) {
#pragma HLS UNROLL
    if (e < experts) sum += UInt<24>(gate_exp(maximum, value[e]));
  }
  const Mantissa inverse = reciprocal(sum);
  for (int k = 0; k < config::MAX_TOP_K; ++k) {
#pragma HLS UNROLL
    if (k < top_k) {
      const int best = best_of(value, candidates);
      candidates &= ~(std::uint64_t(1) << best);
      const int at = queues.length[best];
      queues.token[best][at] = token;
      queues.score[best][at] = gate_score(gate_exp(maximum, value[best]), inverse);
      queues.length[best] = at + 1;
    }
  }
}

// Results of output word nb of a row to their destination, word `address`.
inline void write_back(const Instruction &i, int row, int nb, int address, const Results &z, Memories &memories) {
#pragma HLS INLINE
  switch (i.dst) {
    case config::Dest::ACT:
    case config::Dest::HIDDEN:
    case config::Dest::KV: {
      Lanes<Int<8>, PN> word;
      for (int n = 0; n < PN; ++n) {
#pragma HLS UNROLL
        word.lane[n] = narrow(z.lane[n], i.dst);
      }
      if (i.dst == config::Dest::KV) {
        memories.kv.write(address, word);
      } else {
        memories.act.write(address, word);
      }
      break;
    }
    case config::Dest::SCORES:
      memories.score.write(address, z);
      memories.row_maximum[row] =
          larger_maximum(z, static_cast<int>(i.keys) - nb * PN, memories.row_maximum[row], nb == 0);
      break;
    case config::Dest::ROUTER:
      log_write<config::ROUTER_LANE_W>(config::ROUTER_MONITOR, token_of(i, row), 0, PN, z.lane);
      route(i, token_of(i, row), z, memories.queues);
      break;
    default: {
      const auto &old = memories.residual.read(address);
      Lanes<Int<config::RES_W>, PN> word;
      for (int n = 0; n < PN; ++n) {
#pragma HLS UNROLL
        word.lane[n] = residual(old.lane[n], z.lane[n], i.dst);
      }
      memories.residual.write(address, word);
    }
  }
}

}  // namespace peritus
