#include "balloon/driver.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

#include "gpus/nvml_figures.hpp"
#include "gpus/nvml_processes.hpp"

namespace levee::balloon {
namespace {

using nvml::Return;

/// More than any machine or GPU has; guards against a driver that answers nonsense.
constexpr unsigned kMostDevices = 256;
constexpr unsigned kMostInstances = 63;

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  const auto last = text.find_last_not_of(" \t");
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, last - first + 1);
}

std::optional<int> as_index(std::string_view text) {
  int index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  const bool is_whole = error == std::errc{} && end == text.data() + text.size() && index >= 0;
  return is_whole ? std::optional(index) : std::nullopt;
}

bool is_uuid(std::string_view text) { return text.starts_with("GPU-") || text.starts_with("MIG-"); }

Error silence_of(const Gpu& gpu, const gpus::NvmlInquiry& inquiry) {
  return {ErrorCode::unavailable,
          fmt::format("GPU {} does not answer ({})", gpu.gpu_id, inquiry.detail()),
          "run nvidia-smi; a GPU that fell off the bus comes back with a reset or a restart"};
}

/// Those that `name` may mean: a whole GPU by its index, anything by the beginning of its UUID.
std::vector<Gpu> named(const std::vector<Gpu>& all, std::string_view name) {
  const std::optional<int> index = as_index(name);
  std::vector<Gpu> found;
  std::ranges::copy_if(all, std::back_inserter(found), [&](const Gpu& gpu) {
    return index ? gpu.gpu_id == *index && gpu.parent_uuid.empty()
                 : is_uuid(name) && gpu.uuid.starts_with(name);
  });
  return found;
}

}  // namespace

Result<std::shared_ptr<const Driver>> Driver::open(Libraries libraries) {
  auto nvml = gpus::NvmlLibrary::open(libraries.nvml);
  if (!nvml) {
    return std::unexpected(std::move(nvml.error()));
  }
  return std::shared_ptr<const Driver>(new Driver(std::move(libraries), std::move(*nvml)));
}

std::optional<std::string> Driver::text(
    nvml::Device device, const gpus::NvmlFunction<nvml::fn::DeviceGetText>& function) const {
  std::array<char, std::max(nvml::kNameBuffer, nvml::kUuidBuffer)> buffer{};
  const auto room = static_cast<unsigned>(buffer.size());
  return function(device, buffer.data(), room) == Return::success
             ? std::optional(std::string(buffer.data(), ::strnlen(buffer.data(), buffer.size())))
             : std::nullopt;
}

Result<std::vector<Gpu>> Driver::gpus() const {
  unsigned count = 0;
  if (const Return code = nvml_->count(&count); code != Return::success) {
    return fail(ErrorCode::unavailable,
                fmt::format("{}: {}", nvml_->count.name(), nvml_->error_text(code)),
                "run nvidia-smi");
  }
  std::vector<Gpu> all;
  for (unsigned i = 0; i < std::min(count, kMostDevices); ++i) {
    Gpu gpu;
    gpu.gpu_id = static_cast<int>(i);
    if (nvml_->handle_by_index(i, &gpu.handle) != Return::success) {
      continue;
    }
    const auto uuid = text(gpu.handle, nvml_->uuid);
    if (!uuid) {
      continue;
    }
    gpu.uuid = *uuid;
    gpu.name = text(gpu.handle, nvml_->name).value_or("NVIDIA GPU");
    const std::vector<Gpu> instances = instances_of(gpu);
    std::ranges::transform(instances, std::back_inserter(gpu.instances), &Gpu::uuid);
    all.push_back(std::move(gpu));
    std::ranges::copy(instances, std::back_inserter(all));
  }
  return all;
}

std::vector<Gpu> Driver::instances_of(const Gpu& gpu) const {
  unsigned current = nvml::kMigDisabled;
  unsigned pending = nvml::kMigDisabled;
  unsigned most = 0;
  if (nvml_->mig_mode(gpu.handle, &current, &pending) != Return::success ||
      current != nvml::kMigEnabled || nvml_->most_instances(gpu.handle, &most) != Return::success) {
    return {};
  }
  std::vector<Gpu> instances;
  for (unsigned i = 0; i < std::min(most, kMostInstances); ++i) {
    Gpu instance;
    // Places without an instance answer "not found".
    if (nvml_->instance_by_index(gpu.handle, i, &instance.handle) != Return::success) {
      continue;
    }
    if (auto uuid = text(instance.handle, nvml_->uuid)) {
      instance.gpu_id = gpu.gpu_id;
      instance.uuid = std::move(*uuid);
      instance.parent_uuid = gpu.uuid;
      instance.name = text(instance.handle, nvml_->name).value_or(gpu.name);
      instances.push_back(std::move(instance));
    }
  }
  return instances;
}

