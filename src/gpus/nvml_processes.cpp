#include "gpus/nvml_processes.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace levee::gpus {
namespace {

using nvml::Return;

/// More processes may come between two calls.
constexpr unsigned kHeadroom = 16;
constexpr unsigned kMostRecords = 16'384;
constexpr int kTries = 4;

}  // namespace

std::optional<std::vector<GpuProcess>> NvmlProcesses::read(NvmlInquiry& device, Now now) {
  auto all = list(device);
  if (all && !all->empty()) {
    read_utilization(device, *all, now);
  }
  return all;
}

std::optional<std::vector<GpuProcess>> NvmlProcesses::list(NvmlInquiry& device) {
  const NvmlLibrary& library = device.library();
  std::optional<std::vector<GpuProcess>> all;
  const auto add = [&](const NvmlLibrary::ProcessCalls& calls, ProcessKind kind) {
    if (const auto some = list(device, calls, kind)) {
      merge_processes(all ? *all : all.emplace(), *some);
    }
  };
  add(library.compute_processes, ProcessKind::compute);
  add(library.graphics_processes, ProcessKind::graphics);
  add(library.mps_processes, ProcessKind::compute);
  return all;
}

std::optional<std::vector<GpuProcess>> NvmlProcesses::list(NvmlInquiry& device,
                                                           const NvmlLibrary::ProcessCalls& calls,
                                                           ProcessKind kind) {
  for (int i = 0; i < kTries; ++i) {
    // Room for wide records even where narrow ones are announced.
    std::vector<std::byte> buffer(room_ * nvml::kWideProcessRecord, kUntouched);
    auto count = static_cast<unsigned>(room_);
    const Return answer =
        calls.current
            ? device.call(calls.current, &count, reinterpret_cast<nvml::ProcessV2*>(buffer.data()))
            : device.call(calls.unversioned, &count,
                          reinterpret_cast<nvml::ProcessV1*>(buffer.data()));
    if (answer == Return::insufficient_size && count < kMostRecords) {
      room_ = std::max<std::size_t>(count, room_) + kHeadroom;
      continue;
    }
    if (answer != Return::success || count > room_) {
      return std::nullopt;
    }
    const std::size_t stride =
        calls.current ? process_stride(buffer, count, device.library().may_write_wide_processes())
                      : sizeof(nvml::ProcessV1);
    return parse_processes(buffer, count, stride, kind);
  }
  return std::nullopt;
}

void NvmlProcesses::read_utilization(NvmlInquiry& device, std::vector<GpuProcess>& processes,
                                     Now now) {
  const std::chrono::microseconds wall = now.wall.time_since_epoch();
  std::vector<nvml::ProcessUtilization> samples(256);
  for (int i = 0; i < kTries; ++i) {
    auto count = static_cast<unsigned>(samples.size());
    const Return answer = device.call(device.library().process_utilization, samples.data(), &count,
                                      samples_.newest());
    if (answer == Return::insufficient_size && count < kMostRecords) {
      samples.resize(std::max<std::size_t>(count, samples.size()) + kHeadroom);
      continue;
    }
    if (answer == Return::success && count <= samples.size()) {
      samples_.add({samples.data(), count}, wall);
    }
    break;
  }
  samples_.attach_to(processes, wall);
}

}  // namespace levee::gpus
