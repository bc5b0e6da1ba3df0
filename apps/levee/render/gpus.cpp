#include "render/gpus.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "levee/bytes.hpp"
#include "render/forecast.hpp"

namespace levee::cli {
namespace {

constexpr double kNotableUnattributed = 64.0 * kMiB;
constexpr double kStaleSeconds = 5;

std::string mib_text(std::optional<double> bytes) {
  return bytes ? fmt::format("{:.0f}", *bytes / static_cast<double>(kMiB)) : "-";
}

std::string whole_text(std::optional<double> value) {
  return value ? fmt::format("{:.0f}", *value) : "-";
}

std::string name_of(const Json& gpu) {
  const std::string index = whole_text(number_at(gpu, "gpu_id"));
  if (text_at(gpu, "parent_uuid")) {
    return fmt::format("[{}:{}] MIG {}", index, whole_text(number_at(gpu, "gpu_instance")),
                       text_at(gpu, "mig_profile").value_or("-"));
  }
  return fmt::format("[{}] {}", index, text_at(gpu, "name").value_or("-"));
}

/// "ada:python/5204(2048M)"; a process that cannot be seen from here is its pid alone.
std::string process_text(const Json& process) {
  const std::string pid = whole_text(number_at(process, "pid"));
  const std::string memory = mib_text(number_at(process, "gpu_memory_bytes"));
  const auto comm = text_at(process, "comm");
  return comm ? fmt::format("{}:{}/{}({}M)", text_at(process, "user").value_or("-"), *comm, pid,
                            memory)
              : fmt::format("{}({}M)", pid, memory);
}

std::string processes_text(const Json& gpu) {
  if (!member_at(gpu, "processes").is_array()) {
    return "-";
  }
  std::string result;
  for (const Json& process : list_at(gpu, "processes")) {
    result += (result.empty() ? "" : " ") + process_text(process);
  }
  return result;
}

/// What a reader should know beyond the usual.
std::string remarks(const Json& gpu) {
  std::vector<std::string> remarks;
  const auto age = number_at(gpu, "sample_age_seconds").value_or(0);
  if (age > kStaleSeconds) {
    remarks.push_back(fmt::format("{:.0f} s old", age));
  }
  if (truth_at(gpu, "unified_memory") == true) {
    remarks.emplace_back("memory shared with the host");
  }
  const std::string trend = text_at(gpu, "temperature_trend", "trend").value_or("");
  const auto slope = number_at(gpu, "temperature_trend", "celsius_per_minute");
  if ((trend == "rising" || trend == "falling") && slope) {
    remarks.push_back(fmt::format("{} {:+.1f}°C/min", trend, *slope));
  }
  if (const std::string full = full_text(member_at(gpu, "memory_forecast")); !full.empty()) {
    remarks.push_back(full);
  }
  const auto unattributed = number_at(gpu, "memory_unattributed_bytes").value_or(0);
  if (unattributed >= kNotableUnattributed) {
    remarks.push_back(fmt::format("{} MiB unattributed", mib_text(unattributed)));
  }
  std::vector<std::string> reasons;
  for (const Json& reason : list_at(gpu, "slowdown_reasons")) {
    if (reason.is_string()) {
      reasons.push_back(reason.get<std::string>());
    }
  }
  if (!reasons.empty()) {
    remarks.push_back(fmt::format("slowed by {}", fmt::join(reasons, ", ")));
  }
  for (const Json& xid : list_at(gpu, "health", "xids")) {
    remarks.push_back(fmt::format("XID {}", whole_text(number_at(xid, "code"))));
  }
  return fmt::format("{}", fmt::join(remarks, "; "));
}

std::string gpu_line(const Json& gpu, std::size_t name_width, const Style& style) {
  const std::string state = text_at(gpu, "state").value_or("unavailable");
  const std::string condition = text_at(gpu, "condition").value_or("ok");
  const auto speed = number_at(gpu, "speed_multiplier");
  const bool fresh = truth_at(gpu, "available").value_or(false);
  const Color color = fresh ? color_of_state(state) : Color::gray;
  const std::string sensors =
      condition == "ok"
          ? fmt::format("{:>3}°C, {:>3} %", whole_text(number_at(gpu, "temperature_celsius")),
                        whole_text(number_at(gpu, "utilization_percent")))
          : fmt::format("{:<12}", condition == "lost" ? "GPU is lost" : condition);
  const std::string notes = remarks(gpu);
  return line({{fmt::format("{:<{}}", name_of(gpu), name_width)},
               {" | "},
               {sensors, color},
               {" | "},
               {fmt::format("{:>6} / {:>6} MiB", mib_text(number_at(gpu, "memory_used_bytes")),
                            mib_text(number_at(gpu, "memory_total_bytes"))),
                color},
               {fmt::format(" | {} | ", processes_text(gpu))},
               {fmt::format("{} {}", state, speed ? fmt::format("{:.1f}x", *speed) : "-"), color},
               {notes.empty() ? "" : " | " + notes}},
              style);
}

}  // namespace

std::string gpu_lines(const Json& overview, const Style& style) {
  std::size_t width = 0;
  for (const Json& gpu : list_at(overview, "gpus")) {
    width = std::max(width, name_of(gpu).size());
  }
  std::string result;
  for (const Json& gpu : list_at(overview, "gpus")) {
    result += gpu_line(gpu, width, style);
  }
  return result;
}

}  // namespace levee::cli
