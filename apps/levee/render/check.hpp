// `levee check` from the JSON of GET /api/v1/monitoring/report. Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

/// The answer to "may my job go on?".
struct Verdict {
  std::string word;                  ///< "safe", "warning", "critical", "emergency", "unknown".
  int exit_code = 3;                 ///< 0 safe, 1 warning, 2 critical or emergency, 3 unknown.
  std::string memory;                ///< "22.1 GiB of 23.4 GiB available".
  std::vector<std::string> reasons;  ///< The alerts behind it, worst first.
};

[[nodiscard]] Verdict judge(const Json& report);

/// One line.
[[nodiscard]] std::string render_check(const Verdict& verdict, const Style& style);

[[nodiscard]] Json check_json(const Verdict& verdict, const Json& report, bool from_daemon);

}  // namespace levee::cli
