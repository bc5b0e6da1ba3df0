// Waiting for a real thread or process: until a condition holds, with a deadline that only a
// failing test ever reaches.
#pragma once

#include <chrono>
#include <thread>

namespace levee::test {

inline constexpr std::chrono::seconds kPatience{10};

/// True as soon as `condition()` is, false when it is not within `patience`.
template <class Condition>
[[nodiscard]] bool eventually(Condition condition, std::chrono::milliseconds patience = kPatience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  return true;
}

}  // namespace levee::test
