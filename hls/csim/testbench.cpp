// SPDX-License-Identifier: Apache-2.0
// C simulation of peritus_top: one job from files, compared with what it must give. Vitis's csim_design runs it, and so does
// anything else that compiles C++.
//
//   testbench FOLDER     program.bin, fetches.bin, weights.bin, image.bin; result.bin, features.bin as expected;
//                        job.bin: task, features, instructions, fetches (int32)

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "peritus_top.hpp"

using namespace peritus;

namespace {

std::vector<std::uint8_t> read_file(const std::string &path) {
  std::vector<std::uint8_t> bytes;
  std::FILE *file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    std::printf("no file %s\n", path.c_str());
    return bytes;
  }
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) bytes.push_back(static_cast<std::uint8_t>(c));
  std::fclose(file);
  return bytes;
}

std::vector<Beat> to_beats(const std::vector<std::uint8_t> &bytes) {
  std::vector<Beat> beats((bytes.size() + sizeof(Beat) - 1) / sizeof(Beat) + 1);  // one more: none may be empty
  if (!bytes.empty()) std::memcpy(beats.data(), bytes.data(), bytes.size());
  return beats;
}

int differences(const std::vector<Beat> &found, const std::vector<std::uint8_t> &expected) {
  int count = 0;
  for (std::size_t n = 0; n < expected.size(); ++n) {
    count += found[n / sizeof(Beat)].byte[n % sizeof(Beat)] != expected[n];
  }
  return count;
}

}  // namespace

int main(int argc, char **argv) {
  const std::string folder = argc > 1 ? argv[1] : ".";
  const auto numbers = read_file(folder + "/job.bin");
  if (numbers.size() != 4 * sizeof(std::int32_t)) return 1;
  std::int32_t number[4];
  std::memcpy(number, numbers.data(), sizeof number);
  const auto weights = read_file(folder + "/weights.bin"), image = read_file(folder + "/image.bin");
  const auto result = read_file(folder + "/result.bin"), features = read_file(folder + "/features.bin");
  const auto beats_of = [](const std::vector<std::uint8_t> &bytes) {
    return static_cast<std::int32_t>(bytes.size() / sizeof(Beat));
  };
  const std::int32_t cold = 1;  // its memories are empty
  const Job job = {number[0],         number[1],       cold,             number[2],         number[3],
                   beats_of(weights), beats_of(image), beats_of(result), beats_of(features)};
  std::vector<Beat> found = to_beats(std::vector<std::uint8_t>(result.size()));
  std::vector<Beat> found_features = to_beats(std::vector<std::uint8_t>(features.size()));
  Status status;
  peritus_top(to_beats(read_file(folder + "/program.bin")).data(), to_beats(read_file(folder + "/fetches.bin")).data(),
              to_beats(weights).data(), to_beats(image).data(), found.data(), found_features.data(), job, &status);
  const int wrong = differences(found, result) + differences(found_features, features);
  const Outcome &outcome = status.outcome;
  std::printf("fault %d at instruction %d, %d bytes differ of %zu\n", static_cast<int>(outcome.fault), outcome.instruction,
              wrong, result.size() + features.size());
  return outcome.fault == Fault::NONE && wrong == 0 && !result.empty() ? 0 : 1;
}
