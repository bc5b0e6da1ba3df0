#include "sources/host.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace levee::sources {
namespace {

/// Machines with thousands of interrupts write a long "intr" line before what we look for.
constexpr std::size_t kLongestStat = std::size_t{2} * 1024 * 1024;

std::optional<Pressure> read_pressure(const Root& root, std::vector<SourceTrouble>& troubles) {
  const auto text = root.read("/proc/pressure/memory");
  auto pressure = text ? parse_pressure(*text) : std::unexpected(text.error());
  if (!pressure) {
    Error error = pressure.error();
    error.hint = "the kernel offers no pressure-stall information; boot with psi=1 to have it";
    troubles.push_back({"pressure", std::move(error)});
    return std::nullopt;
  }
  return *pressure;
}

}  // namespace

HostReading combine(const MemInfo& memory, const std::vector<MemoryCeiling>& ceilings) {
  HostReading reading;
  reading.mem_total = memory.total;
  reading.mem_available = memory.available;
  reading.mem_free = memory.free;
  if (memory.cached) {
    reading.cached =
        *memory.cached + memory.buffers.value_or(Bytes{}) + memory.reclaimable.value_or(Bytes{});
  }
  reading.shmem = memory.shmem;
  reading.swap_total = memory.swap_total;
  reading.swap_free = memory.swap_free;

  reading.total = memory.total;
  reading.available = memory.available;
  for (const MemoryCeiling& ceiling : ceilings) {
    reading.total = std::min(reading.total, ceiling.limit);
    reading.available = std::min(reading.available, ceiling.headroom());
    if (!reading.ceiling || ceiling.headroom() < reading.ceiling->headroom()) {
      reading.ceiling = ceiling;
    }
  }
  reading.available = std::min(reading.available, reading.total);
  return reading;
}

Result<HostReading> HostSource::read(std::vector<SourceTrouble>& troubles) {
  const auto text = root_.read("/proc/meminfo");
  const auto memory = text ? parse_meminfo(*text) : std::unexpected(text.error());
  if (!memory) {
    return std::unexpected(memory.error());
  }
  HostReading reading = combine(*memory, cgroups_.read(troubles));
  reading.pressure = read_pressure(root_, troubles);

  const auto stat_text = root_.read("/proc/stat", kLongestStat);
  const auto cpu = stat_text ? parse_stat(*stat_text) : std::unexpected(stat_text.error());
  if (cpu) {
    if (previous_cpu_) {
      reading.cpu_percent = cpu_percent(*previous_cpu_, *cpu);
    }
    if (cpu->cores > 0) {
      reading.cores = cpu->cores;
    }
    previous_cpu_ = *cpu;
  } else {
    troubles.push_back({"cpu", cpu.error()});
    previous_cpu_.reset();
  }
  const auto load = root_.read("/proc/loadavg");
  reading.load1 = load ? parse_loadavg(*load) : std::nullopt;
  if (!reading.load1) {
    troubles.push_back({"load", load ? Error{ErrorCode::corrupt, "/proc/loadavg makes no sense", {}}
                                     : load.error()});
  }
  return reading;
}

}  // namespace levee::sources
