#include "forecast/growers.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

namespace levee::forecast {

Growers growers(std::vector<Grower> candidates) {
  Growers found;
  std::erase_if(candidates, [](const Grower& grower) {
    return !(std::isfinite(grower.bytes_per_second) && grower.bytes_per_second >= kLeastGrowth);
  });
  for (const Grower& grower : candidates) {
    found.bytes_per_second += grower.bytes_per_second;
  }
  std::map<std::string, GrowingUser> users;
  for (Grower& grower : candidates) {
    grower.share = grower.bytes_per_second / found.bytes_per_second;
    GrowingUser& user = users[grower.user];
    user.user = grower.user;
    user.bytes_per_second += grower.bytes_per_second;
    user.share = user.bytes_per_second / found.bytes_per_second;
    ++user.processes;
  }
  for (auto& [name, user] : users) {
    found.users.push_back(std::move(user));
  }
  std::ranges::sort(candidates, [](const Grower& a, const Grower& b) {
    return std::tie(b.bytes_per_second, a.pid) < std::tie(a.bytes_per_second, b.pid);
  });
  std::ranges::sort(found.users, [](const GrowingUser& a, const GrowingUser& b) {
    return std::tie(b.bytes_per_second, a.user) < std::tie(a.bytes_per_second, b.user);
  });
  found.processes = std::move(candidates);
  return found;
}

Growers growers_on(const GpuReading& gpu) {
  std::vector<Grower> candidates;
  for (const GpuProcess& process : gpu.processes.value_or(std::vector<GpuProcess>{})) {
    if (!process.is_balloon) {
      candidates.push_back({.pid = process.pid,
                            .user = process.identity ? process.identity->user : "",
                            .comm = process.identity ? process.identity->comm : "",
                            .bytes_per_second = process.growth_per_second.value_or(0)});
    }
  }
  return growers(std::move(candidates));
}

Growers growers_among(std::span<const ProcessReading> processes) {
  std::vector<Grower> candidates;
  for (const ProcessReading& process : processes) {
    if (process.growth_per_second.value_or(0) >= kLeastGrowth) {
      candidates.push_back({.pid = process.identity->id.pid,
                            .user = process.identity->user,
                            .comm = process.identity->comm,
                            .bytes_per_second = *process.growth_per_second});
    }
  }
  return growers(std::move(candidates));
}

}  // namespace levee::forecast
