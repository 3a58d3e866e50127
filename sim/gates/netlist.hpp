// SPDX-License-Identifier: Apache-2.0
// An ECP5 netlist, simulated clock by clock and only where something changes. What it is made of comes from
// tests.common.gates, which knows the cells; here are tables of up to five inputs (LUTs, multiplexers, carry chains),
// flip-flops, multipliers, LUT RAM and block RAM, all on one clock.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace gates {

using Net = std::uint32_t;  // 0 and 1 are the constants

struct Table {
  std::uint32_t values;
  Net out;
  std::array<Net, 5> in;
};

struct FlipFlop {
  Net d, enable, reset, q;
  bool enabled;       // value of `enable` at which d is taken
  bool value;         // at power-up, and by the reset
  bool asynchronous;  // reset
};

struct LutRam {
  std::array<Net, 4> read, write, data;
  Net enable;
  std::array<Net, 4> out;
  std::uint64_t content;  // four bits per address
};

struct Multiplier {
  std::array<Net, 18> a, b;
  Net a_signed, b_signed;
  std::array<Net, 36> product;
};

// DP16KD after Lattice's ECP5 Memory Usage Guide (FPGA-TN-02204) and what Yosys and nextpnr take it for
// (brams_16kd.txt, bitstream.cc): 2048 words of 9 bits, port A writes and reads, port B reads. A port begins at word
// address[13:3]. Widths 1, 2, 4: the bits from address[2:0] on, of the lower 8. Width 18: two words, written under
// address[1:0]. Width 36: A writes four under address[3:0], B reads them as {dob, doa}. While A writes, its output holds
// or, with read_first, is the old content. What B then reads of the same word is undefined in the device: here the
// complement of what was stored.
struct BlockRam {
  unsigned number, width_a, width_b, read_first;
  Net enable_a, write_a;
  std::array<Net, 14> address_a;
  std::array<Net, 36> data;
  Net enable_b;
  std::array<Net, 14> address_b;
  std::array<Net, 18> out_a, out_b;
  std::array<std::uint16_t, 2048> content;
};

class Netlist {
 public:
  Net rx, tx, locked;

  // folder: with `netlist` of tests.common.gates, and ram<number>.hex for each block RAM.
  explicit Netlist(const std::string &folder) {
    std::ifstream file(folder + "/netlist");
    std::size_t nets, tables, flip_flops, lut_rams, multipliers, block_rams;
    read(file, nets, rx, tx, locked, tables, flip_flops, lut_rams, multipliers, block_rams);
    tables_.resize(tables);
    flip_flops_.resize(flip_flops);
    lut_rams_.resize(lut_rams);
    multipliers_.resize(multipliers);
    block_rams_.resize(block_rams);
    for (auto &x : tables_) read(file, x.values, x.out, x.in);
    for (auto &x : flip_flops_) read(file, x.d, x.enable, x.reset, x.q, x.enabled, x.value, x.asynchronous);
    for (auto &x : lut_rams_) read(file, x.read, x.write, x.data, x.enable, x.out, x.content);
    for (auto &x : multipliers_) read(file, x.a, x.b, x.a_signed, x.b_signed, x.product);
    for (auto &x : block_rams_) {
      read(file, x.number, x.width_a, x.width_b, x.read_first, x.enable_a, x.write_a, x.address_a, x.data, x.enable_b,
           x.address_b, x.out_a, x.out_b);
      std::ifstream content(folder + "/ram" + std::to_string(x.number) + ".hex");
      content >> std::hex;
      read(content, x.content);
    }
    connect(nets);
    power_up();
  }

  bool operator[](Net net) const { return values_[net]; }

  void set(Net net, bool value) {
    if (values_[net] == value) return;
    values_[net] = value;
    for (auto i = readers_begin_[net]; i < readers_begin_[net + 1]; ++i) wake(readers_[i]);
  }

  // Until nothing changes any more.
  void settle() {
    do {
      for (auto &level : levels_) {
        for (std::size_t i = 0; i < level.size(); ++i) {
          awake_[level[i]] = false;
          evaluate(level[i]);
        }
        level.clear();
      }
    } while (reset_asynchronously());
  }

  // A rising edge of the clock.
  void clock() {
    edge_.swap(clocked_);
    for (auto node : edge_) awake_[node] = false;
    for (auto node : edge_) step(node);
    edge_.clear();
    for (auto [net, value] : changes_) set(net, value);
    changes_.clear();
    settle();
  }

 private:
  using Node = std::uint32_t;  // a cell, in the order of the first_... below

