// Hand-made values for tests of the middle: instants, readings, snapshots, processes.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/gpu.hpp"
#include "core/reading.hpp"
#include "core/snapshot.hpp"
#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee::test {

using namespace std::chrono_literals;

/// Both clocks `since` after an arbitrary beginning (2026-01-31T08:05:09Z on the wall).
inline Now at(std::chrono::milliseconds since) {
  return {WallTime{1'769'846'709'000ms} + since, MonoTime{1'000s} + since};
}

/// The same instant on the monotonic clock while the wall clock is `jump` off.
inline Now at(std::chrono::milliseconds since, std::chrono::milliseconds jump) {
  Now now = at(since);
  now.wall += jump;
  return now;
}

inline HostReading host_with(Bytes total, Bytes available) {
  HostReading host;
  host.total = total;
  host.available = available;
  host.mem_total = total;
  host.mem_available = available;
  return host;
}

/// A machine of 100 GiB (no absolute line is near) that uses `percent` of it.
inline HostReading host_using(double percent) {
  const auto total = gib(100);
  const auto used = static_cast<std::uint64_t>(static_cast<double>(total.count) * percent / 100);
  return host_with(total, total - Bytes{used});
}

inline Snapshot snapshot_of(HostReading host, Now now) {
  Snapshot snapshot;
  snapshot.sequence = 1;
  snapshot.at = now;
  snapshot.hostname = "box";
  snapshot.host = Sampled<HostReading>{std::move(host), now.mono};
  return snapshot;
}

/// Nobody has read the host for long.
inline Snapshot blind_snapshot(Now now) {
  Snapshot snapshot = snapshot_of(host_using(99), now);
  snapshot.host->read_at = now.mono - 1h;
  return snapshot;
}

/// GPU `index` of 100 GiB (1 GiB of it the driver's own) that has `celsius` and uses `percent`,
/// read at `read_at`.
inline GpuReading gpu_with(int index, std::optional<double> celsius, std::optional<double> percent,
                           MonoTime read_at) {
  GpuIdentity who;
  who.uuid = "GPU-" + std::to_string(index);
  who.index = index;
  who.name = "Sim H200";
  GpuReading gpu;
  gpu.identity = std::make_shared<const GpuIdentity>(std::move(who));
  gpu.temperature_celsius = celsius;
  if (percent) {
    const Bytes total = gib(100);
    const Bytes taken{
        static_cast<std::uint64_t>(static_cast<double>(total.count) * *percent / 100)};
    const Bytes reserved = std::min(taken, gib(1));
    gpu.memory = GpuMemory{
        .total = total, .used = taken - reserved, .free = total - taken, .reserved = reserved};
  }
  gpu.processes.emplace();
  gpu.read_at = read_at;
  return gpu;
}

inline ProcessReading process_of(pid_t pid, std::string comm, Bytes rss,
                                 std::optional<double> growth_per_second = {},
                                 Seconds window = Seconds{30}) {
  ProcessIdentity who;
  who.id = {BootId{1, 2}, pid, 1000 + static_cast<std::uint64_t>(pid)};
  who.uid = 1000;
  who.user = "ada";
  who.command = comm + " --run";
  who.comm = std::move(comm);
  ProcessReading reading;
  reading.identity = std::make_shared<const ProcessIdentity>(std::move(who));
  reading.rss = rss;
  reading.growth_per_second = growth_per_second;
  reading.growth_window = window;
  return reading;
}

}  // namespace levee::test
