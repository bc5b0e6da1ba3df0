// What this process itself uses: Levee's own budget. Thread-safe.
#pragma once

#include <optional>
#include <string>

#include "levee/bytes.hpp"

namespace levee::sources {

struct SelfUse {
  Bytes rss;                   ///< /proc/self/statm field 2.
  double cpu_seconds = 0;      ///< User and system time since start, getrusage(2).
  std::optional<int> threads;  ///< /proc/self/status.
};

[[nodiscard]] SelfUse read_self();

/// The name of this machine; "localhost" where it has none.
[[nodiscard]] std::string read_hostname();

}  // namespace levee::sources
