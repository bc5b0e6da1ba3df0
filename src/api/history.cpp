// Handler of /api/v1/monitoring/history (contract S2-68): the past, from memory or from the store,
// whichever reaches further back.
#include "history/window.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <map>

#include "api/json.hpp"
#include "api/json_parts.hpp"
#include "api/route.hpp"

namespace levee::api {
namespace {

constexpr std::uint64_t kUsualWindow = 300;

/// More rows than any chart shows; bounds the time and the memory one request can cost.
constexpr std::size_t kMostRows = 20'000;

/// What a row is made of; the names are those of history::points_of.
const std::vector<std::string> kSeries{
    "host/memory_total_bytes",      "host/memory_available_bytes",
    "host/swap_used_bytes",         "host/cpu_percent",
    "host/memory_pressure_percent", "host/gpu_memory_percent",
    "host/gpu_utilization_percent"};

/// One line of the answer; means over a bucket, with the worst moment beside them.
struct Row {
  WallTime at;
  std::optional<double> cpu_percent;
  std::optional<double> total;
  std::optional<double> available;
  std::optional<double> available_min;
  std::optional<double> swap_used;
  std::optional<double> pressure_percent;
  std::optional<double> gpu_memory_percent;
  std::optional<double> gpu_utilization;

  [[nodiscard]] std::optional<double> percent_used(std::optional<double> free) const {
    return total && free && *total > 0 ? std::optional(100.0 * (1.0 - *free / *total))
                                       : std::nullopt;
  }
};

struct Past {
  std::string_view source;
  double resolution_seconds = 0;
  std::vector<Row> rows;  ///< Oldest first.
  Seconds covered{0};     ///< From the first row to the end of the last.
  std::string note;       ///< Why it is not more; may be empty.
};

std::optional<double> count_of(std::optional<Bytes> bytes) {
  return bytes ? std::optional(static_cast<double>(bytes->count)) : std::nullopt;
}

/// The samples of the window; where they are too many, one row stands for `step` of them.
Past past_in_memory(const View& view, Now now, std::chrono::seconds window) {
  const auto samples = history::latest(std::span(*view.samples), now.mono, window);
  const std::size_t step = samples.size() / kMostRows + 1;
  const Seconds interval = view.settings->config().monitoring_interval;
  Past past{.source = "memory",
            .resolution_seconds = interval.count() * static_cast<double>(step),
            .rows = {},
            .note = {}};
  past.rows.reserve(samples.size() / step + 1);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const history::HostSample& sample = samples[i];
    const auto available = count_of(sample.available);
    if (i % step != 0) {
      auto& least = past.rows.back().available_min;
      least = std::min(least, available);
      continue;
    }
    past.rows.push_back(Row{.at = sample.at.wall,
                            .cpu_percent = sample.cpu_percent,
                            .total = count_of(sample.total),
                            .available = available,
                            .available_min = available,
                            .swap_used = count_of(sample.swap_used),
                            .pressure_percent = sample.pressure_some_avg10,
                            .gpu_memory_percent = sample.gpu_memory_percent,
                            .gpu_utilization = sample.gpu_utilization});
  }
  if (!samples.empty()) {
    past.covered = samples.back().at.mono - samples.front().at.mono;
  }
  return past;
}

/// Puts the buckets of the single series side by side; the names are those of history::points_of.
Past past_in_store(const std::vector<history::Bucket>& buckets, Now now,
                   std::chrono::seconds width) {
  std::map<WallTime, Row> rows;
  for (const history::Bucket& bucket : buckets) {
    Row& row = rows[bucket.start];
    if (bucket.series == "host/memory_total_bytes") {
      row.total = bucket.mean();
    } else if (bucket.series == "host/memory_available_bytes") {
      row.available = bucket.mean();
      row.available_min = bucket.min;
    } else if (bucket.series == "host/swap_used_bytes") {
      row.swap_used = bucket.mean();
    } else if (bucket.series == "host/cpu_percent") {
      row.cpu_percent = bucket.mean();
    } else if (bucket.series == "host/memory_pressure_percent") {
      row.pressure_percent = bucket.mean();
    } else if (bucket.series == "host/gpu_memory_percent") {
      row.gpu_memory_percent = bucket.mean();
    } else if (bucket.series == "host/gpu_utilization_percent") {
      row.gpu_utilization = bucket.mean();
    }
  }
  Past past{
      .source = "store", .resolution_seconds = Seconds(width).count(), .rows = {}, .note = {}};
  past.rows.reserve(rows.size());
  for (auto& [start, row] : rows) {
    row.at = start;
    past.rows.push_back(row);
  }
  if (!past.rows.empty()) {
    past.covered =
        std::max<Seconds>(Seconds{0}, std::min<WallTime>(past.rows.back().at + width, now.wall) -
                                          past.rows.front().at);
  }
  return past;
}

/// `value` with `decimals` places, several times faster than a general formatter.
void append_fixed(std::string& text, double value, int decimals) {
  constexpr std::array<std::int64_t, 3> kScales{1, 10, 100};
  const std::int64_t scale = kScales.at(static_cast<std::size_t>(decimals));
  const std::int64_t scaled = std::llrint(value * static_cast<double>(scale));
  if (scaled < 0) {
    text += '-';
  }
  const fmt::format_int whole(std::abs(scaled / scale));
  text.append(whole.data(), whole.size());
  if (decimals > 0) {
    const fmt::format_int fraction(std::abs(scaled % scale));
    text += '.';
    text.append(static_cast<std::size_t>(decimals) - fraction.size(), '0');
    text.append(fraction.data(), fraction.size());
  }
}

void append_number(std::string& text, std::string_view name, std::optional<double> value,
                   int decimals) {
  constexpr double kMost = 9e15;  // Times 100 it still is a 64-bit integer.
  text += ",\"";
  text += name;
  text += "\":";
  if (value && std::abs(*value) <= kMost) {
    append_fixed(text, *value, decimals);
  } else {
    text += "null";
  }
}

/// Rows are written straight into the text: there may be tens of thousands, and none of their
/// values needs escaping.
void append_row(std::string& text, const Row& row) {
  text += R"({"timestamp":")";
  text += to_iso8601(row.at);
  text += '"';
  append_number(text, "cpu_percent", row.cpu_percent, kPercentDecimals);
  append_number(text, "cpu_memory_percent", row.percent_used(row.available), kPercentDecimals);
  append_number(text, "cpu_memory_percent_max", row.percent_used(row.available_min),
                kPercentDecimals);
  append_number(text, "gpu_memory_percent", row.gpu_memory_percent, kPercentDecimals);
  append_number(text, "gpu_utilization", row.gpu_utilization, kPercentDecimals);
  append_number(text, "memory_total_bytes", row.total, 0);
  append_number(text, "memory_available_bytes", row.available, 0);
  append_number(text, "swap_used_bytes", row.swap_used, 0);
  append_number(text, "memory_pressure_percent", row.pressure_percent, 2);
  text += '}';
}