Result<Gpu> Driver::find(std::string_view name) const {
  auto all = gpus();
  if (!all) {
    return std::unexpected(std::move(all.error()));
  }
  std::vector<Gpu> found = named(*all, name);
  if (found.empty()) {
    std::vector<std::string> known;
    std::ranges::transform(*all, std::back_inserter(known), [](const Gpu& gpu) {
      return gpu.parent_uuid.empty() ? fmt::format("{} ({})", gpu.gpu_id, gpu.uuid) : gpu.uuid;
    });
    return fail(ErrorCode::not_found, fmt::format("there is no GPU \"{}\"", name),
                known.empty() ? std::string("this machine shows none: run nvidia-smi")
                              : fmt::format("accepted: {}", fmt::join(known, ", ")));
  }
  if (found.size() > 1) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}\" is the beginning of {} UUIDs", name, found.size()),
                "write more of it, or the index that nvidia-smi shows");
  }
  if (!found.front().instances.empty()) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("GPU {} is split by MIG: memory can only be held on an instance",
                            found.front().gpu_id),
                fmt::format("accepted: {}", fmt::join(found.front().instances, ", ")));
  }
  return std::move(found.front());
}

Result<std::optional<GpuMemory>> Driver::memory(const Gpu& gpu) const {
  gpus::NvmlInquiry inquiry(*nvml_, gpu.handle);
  const auto memory = gpus::read_memory(inquiry);
  if (inquiry.condition() != GpuCondition::ok) {
    return std::unexpected(silence_of(gpu, inquiry));
  }
  return memory;
}

Result<std::optional<std::vector<GpuProcess>>> Driver::processes(const Gpu& gpu) const {
  gpus::NvmlInquiry inquiry(*nvml_, gpu.handle);
  auto processes = gpus::NvmlProcesses().list(inquiry);
  if (inquiry.condition() != GpuCondition::ok) {
    return std::unexpected(silence_of(gpu, inquiry));
  }
  return processes;
}

Result<std::optional<double>> Driver::utilization(const Gpu& gpu) const {
  constexpr unsigned kWhole = 100;
  gpus::NvmlInquiry inquiry(*nvml_, gpu.handle);
  const auto load = inquiry.get<nvml::Utilization>(nvml_->utilization);
  if (inquiry.condition() != GpuCondition::ok) {
    return std::unexpected(silence_of(gpu, inquiry));
  }
  // Drivers are known to write larger numbers when they do not know.
  return load && load->gpu <= kWhole ? std::optional<double>(load->gpu) : std::nullopt;
}

Result<std::shared_ptr<const CudaLibrary>> Driver::cuda() const {
  const std::scoped_lock lock(mutex_);
  if (cuda_ == nullptr) {
    auto opened = CudaLibrary::open(libraries_.cuda);
    if (!opened) {
      return std::unexpected(std::move(opened.error()));
    }
    cuda_ = std::move(*opened);
  }
  return cuda_;
}

std::vector<Gpu> visible_gpus(const std::vector<Gpu>& all,
                              std::optional<std::string_view> cuda_visible_devices) {
  std::vector<Gpu> visible;
  if (!cuda_visible_devices) {
    std::ranges::copy_if(all, std::back_inserter(visible),
                         [](const Gpu& gpu) { return gpu.parent_uuid.empty(); });
    return visible;
  }
  std::string_view rest = *cuda_visible_devices;
  while (!rest.empty()) {
    const std::string_view entry = rest.substr(0, rest.find(','));
    const std::vector<Gpu> meant = named(all, trim(entry));
    if (meant.size() != 1) {
      break;
    }
    const auto is_same = [&](const Gpu& gpu) { return gpu.uuid == meant.front().uuid; };
    if (std::ranges::none_of(visible, is_same)) {
      visible.push_back(meant.front());
    }
    rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
  }
  return visible;
}

std::vector<Gpu> visible_gpus(const std::vector<Gpu>& all) {
  const char* const wish = std::getenv("CUDA_VISIBLE_DEVICES");
  return visible_gpus(all, wish == nullptr ? std::nullopt : std::optional<std::string_view>(wish));
}

}  // namespace levee::balloon
