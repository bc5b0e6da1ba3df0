// The files that tell of the whole machine.
#include "sources/proc_text.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "sources/fields.hpp"

namespace levee::sources {
namespace {

std::unexpected<Error> nonsense(std::string_view file, std::string_view wanted) {
  return fail(ErrorCode::corrupt, fmt::format("{} makes no sense: no usable {}", file, wanted));
}

std::uint64_t saturating_sum(std::initializer_list<std::uint64_t> parts) {
  Bytes sum;
  for (const std::uint64_t part : parts) {
    sum += Bytes{part};
  }
  return sum.count;
}

/// "avg10=0.00 avg60=0.12 avg300=3.40 total=123"
std::optional<PressureLine> parse_pressure_line(std::string_view text) {
  PressureLine line;
  bool has_total = false;
  int averages = 0;
  while (true) {
    std::string_view value = take_word(text);
    if (value.empty()) {
      break;
    }
    const std::string_view key = take_until(value, '=');
    if (key == "total") {
      const auto total = to_number<std::uint64_t>(value);
      if (!total) {
        return std::nullopt;
      }
      line.total_us = *total;
      has_total = true;
      continue;
    }
    double* const slot = key == "avg10"    ? &line.avg10
                         : key == "avg60"  ? &line.avg60
                         : key == "avg300" ? &line.avg300
                                           : nullptr;
    if (slot == nullptr) {
      continue;
    }
    const auto average = to_real(value);
    if (!average || *average > 100) {
      return std::nullopt;
    }
    *slot = *average;
    ++averages;
  }
  return has_total && averages == 3 ? std::optional(line) : std::nullopt;
}

}  // namespace

Result<MemInfo> parse_meminfo(std::string_view text) {
  MemInfo info;
  std::optional<Bytes> total;
  std::optional<Bytes> available;
  struct Wanted {
    std::string_view key;
    std::optional<Bytes>* slot;
    bool seen = false;
  };
  std::array<Wanted, 9> wanted{{{"MemTotal", &total},
                                {"MemAvailable", &available},
                                {"MemFree", &info.free},
                                {"Buffers", &info.buffers},
                                {"Cached", &info.cached},
                                {"SwapTotal", &info.swap_total},
                                {"SwapFree", &info.swap_free},
                                {"Shmem", &info.shmem},
                                {"SReclaimable", &info.reclaimable}}};
  for (std::size_t found = 0; !text.empty() && found < wanted.size();) {
    std::string_view line = take_line(text);
    const std::string_view key = take_until(line, ':');
    const auto entry = std::ranges::find(wanted, key, &Wanted::key);
    if (entry != wanted.end() && !entry->seen) {
      *entry->slot = to_kilobytes(line);
      entry->seen = true;
      ++found;
    }
  }
  if (!total || total->count == 0) {
    return nonsense("/proc/meminfo", "\"MemTotal: N kB\"");
  }
  if (!wanted[1].seen && info.free) {
    const Bytes cache = info.cached.value_or(Bytes{}) + info.buffers.value_or(Bytes{}) +
                        info.reclaimable.value_or(Bytes{});
    available = *info.free + (cache - info.shmem.value_or(Bytes{}));
  }
  if (!available) {
    return nonsense("/proc/meminfo", "\"MemAvailable: N kB\"");
  }
  info.total = *total;
  info.available = std::min(*available, *total);
  return info;
}

Result<CpuTimes> parse_stat(std::string_view text) {
  CpuTimes times;
  bool has_total_line = false;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::string_view key = take_word(line);
    if (key == "cpu" && !has_total_line) {
      // user nice system idle iowait irq softirq steal; old kernels end earlier.
      std::array<std::uint64_t, 8> ticks{};
      std::size_t count = 0;
      for (; count < ticks.size(); ++count) {
        const std::string_view word = take_word(line);
        const auto value = to_number<std::uint64_t>(word);
        if (!value && !word.empty()) {
          return nonsense("/proc/stat", "\"cpu\" line of tick counts");
        }
        if (!value) {
          break;
        }
        ticks.at(count) = *value;
      }
      if (count < 4) {
        return nonsense("/proc/stat", "\"cpu\" line of four or more tick counts");
      }
      times.busy = saturating_sum({ticks[0], ticks[1], ticks[2], ticks[5], ticks[6], ticks[7]});
      times.total = saturating_sum({times.busy, ticks[3], ticks[4]});
      has_total_line = true;
    } else if (key.size() > 3 && key.starts_with("cpu") && key[3] >= '0' && key[3] <= '9') {
      ++times.cores;
    } else if (key == "processes") {
      times.forks = to_number<std::uint64_t>(take_word(line));
    }
  }
  if (!has_total_line) {
    return nonsense("/proc/stat", "\"cpu\" line");
  }
  return times;
}

std::optional<double> cpu_percent(const CpuTimes& before, const CpuTimes& after) {
  if (after.total <= before.total || after.busy < before.busy) {
    return std::nullopt;
  }
  // iowait may go backwards (man 5 proc), so that busy time can outgrow the total.
  const double share = static_cast<double>(after.busy - before.busy) /
                       static_cast<double>(after.total - before.total);
  return 100 * std::min(share, 1.0);
}

Result<Pressure> parse_pressure(std::string_view text) {
  Pressure pressure;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::string_view kind = take_word(line);
    if (kind == "some") {
      pressure.some = parse_pressure_line(line);
    } else if (kind == "full") {
      pressure.full = parse_pressure_line(line);
    }
  }
  if (!pressure.some && !pressure.full) {
    return nonsense("the pressure file", "\"some avg10=N avg60=N avg300=N total=N\"");
  }
  return pressure;
}

std::optional<double> parse_loadavg(std::string_view text) { return to_real(take_word(text)); }

std::map<uid_t, std::string> parse_passwd(std::string_view text) {
  std::map<uid_t, std::string> names;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::string_view name = take_until(line, ':');
    static_cast<void>(take_until(line, ':'));
    const auto uid = to_number<uid_t>(take_until(line, ':'));
    if (uid && !name.empty() && name.front() != '#') {
      names.try_emplace(*uid, printable(name));
    }
  }
  return names;
}

}  // namespace levee::sources
