// SPDX-License-Identifier: Apache-2.0
// Process 2 of a job: fetch, predicate, execute, one instruction after the other.
//
// sync and wait_stream have no meaning here: an instruction ends before the next begins.
// RTL: rtl/control/peritus_sequencer.sv. Executable definition: peritus.runtime.iss.machine.

#include "units.hpp"

namespace peritus {

namespace {

Instruction read_instruction(const Beat *program, int index) {
#pragma HLS INLINE
  std::uint32_t words[config::EXEC_BYTES / 4] = {};
  for (int n = 0; n < config::EXEC_BYTES; ++n) {
    const int at = index * config::EXEC_BYTES + n;
    words[n / 4] |= static_cast<std::uint32_t>(program[at / config::AXI_BYTES].byte[at % config::AXI_BYTES])
                    << 8 * (n % 4);
  }
  return config::decode_Instruction(words);
}

// The first address beyond one of the memories; -1: all were inside. Asked once an instruction.
int outside(Memories &memories) {
#pragma HLS INLINE
  const int found[] = {memories.act.outside, memories.kv.outside, memories.score.outside, memories.residual.outside};
  memories.act.outside = memories.kv.outside = memories.score.outside = memories.residual.outside = -1;
  for (int address : found) {
    if (address != -1) return address;
  }
  return -1;
}

}  // namespace

bool counts_are_valid(const Instruction &i) {
  const int tokens = i.tokens, k = i.k_tiles, n = i.n_tiles, keys = i.keys, width = i.width;
  switch (i.opcode) {
    case config::Opcode::LOAD_IMAGE:
    case config::Opcode::STORE:
      return keys > 0 && k > 0 && tokens > 0 && n > 0;
    case config::Opcode::RES_INIT:
    case config::Opcode::KEEP:
    case config::Opcode::COPY:
      return tokens > 0 && n > 0;
    case config::Opcode::LAYERNORM:
      return tokens > 0 && 0 < n && n <= config::MAX_D_WORDS && 0 < width && width <= n * PN;
    case config::Opcode::GEMM: {
      const bool gathers = i.expert_valid || i.scatter || i.stream_src == config::StreamSource::ACT_GATHER;
      const bool rows = i.expert_valid || (0 < tokens && tokens <= config::ACC_DEPTH);
      const int top_k = i.top_k;
      const bool gate = i.dst != config::Dest::ROUTER ||
                        (0 < top_k && top_k <= config::MAX_TOP_K && top_k <= width && width <= config::MAX_EXPERTS &&
                         n == 1 && static_cast<int>(i.dst_base) + tokens <= config::ACC_DEPTH);
      return rows && (!gathers || static_cast<int>(i.expert) < config::MAX_EXPERTS) && gate && k > 0 && n > 0;
    }
    default:
      return true;
  }
}

void execute(const Beat *program, const Beat *image, Beat *result, Beat *features, const Job &job, Memories &memories,
             Stream<WeightWord> &stream, Outcome &outcome) {
  Segment segment(stream, memories);
  Fault fault = job.instructions <= config::PROGRAM_DEPTH && job.fetches <= config::FETCH_DEPTH ? Fault::END
                                                                                                  : Fault::CAPACITY;
  int index = 0, value = 0;
  bool running = fault == Fault::END;
  for (int step = 0; step < config::PROGRAM_DEPTH; ++step) {
    if (!running || step >= job.instructions) break;
    const Instruction i = read_instruction(program, step);
    if (!(static_cast<int>(i.task_mask) >> job.task & 1) || (i.features_only && !job.features) ||
        (i.cold_only && !job.cold)) {
      continue;
    }
    index = step;
    bool fits = true;
    if (!counts_are_valid(i)) {
      fault = Fault::COUNT;
      break;
    }
    switch (i.opcode) {
      case config::Opcode::END:
        segment.expect_end();
        fault = segment.wrong() ? Fault::SEGMENT : Fault::NONE;
        running = false;
        break;
      case config::Opcode::LOAD_IMAGE:
        fits = load_image(i, image, job.image_beats, memories);
        break;
      case config::Opcode::RES_INIT:
        res_init(i, segment, memories);
        break;
      case config::Opcode::COPY:
        res_copy(i, memories);
        break;
      case config::Opcode::KEEP:
        fits = keep(i, segment, memories);
        break;
      case config::Opcode::LAYERNORM:
        layernorm(i, segment, memories);
        break;
      case config::Opcode::GEMM:
        gemm(i, segment, memories);
        break;
      case config::Opcode::STORE:
        fits = i.features_only ? store(i, memories, features, job.feature_beats)
                               : store(i, memories, result, job.result_beats);
        break;
      default:
        fault = Fault::OPCODE;
        running = false;
    }
    value = outside(memories);
    if (!running) break;
    if (value != -1 || !fits || segment.wrong()) {
      fault = value != -1 ? Fault::ADDRESS : !fits ? Fault::BUFFER : Fault::SEGMENT;
      running = false;
    }
  }
  // What is left in the stream, or the next job would find it there.
  constexpr std::int64_t MOST_WORDS = std::int64_t(config::FETCH_DEPTH) * 65536 * config::STRIPE_WORDS;
  for (std::int64_t n = 0; n < MOST_WORDS; ++n) {
#pragma HLS PIPELINE II=1 // a word a cycle is what the stream delivers
#pragma HLS LOOP_TRIPCOUNT max=1
    if (segment.over()) break;
    segment.begin();
    segment.word();
  }
  outcome = {fault, index, value};
}

}  // namespace peritus
