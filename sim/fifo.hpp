// SPDX-License-Identifier: Apache-2.0
// A fixed-capacity queue and a small random generator: the two helpers of the clock loop.
#pragma once

#include <cstdint>

namespace peritus {

template <class T, unsigned Capacity>
class Fifo {
  static_assert(Capacity && (Capacity & (Capacity - 1)) == 0, "capacity must be a power of two");

 public:
  bool empty() const { return size_ == 0; }
  unsigned size() const { return size_; }
  T &operator[](unsigned i) { return items_[(head_ + i) % Capacity]; }
  const T &operator[](unsigned i) const { return items_[(head_ + i) % Capacity]; }
  T &front() { return (*this)[0]; }
  const T &front() const { return (*this)[0]; }
  void push(const T &item) { (*this)[size_++] = item; }  // the caller keeps size() < Capacity
  void pop() {
    head_ = (head_ + 1) % Capacity;
    --size_;
  }
  void clear() { head_ = size_ = 0; }

 private:
  T items_[Capacity] = {};
  unsigned head_ = 0, size_ = 0;
};

// xorshift64* (Vigna 2016): repeatable from a seed, a few instructions a number.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ull | 1) {}
  std::uint32_t operator()() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<std::uint32_t>(state_ * 0x2545F4914F6CDD1Dull >> 32);
  }

 private:
  std::uint64_t state_;
};

}  // namespace peritus
