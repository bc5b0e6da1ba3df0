// Scenario: the text that describes a simulated machine and what happens to it (docs/simulator.md
// is the reference). Pure but for make_machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "levee/bytes.hpp"
#include "levee/result.hpp"
#include "simgpu/machine/layout.hpp"
#include "simgpu/machine/profile.hpp"
#include "simgpu/machine/segment.hpp"

namespace levee::simgpu {

struct InstanceSpec {
  std::string profile;  ///< "3g.40gb"
  std::uint32_t slices = 0;
  std::uint64_t bytes = 0;
};

struct GpuSpec {
  std::int32_t index = 0;
  std::string name = "Sim H200";
  std::string uuid;  ///< Empty: made from the seed.
  std::uint64_t total_bytes = 143771 * kMiB;
  std::uint64_t reserved_bytes = 600 * kMiB;
  std::uint64_t context_bytes = 512 * kMiB;
  std::int32_t cc_major = 9;
  std::int32_t cc_minor = 0;
  std::uint32_t pci_bus = 0;
  std::vector<InstanceSpec> instances;
  std::vector<std::pair<Key, std::int64_t>> values;
};

struct Scenario {
  ClockKind clock = ClockKind::step;
  Profile profile = Profile::r550;
  std::uint64_t seed = 1;
  std::vector<GpuSpec> gpus;  ///< By index, without gaps.
  std::vector<Step> steps;    ///< By time.
};

/// Errors name the line, the offending text and what is accepted.
[[nodiscard]] Result<Scenario> parse_scenario(std::string_view text);

/// One action for `levee-simctl set` and `fault`: "gpu 0 temp 80", "for 5s driver init 18".
/// `gpus` is how many there are, `now` when it happens.
[[nodiscard]] Result<std::vector<Step>> parse_action(std::string_view text, std::size_t gpus,
                                                     std::uint64_t now);

/// Makes the machine at `path`, with its first steps done.
[[nodiscard]] Result<Segment> make_machine(const std::filesystem::path& path,
                                           const Scenario& scenario);

}  // namespace levee::simgpu
