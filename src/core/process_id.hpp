// ProcessId: a process that cannot be mistaken for another one.
//
// The kernel uses a pid again after a while; boot id, pid and start time together are never used
// twice. Whoever signals a process compares its start time first.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace levee {

/// /proc/sys/kernel/random/boot_id as 128 bits; all zero when it could not be read.
struct BootId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  auto operator<=>(const BootId&) const = default;

  /// Parses "8-4-4-4-12" hexadecimal text, surrounding white space allowed.
  [[nodiscard]] static std::optional<BootId> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
};

struct ProcessId {
  BootId boot;
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  ///< Field 22 of /proc/PID/stat: clock ticks since boot.

  auto operator<=>(const ProcessId&) const = default;
};

}  // namespace levee
