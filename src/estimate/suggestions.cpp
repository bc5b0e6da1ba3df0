#include "estimate/suggestions.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ranges>
#include <span>
#include <string_view>

namespace levee::estimate {
namespace {

using Lines = std::vector<std::string>;

// Shares of a memory, percent, from which something is worth a line.
constexpr double kMuch = 25;               ///< What one holds.
constexpr double kNotable = 10;            ///< What lies idle.
constexpr Bytes kNotableGrowth = mib(16);  ///< In a minute.
constexpr std::size_t kMostNames = 3;

void suggest(Lines& lines, std::string_view text) { lines.push_back(fmt::format("- {}", text)); }

/// "40.0 GiB (62 %)".
std::string share(Bytes part, Bytes whole) {
  return fmt::format("{} ({:.0f} %)", format_bytes(part), percent_of(part, whole));
}

const Holder* largest(const std::vector<Holder>& holders) {
  const auto found = std::ranges::max_element(holders, {}, &Holder::memory);
  return found == holders.end() ? nullptr : &*found;
}

/// " and grows by 1.20 GiB a minute"; empty for one that does not.
std::string growth_of(const Holder& holder) {
  constexpr double kMost = 1e18;  // No measurement; and beyond 64 bits soon.
  const double a_minute = holder.growth_per_second.value_or(0) * 60;
  if (!(a_minute >= static_cast<double>(kNotableGrowth.count) && a_minute < kMost)) {
    return "";
  }
  return fmt::format(" and grows by {} a minute",
                     format_bytes(Bytes{static_cast<std::uint64_t>(a_minute)}));
}

/// "a, b, c and 4 more".
std::string names_of(std::span<const CachedModel> models) {
  std::vector<std::string_view> names;
  for (const CachedModel& model : models | std::views::take(kMostNames)) {
    names.push_back(model.id);
  }
  const std::size_t others = models.size() - names.size();
  return fmt::format("{}{}", fmt::join(names, ", "),
                     others > 0 ? fmt::format(" and {} more", others) : "");
}

/// The least recently used of `cache` that have `excess` together, all of them where that is not
/// enough; and at least those that are too many.
std::span<const CachedModel> to_evict(const ModelCache& cache, Bytes excess) {
  const std::span models(cache.models());
  std::size_t count = 0;
  Bytes freed;
  while (count < models.size() && (count < cache.overflow() || freed < excess)) {
    freed += models[count++].size;
  }
  return models.first(count);
}

void suggest_eviction(Lines& lines, const MemoryReport& report, Bytes excess) {
  if (report.cache == nullptr) {
    return;
  }
  const auto models = to_evict(*report.cache, excess);
  Bytes freed;
  for (const CachedModel& model : models) {
    freed += model.size;
  }
  if (models.empty()) {
    return;
  }
  const std::size_t overflow = report.cache->overflow();
  suggest(lines,
          fmt::format("Evict {} from the model cache, used longest ago: {} if held here, of "
                      "{} that must go{}",
                      names_of(models), format_bytes(freed), format_bytes(excess),
                      overflow > 0 ? fmt::format("; {} more cached than wanted", overflow) : ""));
}

/// How much of `total` must go, for `limit` percent to be met; nothing where it is met.
std::optional<Bytes> excess_of(std::optional<Bytes> total, std::optional<Bytes> free,
                               double limit) {
  if (!total || !free || *free >= *total || !(percent_of(*total - *free, *total) > limit)) {
    return std::nullopt;
  }
  const double allowed = static_cast<double>(total->count) * std::max(limit, 0.0) / 100;
  return *total - *free - Bytes{static_cast<std::uint64_t>(allowed)};
}

void suggest_for_host(Lines& lines, const MemoryReport& report) {
  const auto excess = excess_of(report.host_total, report.host_available, report.host_limit);
  if (!excess) {
    return;
  }
  const Bytes total = *report.host_total;
  lines.emplace_back("High CPU memory usage detected:");
  suggest(lines, "Consider reducing model cache size");
  suggest(lines, "Enable model offloading to disk");
  suggest(lines, "Use smaller model variants");
  suggest_eviction(lines, report, *excess);
  if (const Holder* most = largest(report.host_holders);
      most != nullptr && percent_of(most->memory, total) >= kMuch) {
    suggest(lines, fmt::format("Look at {}: it holds {}{}", most->who, share(most->memory, total),
                               growth_of(*most)));
  }
  if (report.host_shared && percent_of(*report.host_shared, total) >= kNotable) {
    suggest(lines,
            fmt::format("Delete what is left over in /dev/shm and other tmpfs: shared memory "
                        "takes {}",
                        share(*report.host_shared, total)));
  }
}

/// By the profile of what runs there, if it takes more than fits.
void suggest_batch(Lines& lines, const DeviceReport& device) {
  if (!device.work || device.work->batch == 0) {
    return;
  }
  const auto& [profile, batch, tokens, held] = *device.work;
  const Bytes room = usable(device.gpu.free.value_or(Bytes{}), held);
  const std::uint64_t most = estimate_max_batch(profile, room, tokens);
  if (most >= batch) {
    return;
  }
  const std::string why =
      fmt::format("{} of {} with {} tokens each need {}, and {} are usable", batch, profile.name,
                  tokens, format_bytes(need(profile, batch, tokens)), format_bytes(room));
  const std::uint64_t context = estimate_safe_context_size(profile, room, 1);
  if (most > 0) {
    suggest(lines, fmt::format("Reduce the batch size from {} to {}: {}", batch, most, why));
  } else if (context > 0) {
    suggest(lines, fmt::format("Reduce the batch size to 1 and the context to {} tokens: {}",
                               context, why));
  } else {
    suggest(lines, fmt::format("Use a smaller or quantised variant of {}: {}", profile.name, why));
  }
}

/// The GPU with most room for `bytes`, if there is one.
const Gpu* other_with(const MemoryReport& report, const DeviceReport& full, Bytes bytes) {
  const Gpu* best = nullptr;
  for (const DeviceReport& device : report.devices) {
    const Gpu& gpu = device.gpu;
    const bool has_room = &device != &full && gpu.unusable.empty() && gpu.free &&
                          !gpu.shares_host_memory && *gpu.free >= bytes;
    if (has_room && (best == nullptr || *gpu.free > *best->free)) {
      best = &gpu;
    }
  }
  return best;
}

void suggest_of_largest(Lines& lines, const MemoryReport& report, const DeviceReport& device) {
  const Bytes total = *device.gpu.total;
  const Holder* most = largest(device.holders);
  if (most == nullptr || most->is_idle || percent_of(most->memory, total) < kMuch) {
    return;
  }
  suggest(lines, fmt::format("Reduce the batch size or the context length of {}, or use smaller or "
                             "quantised weights: it holds {}{}",
                             most->who, share(most->memory, total), growth_of(*most)));
  if (const Gpu* other = other_with(report, device, most->memory)) {
    suggest(lines, fmt::format("Run it on {} instead, which has {} free", name_of(*other),
                               format_bytes(*other->free)));
  }
}

void suggest_for_gpu(Lines& lines, const MemoryReport& report, const DeviceReport& device) {
  const auto excess = excess_of(device.gpu.total, device.gpu.free, report.gpu_limit);
  if (!excess || device.gpu.shares_host_memory) {
    return;
  }
  const Bytes total = *device.gpu.total;
  const auto is_notable = [&](Bytes bytes) { return percent_of(bytes, total) >= kNotable; };
  lines.push_back(fmt::format("High GPU memory usage detected on GPU {}:", device.gpu.index));
  const std::size_t before = lines.size();
  suggest_batch(lines, device);
  if (device.unused_cache && is_notable(*device.unused_cache)) {
    suggest(lines, fmt::format("Clear framework caches, for example torch.cuda.empty_cache(): {} "
                               "are reserved and not in use",
                               share(*device.unused_cache, total)));
  }
  suggest_eviction(lines, report, *excess);
  suggest_of_largest(lines, report, device);
  for (const Holder& holder : device.holders) {
    if (holder.is_idle && is_notable(holder.memory)) {
      suggest(lines,
              fmt::format("Stop {} if it is not needed: it holds {} and computes nothing now",
                          holder.who, share(holder.memory, total)));
    }
  }
  if (device.unattributed && is_notable(*device.unattributed)) {
    suggest(lines, fmt::format("Run `levee doctor` to find who holds {}: the driver names nobody",
                               share(*device.unattributed, total)));
  }
  if (lines.size() == before) {
    suggest(lines, fmt::format("Reduce the batch size or the context length of what runs there: {} "
                               "are used, and no single process holds much",
                               share(total - *device.gpu.free, total)));
  }
}

}  // namespace

std::vector<std::string> suggestions(const MemoryReport& report) {
  Lines lines;
  suggest_for_host(lines, report);
  for (const DeviceReport& device : report.devices) {
    suggest_for_gpu(lines, report, device);
  }
  return lines;
}

}  // namespace levee::estimate
