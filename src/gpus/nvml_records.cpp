#include "gpus/nvml_records.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace levee::gpus {
namespace {

constexpr std::uint32_t kLargestPid = 1U << 22U;  // PID_MAX_LIMIT of 64-bit kernels.

/// Older samples say nothing of the present. The driver samples once or more a second.
constexpr std::chrono::seconds kSampleLasts{5};

template <class T>
T load(std::span<const std::byte> buffer, std::size_t offset) {
  T value{};
  std::memcpy(&value, buffer.data() + offset, sizeof(T));
  return value;
}

bool is_pid(std::uint32_t pid) { return pid > 0 && pid <= kLargestPid; }

}  // namespace

std::size_t process_stride(std::span<const std::byte> buffer, std::size_t count, bool may_be_wide) {
  constexpr std::size_t kNarrow = sizeof(nvml::ProcessV2);
  constexpr std::size_t kWide = nvml::kWideProcessRecord;
  const auto beyond = buffer.subspan(count * kNarrow, count * (kWide - kNarrow));
  if (std::ranges::all_of(beyond, [](std::byte b) { return b == kUntouched; })) {
    return kNarrow;
  }
  // It wrote further than narrow records go. A driver that merely clears its room leaves records
  // that make sense when read narrow; the wide ones do not: where the second pid would be is a size
  // that is zero on all but confidential machines.
  bool makes_sense = true;
  for (std::size_t i = 0; i < count; ++i) {
    makes_sense = makes_sense && is_pid(load<std::uint32_t>(buffer, i * kNarrow));
  }
  return may_be_wide || !makes_sense ? kWide : kNarrow;
}

std::vector<GpuProcess> parse_processes(std::span<const std::byte> buffer, std::size_t count,
                                        std::size_t stride, ProcessKind kind) {
  std::vector<GpuProcess> processes;
  for (std::size_t i = 0; i < count; ++i) {
    const auto record = buffer.subspan(i * stride, stride);
    const auto pid = load<std::uint32_t>(record, offsetof(nvml::ProcessV2, pid));
    if (!is_pid(pid)) {
      continue;
    }
    GpuProcess& process = processes.emplace_back();
    process.pid = static_cast<pid_t>(pid);
    const auto used = load<std::uint64_t>(record, offsetof(nvml::ProcessV2, used));
    if (used != nvml::kMemoryUnknown) {
      process.memory = Bytes{used};
    }
    if (stride >= sizeof(nvml::ProcessV2)) {
      const auto instance = load<std::uint32_t>(record, offsetof(nvml::ProcessV2, gpu_instance));
      if (instance != nvml::kNoInstance) {
        process.gpu_instance = instance;
      }
    }
    process.compute = kind == ProcessKind::compute;
    process.graphics = kind == ProcessKind::graphics;
  }
  return processes;
}

void merge_processes(std::vector<GpuProcess>& processes, const std::vector<GpuProcess>& more) {
  for (const GpuProcess& process : more) {
    const auto known = std::ranges::find(processes, process.pid, &GpuProcess::pid);
    if (known == processes.end()) {
      processes.push_back(process);
      continue;
    }
    // An absent value compares less than any.
    known->memory = std::max(known->memory, process.memory);
    known->compute |= process.compute;
    known->graphics |= process.graphics;
    known->gpu_instance = std::max(known->gpu_instance, process.gpu_instance);
  }
}

void UtilizationSamples::add(std::span<const nvml::ProcessUtilization> samples,
                             std::chrono::microseconds now) {
  constexpr std::uint32_t kMost = 100;
  const auto present = static_cast<std::uint64_t>(now.count());
  const auto latest = static_cast<std::uint64_t>((now + kSampleLasts).count());
  for (const nvml::ProcessUtilization& sample : samples) {
    if (!is_pid(sample.pid) || sample.sm > kMost || sample.memory > kMost ||
        sample.timestamp_us > latest) {
      continue;
    }
    newest_ = std::max(newest_, std::min(sample.timestamp_us, present));
    nvml::ProcessUtilization& known = by_pid_[sample.pid];
    if (sample.timestamp_us >= known.timestamp_us) {
      known = sample;
    }
  }
}

void UtilizationSamples::attach_to(std::vector<GpuProcess>& processes,
                                   std::chrono::microseconds now) {
  const auto oldest = static_cast<std::uint64_t>(std::max((now - kSampleLasts).count(), 0L));
  std::erase_if(by_pid_, [&](const auto& entry) { return entry.second.timestamp_us < oldest; });
  for (GpuProcess& process : processes) {
    const auto found = by_pid_.find(static_cast<std::uint32_t>(process.pid));
    if (found != by_pid_.end()) {
      process.sm_percent = found->second.sm;
      process.memory_percent = found->second.memory;
    }
  }
}

}  // namespace levee::gpus
