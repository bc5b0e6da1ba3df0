#include "gpus/nvml_device.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <utility>

namespace levee::gpus {
namespace {

using nvml::Return;

constexpr std::chrono::seconds kHealthEvery{10};
constexpr std::chrono::seconds kPcieEvery{5};

/// More than any GPU has; guards against a driver that answers nonsense.
constexpr unsigned kMostInstances = 63;

template <std::size_t Size>
std::string as_text(const std::array<char, Size>& buffer) {
  return {buffer.data(), ::strnlen(buffer.data(), Size)};
}

std::optional<std::string> get_text(NvmlInquiry& device,
                                    const NvmlFunction<nvml::fn::DeviceGetText>& function) {
  std::array<char, std::max(nvml::kNameBuffer, nvml::kUuidBuffer)> buffer{};
  const auto room = static_cast<unsigned>(buffer.size());
  return device.call(function, buffer.data(), room) == Return::success
             ? std::optional(as_text(buffer))
             : std::nullopt;
}

template <class T>
bool is_due(const std::optional<Sampled<T>>& value, Now now, std::chrono::seconds every) {
  return !value || now.mono - value->read_at >= every;
}

}  // namespace

std::string mig_profile_of(std::string_view name) {
  constexpr std::string_view kMark = " MIG ";
  const auto mark = name.rfind(kMark);
  return mark == std::string_view::npos ? std::string{}
                                        : std::string(name.substr(mark + kMark.size()));
}

Result<GpuIdentity> identify_nvml_device(const NvmlLibrary& library, nvml::Device device, int index,
                                         const std::string& driver_version) {
  NvmlInquiry inquiry(library, device);
  GpuIdentity identity;
  identity.index = index;
  identity.vendor = GpuVendor::nvidia;
  identity.driver_version = driver_version;
  const auto uuid = get_text(inquiry, library.uuid);
  inquiry.insist(library.uuid);
  identity.name = get_text(inquiry, library.name).value_or("NVIDIA GPU");
  if (const auto pci = inquiry.get<nvml::PciInfo>(library.pci_info)) {
    identity.pci_bus_id = as_text(pci->bus_id);
  }
  identity.uuid = uuid.value_or("NVIDIA-" + identity.pci_bus_id);
  if (const auto minor = inquiry.get<unsigned>(library.minor_number)) {
    identity.minor = static_cast<int>(*minor);
  }
  ComputeCapability capability;
  if (inquiry.call(library.compute_capability, &capability.major, &capability.minor) ==
      Return::success) {
    identity.compute_capability = capability;
  }
  identity.unified_memory = has_unified_memory(inquiry);
  if (inquiry.condition() != GpuCondition::ok) {
    return fail(ErrorCode::unavailable, inquiry.detail());
  }
  if (!uuid && identity.pci_bus_id.empty()) {
    return fail(ErrorCode::unavailable, "it has neither a UUID nor a bus id");
  }
  return identity;
}

NvmlDevice::NvmlDevice(std::shared_ptr<const NvmlLibrary> library, nvml::Device device,
                       GpuIdentity identity)
    : library_(std::move(library)),
      device_(device),
      identity_(std::make_shared<const GpuIdentity>(std::move(identity))) {}

std::vector<GpuReading> NvmlDevice::read(Now now) {
  NvmlInquiry device(*library_, device_);
  GpuReading reading;
  reading.identity = identity_;
  reading.read_at = now.mono;
  read_into(device, reading, now);
  std::vector<GpuReading> readings;
  if (device.condition() == GpuCondition::ok && reading.mig_enabled.value_or(false)) {
    readings = read_instances(device, now);
  }
  if (device.condition() != GpuCondition::ok) {
    // Half a reading would pass for a whole one; the figures before it are the better ones.
    GpuReading broken;
    broken.identity = identity_;
    broken.read_at = now.mono;
    broken.condition = device.condition();
    broken.condition_detail = device.detail();
    return {std::move(broken)};
  }
  readings.insert(readings.begin(), std::move(reading));
  return readings;
}

void NvmlDevice::read_into(NvmlInquiry& device, GpuReading& reading, Now now) {
  reading.memory = read_memory(device);
  reading.processes = processes_.read(device, now);
  read_load(device, reading);
  unsigned current = nvml::kMigDisabled;
  unsigned pending = nvml::kMigDisabled;
  if (device.call(library_->mig_mode, &current, &pending) == Return::success) {
    reading.mig_enabled = current == nvml::kMigEnabled;
  }
  add_known(device, reading, now);
}

/// What is not read every time; the first reading is whole but for the PCIe throughput.
void NvmlDevice::add_known(NvmlInquiry& device, GpuReading& reading, Now now) {
  const NvmlLimits limits = limits_ ? *limits_ : read_limits(device);
  const Sampled<GpuHealthCounters> health =
      health_ ? *health_ : Sampled<GpuHealthCounters>{read_health(device), now.mono};
  if (device.condition() != GpuCondition::ok) {
    return;
  }
  limits_ = limits;
  health_ = health;
  reading.slowdown_celsius = limits.slowdown_celsius;
  reading.shutdown_celsius = limits.shutdown_celsius;
  reading.max_core_clock_mhz = limits.max_core_clock_mhz;
  reading.max_memory_clock_mhz = limits.max_memory_clock_mhz;
  reading.health = health.value;
  if (pcie_ && now.mono - pcie_->read_at < 2 * kPcieEvery) {
    reading.pcie_tx_bytes_per_second = pcie_->value.tx_bytes_per_second;
    reading.pcie_rx_bytes_per_second = pcie_->value.rx_bytes_per_second;
  }
}

void NvmlDevice::catch_up(Now now) {
  NvmlInquiry device(*library_, device_);
  if (is_due(health_, now, kHealthEvery)) {
    const GpuHealthCounters health = read_health(device);
    if (device.condition() == GpuCondition::ok) {
      health_ = {health, now.mono};
    }
  }
  if (is_due(pcie_, now, kPcieEvery)) {
    pcie_ = {read_pcie_throughput(device), now.mono};
  }
}

std::vector<GpuReading> NvmlDevice::read_instances(NvmlInquiry& device, Now now) {
  std::vector<GpuReading> readings;
  std::map<std::string, Instance> seen;
  const unsigned most = device.get<unsigned>(library_->most_instances).value_or(0);
  for (unsigned i = 0; i < std::min(most, kMostInstances); ++i) {
    // Places without an instance answer "not found".
    const auto handle = device.get<nvml::Device>(library_->instance_by_index, i);
    if (handle && *handle != nullptr) {
      if (auto reading = read_instance(*handle, now, seen)) {
        readings.push_back(std::move(*reading));
      }
    }
  }
  instances_ = std::move(seen);
  return readings;
}

/// Moves what is known of the instance from instances_ to `seen`.
std::optional<GpuReading> NvmlDevice::read_instance(nvml::Device handle, Now now,
                                                    std::map<std::string, Instance>& seen) {
  NvmlInquiry inquiry(*library_, handle);
  const auto uuid = get_text(inquiry, library_->uuid);
  if (!uuid) {
    return std::nullopt;
  }
  auto known = instances_.extract(*uuid);
  Instance& instance = known.empty() ? seen[*uuid] : seen.insert(std::move(known)).position->second;
  if (instance.identity == nullptr) {
    instance.identity = std::make_shared<const GpuIdentity>(identify_instance(inquiry, *uuid));
  }
  GpuReading reading;
  reading.identity = instance.identity;
  reading.read_at = now.mono;
  reading.memory = read_memory(inquiry);
  reading.processes = instance.processes.read(inquiry, now);
  // Utilisation is not told for instances, and the sensors are those of the device.
  reading.condition = inquiry.condition();
  reading.condition_detail = inquiry.detail();
  return reading;
}

GpuIdentity NvmlDevice::identify_instance(NvmlInquiry& instance, std::string uuid) const {
  GpuIdentity identity = *identity_;
  identity.uuid = std::move(uuid);
  identity.parent_uuid = identity_->uuid;
  identity.name = get_text(instance, library_->name).value_or(identity_->name);
  identity.mig_profile = mig_profile_of(identity.name);
  identity.gpu_instance = instance.get<unsigned>(library_->gpu_instance_id);
  identity.compute_instance = instance.get<unsigned>(library_->compute_instance_id);
  const auto parts = instance.get<nvml::Attributes>(library_->attributes);
  if (identity.mig_profile.empty() && parts) {
    const auto gib = (parts->memory_mib + kKiB / 2) / kKiB;
    identity.mig_profile = fmt::format("{}g.{}gb", parts->gpu_instance_slices, gib);
  }
  return identity;
}

}  // namespace levee::gpus
