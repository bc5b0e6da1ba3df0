// A recorded series as text: "seconds,bytes", one sample a line, with or without a line of names
// first. Pure; thread-safe.
#pragma once

#include <string_view>
#include <vector>

#include "levee/forecast.hpp"
#include "levee/result.hpp"

namespace levee::forecast {

/// The samples of `text`, in its order. Empty lines are left out. `invalid_argument` names the
/// first line that is not of that form, and what is wrong with it.
[[nodiscard]] Result<std::vector<MemoryPoint>> parse_series(std::string_view text);

}  // namespace levee::forecast