  template <typename... T>
  static void read(std::ifstream &file, T &...values) {
    (read_one(file, values), ...);
    if (!file) throw std::runtime_error("the netlist or a block RAM's content is incomplete");
  }
  template <typename T>
  static void read_one(std::ifstream &file, T &value) {
    file >> value;
  }
  template <typename T, std::size_t N>
  static void read_one(std::ifstream &file, std::array<T, N> &values) {
    for (auto &value : values) file >> value;
  }

  template <std::size_t N>
  std::uint64_t word(const std::array<Net, N> &nets) const {
    std::uint64_t result = 0;
    for (std::size_t i = 0; i < N; ++i) result |= std::uint64_t(values_[nets[i]]) << i;
    return result;
  }
  template <std::size_t N>
  void drive(const std::array<Net, N> &nets, std::uint64_t word) {
    for (std::size_t i = 0; i < N; ++i) set(nets[i], word >> i & 1);
  }
  template <std::size_t N>
  void drive_at_edge(const std::array<Net, N> &nets, std::uint64_t word) {
    for (std::size_t i = 0; i < N; ++i) {
      if (values_[nets[i]] != (word >> i & 1)) changes_.emplace_back(nets[i], word >> i & 1);
    }
  }

  void wake(Node node) {
    if (awake_[node]) return;
    awake_[node] = true;
    (node < first_flip_flop_ ? levels_[level_[node]] : clocked_).push_back(node);
  }

  // A cell whose outputs follow its inputs.
  void evaluate(Node node) {
    if (node < first_lut_ram_) {
      const Table &x = tables_[node];
      set(x.out, x.values >> word(x.in) & 1);
    } else if (node < first_multiplier_) {
      const LutRam &x = lut_rams_[node - first_lut_ram_];
      drive(x.out, x.content >> 4 * word(x.read));
    } else {
      const Multiplier &x = multipliers_[node - first_multiplier_];
      auto operand = [&](const std::array<Net, 18> &nets, Net is_signed) {
        auto value = std::int64_t(word(nets));
        return values_[is_signed] && value >> 17 ? value - (1 << 18) : value;
      };
      drive(x.product, std::uint64_t(operand(x.a, x.a_signed) * operand(x.b, x.b_signed)));
    }
  }

  // A cell at the clock's edge. Awake are those whose inputs have changed: any other would do what it did before.
  void step(Node node) {
    if (node < first_lut_ram_write_) {
      const FlipFlop &x = flip_flops_[node - first_flip_flop_];
      const bool next = values_[x.reset] ? x.value : values_[x.enable] == x.enabled ? values_[x.d] : values_[x.q];
      if (next != values_[x.q]) changes_.emplace_back(x.q, next);
    } else if (node < first_block_ram_) {
      LutRam &x = lut_rams_[node - first_lut_ram_write_];
      if (!values_[x.enable]) return;
      const auto shift = 4 * word(x.write);
      x.content = (x.content & ~(std::uint64_t(15) << shift)) | word(x.data) << shift;
      wake(first_lut_ram_ + (node - first_lut_ram_write_));
    } else {
      step(block_rams_[node - first_block_ram_], node);
    }
  }

  void step(BlockRam &x, Node node) {
    struct Port {
      unsigned words, first, bit, mask;
      Port(unsigned width, unsigned address)
          : words(width < 9 ? 1 : width / 9),
            first(address >> 3 & ~(words - 1)),
            bit(width < 9 ? address & 7 & ~(width - 1) : 0),
            mask(width < 9 ? (1 << width) - 1 : 0x1FF) {}
    };
    const unsigned address_a = unsigned(word(x.address_a));
    const Port a(x.width_a, address_a), b(x.width_b, unsigned(word(x.address_b)));
    const bool writes = values_[x.enable_a] && values_[x.write_a];
    const unsigned written = !writes ? 0 : a.words == 1 ? 1 : address_a & ((1 << a.words) - 1);
    if (a.words < 4 && values_[x.enable_a] && (!writes || x.read_first)) {
      std::uint64_t out = 0;
      for (unsigned i = 0; i < a.words; ++i) out |= std::uint64_t(x.content[a.first + i] >> a.bit & a.mask) << 9 * i;
      drive_at_edge(x.out_a, out);
    }
    if (values_[x.enable_b]) {
      std::uint64_t out = 0;
      for (unsigned i = 0; i < b.words; ++i) {
        const unsigned at = b.first + i, collides = at - a.first < 4 ? written >> (at - a.first) & 1 : 0;
        out |= std::uint64_t((collides ? ~x.content[at] : x.content[at]) >> b.bit & b.mask) << 9 * i;
      }
      drive_at_edge(x.out_b, b.words < 4 ? out : out >> 18);
      if (b.words == 4) drive_at_edge(x.out_a, out);
    }
    const auto data = word(x.data);
    for (unsigned i = 0; i < a.words; ++i) {
      auto &at = x.content[a.first + i];
      if (written >> i & 1) at = std::uint16_t((at & ~(a.mask << a.bit)) | (data >> 9 * i & a.mask) << a.bit);
    }
    if (written) wake(node);  // the next edge reads what was written now
  }

