#include "gpus/fdinfo.hpp"

#include <limits>

#include "sources/fields.hpp"

namespace levee::gpus {
namespace {

using sources::take_line;
using sources::take_until;
using sources::take_word;
using sources::to_number;

/// "23992 KiB", "16 MiB", "0": bytes where there is no unit.
std::optional<Bytes> parse_size(std::string_view value) {
  const auto count = to_number<std::uint64_t>(take_word(value));
  const std::string_view unit = take_word(value);
  const std::uint64_t factor = unit.empty() ? 1 : unit == "KiB" ? kKiB : unit == "MiB" ? kMiB : 0;
  if (!count || factor == 0 || !take_word(value).empty() ||
      *count > std::numeric_limits<std::uint64_t>::max() / factor) {
    return std::nullopt;
  }
  return Bytes{*count * factor};
}

/// A number alone, or followed by `unit`.
std::optional<std::uint64_t> parse_count(std::string_view value, std::string_view unit = {}) {
  const auto count = to_number<std::uint64_t>(take_word(value));
  return take_word(value) == unit && take_word(value).empty() ? count : std::nullopt;
}

/// Takes `prefix` off the front of `key`, if a name is left behind it.
bool take_prefix(std::string_view& key, std::string_view prefix) {
  if (key.size() <= prefix.size() || !key.starts_with(prefix)) {
    return false;
  }
  key.remove_prefix(prefix.size());
  return true;
}

void note_engine(DrmClient& client, std::string_view key, std::string_view value) {
  if (take_prefix(key, "drm-engine-capacity-")) {
    if (const auto count = parse_count(value); count && *count > 0) {
      client.engines[std::string(key)].capacity = *count;
    }
  } else if (take_prefix(key, "drm-engine-")) {
    if (const auto time = parse_count(value, "ns")) {
      client.engines[std::string(key)].busy_ns = time;
    }
  } else if (take_prefix(key, "drm-cycles-")) {
    if (const auto cycles = parse_count(value)) {
      client.engines[std::string(key)].busy_cycles = cycles;
    }
  } else if (take_prefix(key, "drm-total-cycles-")) {
    if (const auto cycles = parse_count(value)) {
      client.engines[std::string(key)].total_cycles = cycles;
    }
  }
}

/// False when `key` is not of a memory region.
bool note_region(DrmClient& client, std::string_view key, std::string_view value) {
  std::optional<Bytes> RegionUse::* figure = nullptr;
  if (take_prefix(key, "drm-resident-")) {
    figure = &RegionUse::resident;
  } else if (take_prefix(key, "drm-memory-")) {
    figure = &RegionUse::memory;
  } else if (!key.starts_with("drm-total-cycles-") && take_prefix(key, "drm-total-")) {
    figure = &RegionUse::total;
  } else {
    return false;
  }
  if (const auto size = parse_size(value)) {
    client.regions[std::string(key)].*figure = size;
  }
  return true;
}

}  // namespace

std::optional<DrmClient> parse_fdinfo(std::string_view text) {
  DrmClient client;
  while (!text.empty()) {
    std::string_view value = take_line(text);
    // amdgpu writes "drm-memory-gtt: \t2048 KiB"; the key itself has no blanks.
    const std::string_view key = take_until(value, ':');
    if (key == "drm-driver") {
      client.driver = take_word(value);
    } else if (key == "drm-pdev") {
      client.pdev = take_word(value);
    } else if (key == "drm-client-id") {
      client.id = parse_count(value);
    } else if (key.starts_with("drm-") && !note_region(client, key, value)) {
      note_engine(client, key, value);
    }
  }
  // drm-driver is the only key that every DRM driver must write.
  return client.driver.empty() ? std::nullopt : std::optional(std::move(client));
}

}  // namespace levee::gpus
