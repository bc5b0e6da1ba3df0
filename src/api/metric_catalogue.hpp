// The catalogue: every metric declared once, with type, unit, help and where its value comes from.
// Internal to the room. Pure; thread-safe.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "api/view.hpp"
#include "core/time.hpp"

namespace levee::api {

enum class MetricType { gauge, counter, info };

/// What a metric may read. `host` is null without a fresh reading: then its metrics have no sample.
struct MetricSource {
  const View& view;
  const HostReading* host = nullptr;
  MonoTime now;
};

/// Takes the samples of one metric as text; unknown and non-finite values leave no line.
class Samples {
 public:
  using Label = std::pair<std::string_view, std::string_view>;

  Samples(std::string& text, std::string_view name) : text_(text), name_(name) {}

  void add(std::optional<double> value, std::initializer_list<Label> labels = {});
  void add(std::optional<Bytes> value, std::initializer_list<Label> labels = {});
  void add_count(std::uint64_t value, std::initializer_list<Label> labels = {});
  void add_flag(bool value, std::initializer_list<Label> labels = {});

 private:
  std::string& text_;
  std::string_view name_;
};

struct Metric {
  std::string_view name;  ///< Without the "_total" of a counter and the "_info" of an info.
  MetricType type;
  std::string_view unit;  ///< Empty, or what the name ends with.
  std::string_view help;
  void (*collect)(const MetricSource& from, Samples& to);
};

/// A unit stands at the end of the name, and no name is there twice: both formats demand it.
template <class Metrics>
consteval bool is_well_formed(const Metrics& metrics) {
  for (auto metric = metrics.begin(); metric != metrics.end(); ++metric) {
    const std::string_view name = metric->name;
    if (!name.ends_with(metric->unit) || name.ends_with("_total") || metric->help.empty()) {
      return false;
    }
    for (auto other = metrics.begin(); other != metric; ++other) {
      if (other->name == name) {
        return false;
      }
    }
  }
  return true;
}

/// The machine's and the daemon's metrics.
[[nodiscard]] std::span<const Metric> metric_catalogue();

/// Those of the GPUs.
[[nodiscard]] std::span<const Metric> gpu_metrics();

}  // namespace levee::api