Response response_of(const Past& past, std::chrono::seconds window) {
  const auto end_of = [&](auto member) {
    return past.rows.empty() ? nlohmann::ordered_json()
                             : nlohmann::ordered_json(to_iso8601(member().at));
  };
  const nlohmann::ordered_json head{
      {"window_seconds", window.count()},
      {"covered_seconds", round_to(past.covered.count(), 3)},
      {"resolution_seconds", past.resolution_seconds},
      {"source", past.source},
      {"from", end_of([&] { return past.rows.front(); })},
      {"to", end_of([&] { return past.rows.back(); })},
      {"count", past.rows.size()},
      {"note", past.note.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(past.note)}};
  std::string body = dump(head);
  body.back() = ',';  // The object goes on with its rows.
  constexpr std::size_t kRowBytes = 320;
  body.reserve(body.size() + past.rows.size() * kRowBytes);
  body += "\"history\":[";
  for (const Row& row : past.rows) {
    append_row(body, row);
    body += ',';
  }
  if (!past.rows.empty()) {
    body.pop_back();
  }
  body += "]}";
  return text_response("application/json", std::move(body));
}

/// The finest resolution that covers `window` and keeps the answer within bounds.
std::chrono::seconds width_for(std::chrono::seconds window, const config::Store& store) {
  const std::array retention{store.keep_1s, store.keep_10s, store.keep_1m, store.keep_1h};
  const std::chrono::seconds finest = history::resolution_for(window, retention);
  for (const std::chrono::seconds width : history::kResolutions) {
    if (width >= finest && static_cast<std::size_t>(window / width) <= kMostRows) {
      return width;
    }
  }
  return history::kResolutions.back();
}

/// The better of both: what reaches further back, and what is in memory when they are even.
Past choose(Past memory, const Result<std::vector<history::Bucket>>& stored, Now now,
            std::chrono::seconds width) {
  if (!stored) {
    memory.note = fmt::format("older history cannot be read: {}", stored.error().message);
    return memory;
  }
  Past past = past_in_store(*stored, now, width);
  const bool older = !past.rows.empty() &&
                     (memory.rows.empty() || past.rows.front().at + width < memory.rows.front().at);
  return older ? std::move(past) : std::move(memory);
}

}  // namespace

Result<void> get_history(const Call& call, Responder respond) {
  const auto seconds = call.query.number("window_seconds", 1, kLongestWindow, kUsualWindow);
  if (!seconds) {
    return std::unexpected(seconds.error());
  }
  const std::chrono::seconds window(*seconds);
  const Now now = call.ports.now();
  const config::Config& config = call.view->settings->config();
  Past memory = past_in_memory(*call.view, now, window);
  const Seconds reach = memory.covered + 2 * Seconds(config.monitoring_interval);
  if (reach >= window) {
    respond(response_of(memory, window));
    return {};
  }
  const std::chrono::seconds width = width_for(window, config.store);
  call.ports.stored_history(
      store::Query{.series = kSeries, .from = now.wall - window, .to = now.wall, .width = width},
      [=, memory = std::move(memory),
       respond = std::move(respond)](const Result<std::vector<history::Bucket>>& stored) {
        try {
          respond(response_of(choose(memory, stored, now, width), window));
        } catch (const std::exception& exception) {
          respond(defect_response(exception));
        }
      });
  return {};
}

}  // namespace levee::api
