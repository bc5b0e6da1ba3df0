#include "policy/culprit.hpp"

#include <algorithm>

namespace levee::policy {
namespace {

double grown_bytes(const ProcessReading& process) {
  return process.growth_per_second.value_or(0) * process.growth_window.count();
}

}  // namespace

std::optional<Culprit> find_culprit(std::span<const ProcessReading> processes) {
  if (processes.empty()) {
    return std::nullopt;
  }
  const auto by_growth = [](const ProcessReading& a, const ProcessReading& b) {
    return grown_bytes(a) < grown_bytes(b);
  };
  const auto by_size = [](const ProcessReading& a, const ProcessReading& b) {
    return a.rss < b.rss;
  };
  const ProcessReading* chosen = &*std::ranges::max_element(processes, by_growth);
  const bool is_growing = grown_bytes(*chosen) >= static_cast<double>(kNotableGrowth.count);
  if (!is_growing) {
    chosen = &*std::ranges::max_element(processes, by_size);
  }
  const ProcessIdentity& who = *chosen->identity;
  return Culprit{.id = who.id,
                 .user = who.user,
                 .comm = who.comm,
                 .command = who.command,
                 .rss = chosen->rss,
                 .gpu_memory = {},
                 .growth_per_second = is_growing ? chosen->growth_per_second : std::nullopt};
}

}  // namespace levee::policy
