// The only place that reads the clocks; everything else is handed a Now.
#pragma once

#include <chrono>

#include "core/time.hpp"

namespace levee::engine {

[[nodiscard]] inline Now read_clock() {
  return Now{std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()),
             std::chrono::steady_clock::now()};
}

}  // namespace levee::engine
