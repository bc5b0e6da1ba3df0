// Handler of /api/v1/processes: who holds the memory, of the GPUs and of the host.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <ranges>
#include <set>
#include <vector>

#include "api/find_gpu.hpp"
#include "api/json.hpp"
#include "api/json_parts.hpp"
#include "api/route.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kMostProcesses = 1000;
constexpr std::uint64_t kUsualProcesses = 50;

/// What a process has on the GPUs.
struct GpuUse {
  std::optional<Bytes> memory;  ///< Over all devices; absent while one of them hides it.
  std::set<int> gpus;
  std::optional<double> growth_per_second;
  bool hidden = false;
};

/// One row: a process of the host, or one that only a driver names.
struct Row {
  const ProcessReading* reading = nullptr;
  const GpuProcess* named = nullptr;
  const GpuUse* use = nullptr;

  [[nodiscard]] Bytes gpu_memory() const {
    return use != nullptr ? use->memory.value_or(Bytes{}) : Bytes{};
  }
  [[nodiscard]] Bytes rss() const {
    return reading != nullptr ? reading->rss : named->rss.value_or(Bytes{});
  }
  [[nodiscard]] std::optional<double> growth() const {
    return reading != nullptr ? reading->growth_per_second : std::nullopt;
  }
  /// Who is not known at all comes last.
  [[nodiscard]] pid_t pid() const {
    if (named != nullptr) {
      return named->pid;
    }
    return reading->identity ? reading->identity->id.pid : std::numeric_limits<pid_t>::max();
  }
  [[nodiscard]] const ProcessIdentity* identity() const {
    return reading != nullptr ? reading->identity.get() : named->identity.get();
  }
};

void add(GpuUse& use, const GpuProcess& process, int gpu) {
  use.gpus.insert(gpu);
  use.hidden = use.hidden || !process.memory;
  use.memory =
      use.hidden ? std::nullopt : std::optional(use.memory.value_or(Bytes{}) + *process.memory);
  if (process.growth_per_second) {
    use.growth_per_second = use.growth_per_second.value_or(0) + *process.growth_per_second;
  }
}

/// Per pid. Instances of a device are left out: the device itself names their processes, too.
std::map<pid_t, GpuUse> use_by_pid(const Snapshot& snapshot) {
  std::map<pid_t, GpuUse> uses;
  for (const GpuReading& gpu : snapshot.gpus) {
    if (gpu.processes && !gpu.identity->is_instance()) {
      for (const GpuProcess& process : *gpu.processes) {
        add(uses[process.pid], process, gpu.identity->index);
      }
    }
  }
  return uses;
}

std::vector<Row> rows_of(const Snapshot& snapshot, const std::map<pid_t, GpuUse>& uses) {
  std::vector<Row> rows;
  std::set<pid_t> listed;
  for (const ProcessReading& process : snapshot.processes) {
    const pid_t pid = process.identity ? process.identity->id.pid : 0;
    const auto use = uses.find(pid);
    rows.push_back(
        {.reading = &process, .named = nullptr, .use = use != uses.end() ? &use->second : nullptr});
    listed.insert(pid);
  }
  for (const GpuReading& gpu : snapshot.gpus) {
    if (!gpu.processes) {
      continue;
    }
    for (const GpuProcess& process : *gpu.processes) {
      const auto use = uses.find(process.pid);
      if (use != uses.end() && listed.insert(process.pid).second) {
        rows.push_back({.reading = nullptr, .named = &process, .use = &use->second});
      }
    }
  }
  return rows;
}

/// `user` is a name, or a number for a user who may have one.
bool is_of(const Row& row, std::string_view user) {
  const ProcessIdentity* who = row.identity();
  return who != nullptr && (who->user == user || std::to_string(who->uid) == user);
}

/// The largest `key` first; equals by pid.
template <class Key>
void sort_by(std::vector<Row>& rows, Key key) {
  std::ranges::sort(rows, [&](const Row& a, const Row& b) {
    const auto of_a = std::invoke(key, a);
    const auto of_b = std::invoke(key, b);
    return of_a != of_b ? of_a > of_b : a.pid() < b.pid();
  });
}

Result<void> sort(std::vector<Row>& rows, const Query& query) {
  const std::string* const order = query.find("sort");
  if (order == nullptr || *order == "gpu") {
    sort_by(rows, [](const Row& row) { return std::pair(row.gpu_memory(), row.rss()); });
  } else if (*order == "rss") {
    sort_by(rows, &Row::rss);
  } else if (*order == "growth") {
    // What shrinks comes behind, and last of all what is not known.
    sort_by(rows, &Row::growth);
  } else {
    return fail(ErrorCode::invalid_argument,
                fmt::format("sort is {}, which is no order", in_quotes(*order)),
                "accepted: gpu, rss, growth");
  }
  return {};
}

ordered_json row_json(const Row& row, MonoTime now) {
  ordered_json json;
  if (row.reading != nullptr) {
    json = to_json(*row.reading, now);
  } else {
    ProcessReading shown;
    shown.identity =
        row.named->identity ? row.named->identity : std::make_shared<const ProcessIdentity>();
    shown.read_at = now;
    json = to_json(shown, now);
    json["pid"] = row.named->pid;
    json["rss_bytes"] = bytes_or_null(row.named->rss);
    if (!row.named->identity) {
      for (const char* unknown : {"user", "comm", "command", "uid", "parent", "start_ticks"}) {
        json[unknown] = nullptr;
      }
    }
  }
  json["gpus"] = row.use != nullptr ? ordered_json(row.use->gpus) : ordered_json::array();
  json["gpu_memory_bytes"] = row.use != nullptr ? bytes_or_null(row.use->memory) : ordered_json();
  json["gpu_growth_bytes_per_second"] =
      row.use != nullptr ? rounded(row.use->growth_per_second, 0) : ordered_json();
  return json;
}

}  // namespace

Result<Response> get_processes(const Call& call) {
  const auto limit = call.query.number("limit", 1, kMostProcesses, kUsualProcesses);
  if (!limit) {
    return std::unexpected(limit.error());
  }
  const Snapshot& snapshot = *call.view->snapshot;
  const auto uses = use_by_pid(snapshot);
  std::vector<Row> rows = rows_of(snapshot, uses);
  if (const std::string* const user = call.query.find("user")) {
    std::erase_if(rows, [&](const Row& row) { return !is_of(row, *user); });
  }
  if (call.query.find("gpu_id") != nullptr) {
    const auto gpu = find_gpu(call);
    if (!gpu) {
      return std::unexpected(gpu.error());
    }
    const int index = (*gpu)->reading->identity->index;
    std::erase_if(
        rows, [&](const Row& row) { return row.use == nullptr || !row.use->gpus.contains(index); });
  }
  if (const auto sorted = sort(rows, call.query); !sorted) {
    return std::unexpected(sorted.error());
  }
  ordered_json processes = ordered_json::array();
  for (const Row& row : rows | std::views::take(*limit)) {
    processes.push_back(row_json(row, snapshot.at.mono));
  }
  return json_response(ordered_json{{"timestamp", to_iso8601(snapshot.at.wall)},
                                    {"processes", std::move(processes)},
                                    {"processes_seen", snapshot.processes_seen},
                                    {"total", rows.size()}});
}

}  // namespace levee::api
