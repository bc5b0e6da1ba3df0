// NVML's process records, which come in several widths and lists, as GpuProcess. Pure; thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "abi/nvml.hpp"
#include "core/gpu.hpp"

namespace levee::gpus {

/// Room that is asked for before a process call is filled with this, so that one can tell how much
/// the driver wrote. It is no pid (they end at 2²²) and no size.
inline constexpr std::byte kUntouched{0xA5};

/// How far apart the records are that a call `_v2` or `_v3` wrote into `buffer`. The header says
/// 24 bytes; early 535 drivers wrote 32 without a word. `buffer` holds 32 bytes for each of `count`
/// records and was kUntouched before; `may_be_wide` says that the driver is of that kind.
[[nodiscard]] std::size_t process_stride(std::span<const std::byte> buffer, std::size_t count,
                                         bool may_be_wide);

/// Which list a process was on.
enum class ProcessKind { compute, graphics };

/// `count` records, `stride` bytes apart (16: without instances).
[[nodiscard]] std::vector<GpuProcess> parse_processes(std::span<const std::byte> buffer,
                                                      std::size_t count, std::size_t stride,
                                                      ProcessKind kind);

/// Adds `more` to `processes`. One entry per pid: a process with several contexts is on several
/// lists, each with the memory of all.
void merge_processes(std::vector<GpuProcess>& processes, const std::vector<GpuProcess>& more);

/// The newest sane sample of each process. Drivers are known to write percentages above 100, pids
/// that have ended long ago, and whole lists of rubbish.
class UtilizationSamples {
 public:
  void add(std::span<const nvml::ProcessUtilization> samples, std::chrono::microseconds now);

  /// What to ask for next: samples after this one.
  [[nodiscard]] std::uint64_t newest() const noexcept { return newest_; }

  /// Writes the shares of `processes` that are known and not old.
  void attach_to(std::vector<GpuProcess>& processes, std::chrono::microseconds now);

 private:
  std::map<std::uint32_t, nvml::ProcessUtilization> by_pid_;
  std::uint64_t newest_ = 0;
};

}  // namespace levee::gpus
