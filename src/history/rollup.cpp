#include "history/rollup.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace levee::history {
namespace {

/// The points of one sample, under a common beginning of their names.
class Points {
 public:
  Points(std::string prefix, WallTime at) : prefix_(std::move(prefix)), at_(at) {}

  void add(std::string_view name, std::optional<double> value) {
    if (value) {
      points_.push_back({prefix_ + std::string(name), at_, *value});
    }
  }
  [[nodiscard]] std::vector<Point> take() { return std::move(points_); }

 private:
  std::string prefix_;
  WallTime at_;
  std::vector<Point> points_;
};

std::optional<double> count_of(std::optional<Bytes> value) {
  return value ? std::optional{static_cast<double>(value->count)} : std::nullopt;
}

}  // namespace

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
  Points points("host/", sample.at.wall);
  points.add("memory_total_bytes", count_of(sample.total));
  points.add("memory_available_bytes", count_of(sample.available));
  points.add("swap_used_bytes", count_of(sample.swap_used));
  points.add("cpu_percent", sample.cpu_percent);
  points.add("memory_pressure_percent", sample.pressure_some_avg10);
  points.add("gpu_memory_percent", sample.gpu_memory_percent);
  points.add("gpu_utilization_percent", sample.gpu_utilization);
  return points.take();
}

std::vector<Point> points_of(std::string_view uuid, const GpuSample& sample) {
  Points points("gpu/" + std::string(uuid) + "/", sample.at.wall);
  if (sample.memory) {
    points.add("memory_used_bytes", count_of(sample.memory->used));
    points.add("memory_percent", sample.memory->percent());
  }
  points.add("utilization_percent", sample.utilization_percent);
  points.add("temperature_celsius", sample.temperature_celsius);
  points.add("power_watts", sample.power_watts);
  return points.take();
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
