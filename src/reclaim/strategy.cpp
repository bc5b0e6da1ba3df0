#include <algorithm>
#include <string>

#include "levee/reclaim_strategy.hpp"

namespace levee {

std::string_view to_string(ReclaimStrategy strategy) noexcept {
  switch (strategy) {
    case ReclaimStrategy::clear_cache:
      return "clear_cache";
    case ReclaimStrategy::yield_balloon:
      return "yield_balloon";
    case ReclaimStrategy::reduce_batch:
      return "reduce_batch";
    case ReclaimStrategy::offload:
      return "offload";
  }
  return "clear_cache";
}

std::optional<ReclaimStrategy> parse_reclaim_strategy(std::string_view text) {
  std::string name(text);
  std::ranges::transform(name, name.begin(), [](char c) {
    return c == '-' ? '_' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  const auto* const found =
      std::ranges::find(kReclaimStrategies, name, [](auto each) { return to_string(each); });
  return found == kReclaimStrategies.end() ? std::nullopt : std::optional(*found);
}

std::string_view reclaim_strategy_names() noexcept {
  return "clear_cache, yield_balloon, reduce_batch, offload";
}

}  // namespace levee
