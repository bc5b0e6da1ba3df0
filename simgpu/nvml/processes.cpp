// NVML: who holds memory, and who makes the GPU busy.
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "simgpu/machine/memory.hpp"
#include "simgpu/nvml/exports.hpp"
#include "simgpu/nvml/library.hpp"

using namespace levee::simgpu;

namespace {

/// The holders of one kind, as this process may see them.
Return take_holders(Target& target, HolderKind kind, Holders& found) noexcept {
  if (target.gpu.instances > 0 && !target.is_mig() && ::geteuid() != 0) {
    return Return::no_permission;  // Looking across MIG instances is for root.
  }
  const Holders all = holders(target.session, target.part);
  for (std::size_t i = 0; i < all.count; ++i) {
    if (all.list.at(i).kind == kind) {
      found.list.at(found.count++) = all.list.at(i);
    }
  }
  return Return::success;
}

ProcessDetail describe(const Target& target, const Holder& holder) noexcept {
  const bool is_known = target.value(Key::process_memory) != choice::kProcessMemoryUnknown;
  const bool has_instance = holder.instance != kNoInstanceId;
  return ProcessDetail{static_cast<std::uint32_t>(holder.pid + target.session.machine().pid_offset),
                       is_known ? holder.bytes : kMemoryUnknown,
                       has_instance ? static_cast<std::uint32_t>(holder.instance) + 1 : kNoInstance,
                       has_instance ? 0 : kNoInstance, 0};
}

/// The process calls of all ages: they differ in how much of a record they write.
Return list(const char* function, Device device, HolderKind kind, unsigned* count, void* records,
            std::size_t record_bytes) noexcept {
  return any_device_call(function, device, [&](Target& target) {
    if (count == nullptr || (records == nullptr && *count > 0)) {
      return Return::invalid_argument;
    }
    Holders found;
    if (const Return result = take_holders(target, kind, found); result != Return::success) {
      return result;
    }
    const unsigned room = *count;
    *count = static_cast<unsigned>(found.count);
    if (room < found.count) {
      return Return::insufficient_size;
    }
    // Early 535 drivers wrote wide records through _v3, unannounced.
    const bool is_v3 = std::string_view(function).ends_with("_v3");
    const bool is_wide = is_v3 && target.value(Key::process_records) == choice::kProcessRecordsWide;
    const std::size_t size = is_wide ? kWideProcessRecord : record_bytes;
    auto* bytes = static_cast<std::byte*>(records);
    for (std::size_t i = 0; i < found.count; ++i) {
      const ProcessDetail record = describe(target, found.list.at(i));
      std::memcpy(bytes + i * size, &record, size);
    }
    return Return::success;
  });
}

/// A sample for each process that a busy GPU could be busy with.
std::size_t make_samples(Target& target, std::span<ProcessUtilization> samples) noexcept {
  const Holders all = holders(target.session, target.part);
  std::int64_t unexplained = std::max<std::int64_t>(0, target.value(Key::util));
  std::int64_t own = 0;
  for (std::size_t i = 0; i < all.count; ++i) {
    unexplained -= all.list.at(i).sm_percent;
    own += all.list.at(i).is_foreign ? 0 : 1;
  }
  const auto share =
      static_cast<std::uint32_t>(own == 0 ? 0 : std::max<std::int64_t>(0, unexplained) / own);
  for (std::size_t i = 0; i < all.count; ++i) {
    const Holder& holder = all.list.at(i);
    samples[i] = ProcessUtilization{
        describe(target, holder).pid, 0, holder.is_foreign ? holder.sm_percent : share, 0, 0, 0};
  }
  return all.count;
}

constexpr std::size_t kMostSamples = kMaxProcesses + kMaxForeign + 128;

struct Samples {
  std::array<ProcessUtilization, kMostSamples> list{};
  std::size_t count = 0;

  void add(const ProcessUtilization& sample) noexcept { list.at(count++) = sample; }
};

void stamp(Samples& samples, std::uint64_t time_us) noexcept {
  for (std::size_t i = 0; i < samples.count; ++i) {
    samples.list.at(i).timestamp_us = time_us;
  }
}

/// What drivers are known to answer when they answer nonsense: a hundred entries, percentages far
/// above 100, pids of nobody.
void add_garbage(Samples& samples, std::uint64_t time_us) noexcept {
  constexpr std::uint32_t kEntries = 100;
  while (samples.count < kEntries) {
    const auto n = static_cast<std::uint32_t>(samples.count);
    const std::uint32_t percent = n % 2 == 0 ? 0xFFFFFFFF - n : 101 + n;
    samples.add({n * 41, time_us - n, percent, percent, percent, percent});
  }
}

}  // namespace

