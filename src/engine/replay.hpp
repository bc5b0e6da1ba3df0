// Replay: a recording lived through again, by the same engine with a stepped clock: under the
// settings of then, or under others. Nothing is sent, started or written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "core/time.hpp"
#include "recorder/reader.hpp"

namespace levee::engine {

/// What came of it. Events are their JSON, in order.
struct Replayed {
  std::string hostname;
  std::string version;  ///< Of the Levee that recorded.
  std::optional<WallTime> from;
  std::optional<WallTime> to;
  std::uint64_t ticks = 0;
  /// False: it begins in the middle of a run. What had happened before, and alerts that lasted, the
  /// engine does not know then.
  bool from_start = true;
  std::uint64_t gaps = 0;  ///< Places where something was not recorded.
  std::string damage;      ///< Where the recording is cut; empty: nowhere.

  std::vector<std::string> recorded;
  std::vector<std::string> same;   ///< Under the settings of then.
  std::vector<std::string> other;  ///< Under the others; as `same` where there are none.

  /// The settings of then gave exactly what was recorded.
  [[nodiscard]] bool is_exact() const { return recorded == same; }
};

/// Lives `reader` through. `others` hold throughout, over whatever was set then. An error when
/// those settings, or the recorded ones, cannot be. `progress` is told how much was read.
[[nodiscard]] Result<Replayed> replay(
    recorder::Reader& reader, const config::Values& others,
    const std::function<void(std::uint64_t read, std::uint64_t all)>& progress = {});

/// Events beside each other, and what differs, as JSON.
[[nodiscard]] std::string to_json(const Replayed& replayed, bool has_others);

}  // namespace levee::engine
