#include "api/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "api/metric_catalogue.hpp"
#include "policy/state.hpp"

namespace levee::api {
namespace {

void append_number(std::string& text, double value) {
  constexpr double kExact = 9007199254740992.0;  // 2^53: whole numbers below are written as such.
  if (std::trunc(value) == value && std::abs(value) < kExact) {
    fmt::format_to(std::back_inserter(text), "{:.0f}", value);
  } else {
    fmt::format_to(std::back_inserter(text), "{}", value);
  }
}

void append_escaped(std::string& text, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') {
      text += '\\';
    }
    if (c == '\n') {
      text += "\\n";
    } else {
      text += c;
    }
  }
}

std::string_view suffix_of(MetricType type) {
  switch (type) {
    case MetricType::gauge:
      return "";
    case MetricType::counter:
      return "_total";
    case MetricType::info:
      return "_info";
  }
  return "";
}

/// The type as `format` calls it; the older one knows no info.
std::string_view name_of(MetricType type, Exposition format) {
  switch (type) {
    case MetricType::gauge:
      return "gauge";
    case MetricType::counter:
      return "counter";
    case MetricType::info:
      return format == Exposition::openmetrics ? "info" : "gauge";
  }
  return "gauge";
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

/// The part of `rest` before `separator`; `rest` is left behind it.
std::string_view cut(std::string_view& rest, char separator) noexcept {
  const std::string_view part = rest.substr(0, rest.find(separator));
  rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  return trim(part);
}

/// One entry of an Accept header.
struct MediaRange {
  std::string_view type;
  std::string_view version;
  double quality = 1;
};

MediaRange parse_media_range(std::string_view text) noexcept {
  MediaRange range{.type = cut(text, ';'), .version = {}};
  while (!text.empty()) {
    std::string_view value = cut(text, ';');
    const std::string_view name = cut(value, '=');
    if (name == "version") {
      range.version = value;
    } else if (name == "q") {
      const auto [end, error] =
          std::from_chars(value.data(), value.data() + value.size(), range.quality);
      if (error != std::errc{}) {
        range.quality = 0;
      }
    }
  }
  return range;
}

void append_family(std::string& page, const Metric& metric, const MetricSource& source,
                   Exposition format) {
  const bool is_openmetrics = format == Exposition::openmetrics;
  const std::string sample_name = fmt::format("{}{}", metric.name, suffix_of(metric.type));
  const std::string_view family = is_openmetrics ? metric.name : sample_name;
  std::string samples;
  Samples to(samples, sample_name);
  metric.collect(source, to);
  if (samples.empty()) {
    return;
  }
  auto out = std::back_inserter(page);
  fmt::format_to(out, "# HELP {} {}\n# TYPE {} {}\n", family, metric.help, family,
                 name_of(metric.type, format));
  if (is_openmetrics && !metric.unit.empty()) {
    fmt::format_to(out, "# UNIT {} {}\n", family, metric.unit);
  }
  page += samples;
}

}  // namespace

void Samples::add(std::optional<double> value, std::initializer_list<Label> labels) {
  if (!value || !std::isfinite(*value)) {
    return;
  }
  text_ += name_;
  char separator = '{';
  for (const auto& [label, label_value] : labels) {
    text_ += std::exchange(separator, ',');
    text_ += label;
    text_ += "=\"";
    append_escaped(text_, label_value);
    text_ += '"';
  }
  text_ += labels.size() == 0 ? " " : "} ";
  append_number(text_, *value);
  text_ += '\n';
}

void Samples::add(std::optional<Bytes> value, std::initializer_list<Label> labels) {
  if (value) {
    add_count(value->count, labels);
  }
}

void Samples::add_count(std::uint64_t value, std::initializer_list<Label> labels) {
  add(static_cast<double>(value), labels);
}

void Samples::add_flag(bool value, std::initializer_list<Label> labels) {
  add(value ? 1.0 : 0.0, labels);
}

Exposition negotiate(std::string_view accept) noexcept {
  double openmetrics = 0;
  double text = 0;
  while (!accept.empty()) {
    const MediaRange range = parse_media_range(cut(accept, ','));
    if (range.type == "application/openmetrics-text" &&
        (range.version.empty() || range.version == "1.0.0")) {
      openmetrics = std::max(openmetrics, range.quality);
    } else if (range.type == "text/plain" && (range.version.empty() || range.version == "0.0.4")) {
      text = std::max(text, range.quality);
    }
  }
  return openmetrics > 0 && openmetrics >= text ? Exposition::openmetrics : Exposition::prometheus;
}

std::string_view content_type(Exposition format) noexcept {
  return format == Exposition::openmetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string metrics_page(const View& view, Exposition format, MonoTime now) {
  const bool is_openmetrics = format == Exposition::openmetrics;
  const MetricSource source{
      .view = view,
      .host = policy::fresh_host(*view.snapshot, view.settings->config().thresholds),
      .now = now};
  std::string page;
  for (const auto& catalogue : {metric_catalogue(), gpu_metrics()}) {
    for (const Metric& metric : catalogue) {
      append_family(page, metric, source, format);
    }
  }
  if (is_openmetrics) {
    page += "# EOF\n";
  }
  return page;
}

}  // namespace levee::api
