#include "render/ps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "core/time.hpp"
#include "levee/bytes.hpp"
#include "render/status.hpp"

namespace levee::cli {
namespace {

constexpr const char* kUnknown = "-";
constexpr std::size_t kShownContainer = 12;  ///< Of 64 digits, as container tools show them.

std::string pid_of(const Json& process) {
  const auto pid = number_at(process, "pid");
  return pid ? fmt::format("{:.0f}", *pid) : kUnknown;
}

std::string user_of(const Json& process) { return text_at(process, "user").value_or(kUnknown); }

std::string amount_of(const Json& process, const char* name) {
  const auto bytes = number_at(process, name);
  constexpr double kMost =
      9e18;  // Beyond it no count of bytes is plausible, nor a conversion safe.
  return bytes && *bytes >= 0 && *bytes <= kMost
             ? format_bytes(Bytes{static_cast<std::uint64_t>(*bytes)})
             : kUnknown;
}

std::string rss_of(const Json& process) { return amount_of(process, "rss_bytes"); }

std::string pss_of(const Json& process) { return amount_of(process, "pss_bytes"); }

std::string growth_of(const Json& process) {
  const auto growth = number_at(process, "growth_bytes_per_second");
  if (!growth) {
    return kUnknown;
  }
  const std::string text = growth_text(*growth);
  return text.empty() ? "0" : text;
}

/// When the figures were read: those of small processes are some seconds old.
std::string reading_of(const Json& process) {
  const auto age = number_at(process, "age_seconds");
  if (!age) {
    return kUnknown;
  }
  return *age < 1 ? "now"
                  : format_duration(std::chrono::seconds(std::llround(std::floor(*age)))) + " ago";
}

std::string container_of(const Json& process) {
  return text_at(process, "container").value_or(kUnknown).substr(0, kShownContainer);
}

std::string command_of(const Json& process) {
  return text_at(process, "command").value_or(text_at(process, "comm").value_or(kUnknown));
}

std::string gpu_memory_of(const Json& process) {
  return list_at(process, "gpus").empty() ? "" : amount_of(process, "gpu_memory_bytes");
}

/// "0", "0,1": the devices it has memory on.
std::string gpus_of(const Json& process) {
  std::string result;
  for (const Json& gpu : list_at(process, "gpus")) {
    result += (result.empty() ? "" : ",") + gpu.dump();
  }
  return result;
}

bool always(const Json& /*processes*/, const PsView& /*view*/) { return true; }

bool with_pss(const Json& /*processes*/, const PsView& view) { return view.with_pss; }

bool on_a_gpu(const Json& processes, const PsView& /*view*/) {
  return std::ranges::any_of(processes,
                             [](const Json& process) { return !list_at(process, "gpus").empty(); });
}

bool in_a_container(const Json& processes, const PsView& /*view*/) {
  return std::ranges::any_of(
      processes, [](const Json& process) { return text_at(process, "container").has_value(); });
}

struct Column {
  const char* head = nullptr;
  std::string (*cell)(const Json& process) = nullptr;
  bool (*is_shown)(const Json& processes, const PsView& view) = always;
};

constexpr std::array kColumns{Column{"PID", pid_of},
                              Column{"USER", user_of},
                              Column{"GPU", gpus_of, on_a_gpu},
                              Column{"GPU-MEM", gpu_memory_of, on_a_gpu},
                              Column{"RSS", rss_of},
                              Column{"PSS", pss_of, with_pss},
                              Column{"GROWTH", growth_of},
                              Column{"READ", reading_of},
                              Column{"CONTAINER", container_of, in_a_container},
                              Column{"COMMAND", command_of}};

std::string table(const Json& processes, const PsView& view, const Style& style) {
  std::vector<const Column*> columns;
  std::vector<std::string> head;
  for (const Column& column : kColumns) {
    if (column.is_shown(processes, view)) {
      columns.push_back(&column);
      head.emplace_back(column.head);
    }
  }
  Table table(std::move(head));
  for (const Json& process : processes) {
    std::vector<Span> row;
    row.reserve(columns.size());
    for (const Column* column : columns) {
      row.push_back({column->cell(process)});
    }
    table.add(std::move(row));
  }
  return table.text(style);
}

std::string remarks(const Json& answer, const PsView& view, const Style& style) {
  const Json& processes = list_at(answer, "processes");
  std::string result;
  const auto remark = [&](const std::string& text) {
    result += line({{text, Color::gray}}, style);
  };
  const auto total = number_at(answer, "total");
  if (total && *total > static_cast<double>(processes.size())) {
    remark(fmt::format("{} of {:.0f}; --limit shows more", processes.size(), *total));
  }
  const auto without_pss = std::ranges::count_if(
      processes, [](const Json& process) { return !number_at(process, "pss_bytes"); });
  if (view.with_pss && without_pss > 0) {
    remark(
        fmt::format("PSS of {} could not be read: gone, or not yours to look into", without_pss));
  }
  if (!view.from_daemon) {
    remark("no daemon: one look, which cannot tell growth");
  }
  return result;
}

}  // namespace

std::string render_ps(const Json& answer, const PsView& view, const Style& style) {
  const Json& processes = list_at(answer, "processes");
  if (processes.empty()) {
    return line({{"no processes to show"}}, style);
  }
  return table(processes, view, style) + remarks(answer, view, style);
}

}  // namespace levee::cli
