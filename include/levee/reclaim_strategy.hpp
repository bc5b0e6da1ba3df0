// The ways in which a process can give memory back, from the least to the most disruptive. Pure;
// thread-safe.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace levee {

enum class ReclaimStrategy {
  clear_cache,    ///< Caches are emptied; the work goes on as before.
  yield_balloon,  ///< Memory that is only held is let go.
  reduce_batch,   ///< The work goes on with a smaller batch.
  offload,        ///< Data moves elsewhere: to the host, to disk.
};

inline constexpr std::array kReclaimStrategies{
    ReclaimStrategy::clear_cache, ReclaimStrategy::yield_balloon, ReclaimStrategy::reduce_batch,
    ReclaimStrategy::offload};

/// "clear_cache", as the protocol and JSON have it.
[[nodiscard]] std::string_view to_string(ReclaimStrategy strategy) noexcept;

/// Takes "clear_cache", "clear-cache" and "CLEAR_CACHE".
[[nodiscard]] std::optional<ReclaimStrategy> parse_reclaim_strategy(std::string_view text);

/// "clear_cache, yield_balloon, reduce_batch, offload": for messages about others.
[[nodiscard]] std::string_view reclaim_strategy_names() noexcept;

/// The scope of host memory, beside the UUIDs of GPUs.
inline constexpr std::string_view kReclaimHost = "host";

}  // namespace levee