  bool reset_asynchronously() {
    bool changed = false;
    for (const auto &x : flip_flops_with_asynchronous_reset_) {
      if (values_[x.reset] && values_[x.q] != x.value) {
        set(x.q, x.value);
        changed = true;
      }
    }
    return changed;
  }

  // Who reads each net, and the level of each cell without a clock: above all that drive it.
  void connect(std::size_t nets) {
    first_lut_ram_ = Node(tables_.size());
    first_multiplier_ = first_lut_ram_ + Node(lut_rams_.size());
    first_flip_flop_ = first_multiplier_ + Node(multipliers_.size());
    first_lut_ram_write_ = first_flip_flop_ + Node(flip_flops_.size());
    first_block_ram_ = first_lut_ram_write_ + Node(lut_rams_.size());
    const Node nodes = first_block_ram_ + Node(block_rams_.size());

    std::vector<std::vector<Node>> readers(nets);
    std::vector<std::vector<Net>> drives(first_flip_flop_);
    Node node = 0;
    auto reads = [&](const auto &inputs) {
      for (Net net : inputs) readers[net].push_back(node);
    };
    for (const auto &x : tables_) reads(x.in), drives[node++] = {x.out};
    for (const auto &x : lut_rams_) reads(x.read), drives[node++] = {x.out.begin(), x.out.end()};
    for (const auto &x : multipliers_) {
      reads(x.a), reads(x.b), reads(std::array{x.a_signed, x.b_signed});
      drives[node++] = {x.product.begin(), x.product.end()};
    }
    for (const auto &x : flip_flops_) reads(std::array{x.d, x.enable, x.reset}), ++node;
    for (const auto &x : lut_rams_) reads(x.write), reads(x.data), reads(std::array{x.enable}), ++node;
    for (const auto &x : block_rams_) {
      reads(x.address_a), reads(x.data), reads(x.address_b), reads(std::array{x.enable_a, x.write_a, x.enable_b}), ++node;
    }
    for (const auto &x : flip_flops_) {
      if (x.asynchronous) flip_flops_with_asynchronous_reset_.push_back(x);
    }

    std::vector<unsigned> missing(first_flip_flop_, 0);
    level_.assign(first_flip_flop_, 0);
    for (const auto &driven : drives) {
      for (Net net : driven) {
        for (Node reader : readers[net]) {
          if (reader < first_flip_flop_) ++missing[reader];
        }
      }
    }
    std::vector<Node> ready;
    for (Node i = 0; i < first_flip_flop_; ++i) {
      if (!missing[i]) ready.push_back(i);
    }
    for (std::size_t i = 0; i < ready.size(); ++i) {
      for (Net net : drives[ready[i]]) {
        for (Node reader : readers[net]) {
          if (reader >= first_flip_flop_) continue;
          level_[reader] = std::max(level_[reader], level_[ready[i]] + 1);
          if (--missing[reader] == 0) ready.push_back(reader);
        }
      }
    }
    if (ready.size() != first_flip_flop_) throw std::runtime_error("the netlist has a combinational loop");

    readers_begin_.push_back(0);
    for (const auto &list : readers) {
      readers_.insert(readers_.end(), list.begin(), list.end());
      readers_begin_.push_back(readers_.size());
    }
    levels_.resize(1 + std::ranges::max(level_));
    values_.assign(nets, false);
    awake_.assign(nodes, false);
  }

  void power_up() {
    values_[1] = true;
    for (const auto &x : flip_flops_) values_[x.q] = x.value;
    for (Node node = 0; node < Node(awake_.size()); ++node) wake(node);
    settle();
  }

  std::vector<Table> tables_;
  std::vector<FlipFlop> flip_flops_, flip_flops_with_asynchronous_reset_;
  std::vector<LutRam> lut_rams_;
  std::vector<Multiplier> multipliers_;
  std::vector<BlockRam> block_rams_;
  Node first_lut_ram_, first_multiplier_, first_flip_flop_, first_lut_ram_write_, first_block_ram_;

  std::vector<std::uint8_t> values_, awake_;  // of nets, of nodes
  std::vector<std::size_t> readers_begin_;
  std::vector<Node> readers_;
  std::vector<unsigned> level_;
  std::vector<std::vector<Node>> levels_;  // those awake, by level
  std::vector<Node> clocked_, edge_;       // those awake until the next edge, at this one
  std::vector<std::pair<Net, bool>> changes_;
};

}  // namespace gates
