#include "history/rollup.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace levee::history {

std::vector<Bucket> roll_up(std::span<const Point> points, std::chrono::seconds width) {
  std::map<std::pair<std::string_view, WallTime>, Bucket> buckets;
  for (const Point& point : points) {
    const auto since_epoch = point.at.time_since_epoch();
    // The remainder is made positive, so that it also holds for a clock set before 1970.
    const WallTime start{since_epoch - ((since_epoch % width) + width) % width};
    auto [entry, is_new] = buckets.try_emplace({point.series, start});
    Bucket& bucket = entry->second;
    if (is_new) {
      bucket = Bucket{point.series, start, point.value, point.value, 0, 0};
    }
    bucket.min = std::min(bucket.min, point.value);
    bucket.max = std::max(bucket.max, point.value);
    bucket.sum += point.value;
    ++bucket.count;
  }
  std::vector<Bucket> result;
  result.reserve(buckets.size());
  for (auto& [key, bucket] : buckets) {
    result.push_back(std::move(bucket));
  }
  return result;
}

std::vector<Point> points_of(const HostSample& sample) {
  std::vector<Point> points;
  const auto add = [&](std::string_view series, std::optional<double> value) {
    if (value) {
      points.push_back({std::string(series), sample.at.wall, *value});
    }
  };
  const auto bytes = [](std::optional<Bytes> value) {
    return value ? std::optional{static_cast<double>(value->count)} : std::nullopt;
  };
  add("host/memory_total_bytes", bytes(sample.total));
  add("host/memory_available_bytes", bytes(sample.available));
  add("host/swap_used_bytes", bytes(sample.swap_used));
  add("host/cpu_percent", sample.cpu_percent);
  add("host/memory_pressure_percent", sample.pressure_some_avg10);
  return points;
}

std::chrono::seconds resolution_for(std::chrono::seconds window,
                                    std::span<const std::chrono::seconds, 4> retention) {
  for (std::size_t i = 0; i < kResolutions.size(); ++i) {
    if (window <= retention[i]) {
      return kResolutions.at(i);
    }
  }
  return kResolutions.back();
}

}  // namespace levee::history