Return nvmlDeviceGetComputeRunningProcesses(Device device, unsigned* count, ProcessV1* records) {
  return list(__func__, device, HolderKind::compute, count, records, sizeof(ProcessV1));
}

Return nvmlDeviceGetComputeRunningProcesses_v2(Device device, unsigned* count, ProcessV2* records) {
  return list(__func__, device, HolderKind::compute, count, records, sizeof(ProcessV2));
}

Return nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned* count, ProcessV2* records) {
  return list(__func__, device, HolderKind::compute, count, records, sizeof(ProcessV2));
}

Return nvmlDeviceGetGraphicsRunningProcesses(Device device, unsigned* count, ProcessV1* records) {
  return list(__func__, device, HolderKind::graphics, count, records, sizeof(ProcessV1));
}

Return nvmlDeviceGetGraphicsRunningProcesses_v2(Device device, unsigned* count,
                                                ProcessV2* records) {
  return list(__func__, device, HolderKind::graphics, count, records, sizeof(ProcessV2));
}

Return nvmlDeviceGetGraphicsRunningProcesses_v3(Device device, unsigned* count,
                                                ProcessV2* records) {
  return list(__func__, device, HolderKind::graphics, count, records, sizeof(ProcessV2));
}

Return nvmlDeviceGetMPSComputeRunningProcesses(Device device, unsigned* count, ProcessV1* records) {
  return list(__func__, device, HolderKind::mps, count, records, sizeof(ProcessV1));
}

Return nvmlDeviceGetMPSComputeRunningProcesses_v2(Device device, unsigned* count,
                                                  ProcessV2* records) {
  return list(__func__, device, HolderKind::mps, count, records, sizeof(ProcessV2));
}

Return nvmlDeviceGetMPSComputeRunningProcesses_v3(Device device, unsigned* count,
                                                  ProcessV2* records) {
  return list(__func__, device, HolderKind::mps, count, records, sizeof(ProcessV2));
}

Return nvmlDeviceGetRunningProcessDetailList(Device device, ProcessDetailList* details) {
  return any_device_call(__func__, device, [&](Target& target) {
    if (details == nullptr || details->mode > static_cast<std::uint32_t>(HolderKind::mps) ||
        (details->entries == nullptr && details->count > 0)) {
      return Return::invalid_argument;
    }
    if (details->version != kProcessDetailListTag) {
      return Return::argument_version_mismatch;
    }
    Holders found;
    if (const Return result = take_holders(target, static_cast<HolderKind>(details->mode), found);
        result != Return::success) {
      return result;
    }
    const std::uint32_t room = details->count;
    details->count = static_cast<std::uint32_t>(found.count);
    if (room < found.count) {
      return Return::insufficient_size;
    }
    for (std::size_t i = 0; i < found.count; ++i) {
      details->entries[i] = describe(target, found.list.at(i));
    }
    return Return::success;
  });
}

Return nvmlDeviceGetProcessUtilization(Device device, ProcessUtilization* samples, unsigned* count,
                                       unsigned long long newer_than_us) {
  return device_call(__func__, device, [&](Target& target) {
    const std::int64_t mode = target.value(Key::samples);
    if (count == nullptr) {
      return Return::invalid_argument;
    }
    if (target.gpu.instances > 0) {
      return Return::not_supported;
    }
    // One sample each second of the machine's time.
    constexpr std::uint64_t kPeriodNs = 1'000'000'000;
    const Machine& machine = target.session.machine();
    const std::uint64_t time_us =
        machine.created_wall_us + target.session.now() / kPeriodNs * (kPeriodNs / 1000);
    Samples found;
    found.count = make_samples(target, found.list);
    stamp(found, mode == choice::kSamplesStale ? machine.created_wall_us : time_us);
    bool is_news = time_us > newer_than_us;
    if (mode == choice::kSamplesStale) {
      constexpr std::uint32_t kDeadPid = 4'194'303;
      found.add({kDeadPid, machine.created_wall_us, 50, 10, 0, 0});
      is_news = true;
    } else if (mode == choice::kSamplesGarbage) {
      add_garbage(found, time_us);
    }
    if (mode == choice::kSamplesNone || !is_news || found.count == 0) {
      return Return::not_found;
    }
    const unsigned room = samples == nullptr ? 0 : *count;
    *count = static_cast<unsigned>(found.count);
    if (room < found.count) {
      return Return::insufficient_size;
    }
    std::copy_n(found.list.begin(), found.count, samples);
    return Return::success;
  });
}
