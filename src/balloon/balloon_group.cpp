#include "levee/balloon_group.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <mutex>
#include <utility>

#include "balloon/driver.hpp"

namespace levee {
namespace {

using balloon::Driver;
using balloon::Gpu;

using DriverPtr = std::shared_ptr<const Driver>;

Result<DriverPtr> driver_or_own(const DriverPtr& driver) {
  return driver != nullptr ? driver : Driver::open();
}

/// `options` with a driver, so that all that is made with them shares it.
Result<BalloonOptions> with_driver(BalloonOptions options) {
  auto driver = driver_or_own(options.driver);
  if (!driver) {
    return std::unexpected(std::move(driver.error()));
  }
  options.driver = std::move(*driver);
  return options;
}

/// One Reserve for each of `count` GPUs.
Result<std::vector<Reserve>> spread(const GroupReserve& reserve, std::size_t count) {
  if (reserve.mb.is_given() == reserve.fraction.is_given()) {
    return fail(ErrorCode::invalid_argument,
                reserve.mb.is_given() ? "both amounts in MB and fractions are given"
                                      : "neither an amount in MB nor a fraction is given",
                "give exactly one of reserve_mb_per_gpu and reserve_fraction_per_gpu");
  }
  const bool is_mb = reserve.mb.is_given();
  const auto specs = (is_mb ? reserve.mb : reserve.fraction).spread(count);
  if (!specs) {
    return std::unexpected(specs.error());
  }
  std::vector<Reserve> each;
  std::ranges::transform(*specs, std::back_inserter(each), [&](const MemorySpec& spec) {
    return is_mb ? Reserve{.mb = spec} : Reserve{.fraction = spec};
  });
  return each;
}

/// The UUIDs of the GPUs that this process may see; never empty.
Result<std::vector<GpuRef>> visible(const DriverPtr& driver) {
  const auto all = driver->gpus();
  if (!all) {
    return std::unexpected(all.error());
  }
  std::vector<GpuRef> gpus;
  std::ranges::transform(balloon::visible_gpus(*all), std::back_inserter(gpus), &Gpu::uuid);
  if (gpus.empty()) {
    return fail(ErrorCode::not_found, "this process sees no GPU",
                "see CUDA_VISIBLE_DEVICES, and nvidia-smi -L");
  }
  return gpus;
}

Result<std::vector<int>> numbers(const Result<std::vector<Gpu>>& gpus) {
  if (!gpus) {
    return std::unexpected(gpus.error());
  }
  std::vector<int> ids;
  std::ranges::transform(*gpus, std::back_inserter(ids), &Gpu::gpu_id);
  return ids;
}

Result<std::vector<Gpu>> whole_gpus(const DriverPtr& given) {
  const auto driver = driver_or_own(given);
  if (!driver) {
    return std::unexpected(driver.error());
  }
  auto all = (*driver)->gpus();
  if (all) {
    std::erase_if(*all, [](const Gpu& gpu) { return !gpu.parent_uuid.empty(); });
  }
  return all;
}

Result<BalloonGroup> inflated(Result<BalloonGroup> group) {
  if (group) {
    if (auto done = group->inflate_all(); !done) {
      return std::unexpected(std::move(done.error()));
    }
  }
  return group;
}

}  // namespace

struct BalloonGroup::Impl {
  std::vector<Balloon> balloons;
  mutable std::mutex mutex;  // so that a roll-back undoes nobody else's work
};

BalloonGroup::BalloonGroup(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BalloonGroup::BalloonGroup(BalloonGroup&&) noexcept = default;
BalloonGroup& BalloonGroup::operator=(BalloonGroup&&) noexcept = default;
BalloonGroup::~BalloonGroup() = default;

Result<BalloonGroup> BalloonGroup::make(const std::vector<GpuRef>& gpus,
                                        const GroupReserve& reserve,
                                        const BalloonOptions& options) {
  if (gpus.empty()) {
    return fail(ErrorCode::invalid_argument, "no GPU is named", "name at least one, such as 0");
  }
  const auto reserves = spread(reserve, gpus.size());
  if (!reserves) {
    return std::unexpected(reserves.error());
  }
  const auto shared = with_driver(options);
  if (!shared) {
    return std::unexpected(shared.error());
  }
  auto impl = std::make_unique<Impl>();
  std::vector<std::string> uuids;
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    const auto gpu = shared->driver->find(gpus.at(i).text());
    if (!gpu) {
      return std::unexpected(gpu.error());
    }
    if (std::ranges::find(uuids, gpu->uuid) != uuids.end()) {
      return fail(ErrorCode::invalid_argument, fmt::format("GPU {} is named twice", gpu->gpu_id),
                  "name each GPU once, with all that is to be held there");
    }
    uuids.push_back(gpu->uuid);
    auto balloon = Balloon::make(gpu->uuid, reserves->at(i), *shared);
    if (!balloon) {
      return std::unexpected(
          balloon.error().within(fmt::format("the balloon of GPU {}", gpu->gpu_id)));
    }
    impl->balloons.push_back(std::move(*balloon));
  }
  return BalloonGroup(std::move(impl));
}

Result<std::vector<Bytes>> BalloonGroup::inflate_all() {
  const std::scoped_lock lock(impl_->mutex);
  std::vector<Bytes> sizes;
  for (Balloon& balloon : impl_->balloons) {
    auto size = balloon.inflate();
    if (!size) {
      for (std::size_t i = sizes.size(); i > 0; --i) {
        impl_->balloons.at(i - 1).deflate();
      }
      return std::unexpected(std::move(size.error()));
    }
    sizes.push_back(*size);
  }
  return sizes;
}

Bytes BalloonGroup::deflate_all() noexcept {
  const std::scoped_lock lock(impl_->mutex);
  Bytes sum;
  for (Balloon& balloon : impl_->balloons) {
    sum += balloon.deflate();
  }
  return sum;
}

Result<std::vector<BalloonStatus>> BalloonGroup::status() const {
  const std::scoped_lock lock(impl_->mutex);
  std::vector<BalloonStatus> all;
  for (const Balloon& balloon : impl_->balloons) {
    auto status = balloon.status();
    if (!status) {
      return std::unexpected(std::move(status.error()));
    }
    all.push_back(std::move(*status));
  }
  return all;
}

std::size_t BalloonGroup::size() const noexcept { return impl_->balloons.size(); }

Balloon& BalloonGroup::at(std::size_t i) { return impl_->balloons.at(i); }

Result<BalloonGroup> reserve_multi_gpu_memory(const std::vector<GpuRef>& gpus,
                                              const GroupReserve& reserve,
                                              const BalloonOptions& options) {
  return inflated(BalloonGroup::make(gpus, reserve, options));
}

Result<BalloonGroup> create_balloon_for_all_gpus(const GroupReserve& reserve,
                                                 const BalloonOptions& options) {
  const auto shared = with_driver(options);
  if (!shared) {
    return std::unexpected(shared.error());
  }
  const auto gpus = visible(shared->driver);
  return gpus ? BalloonGroup::make(*gpus, reserve, *shared) : std::unexpected(gpus.error());
}

Result<BalloonGroup> reserve_all_gpus_memory(const GroupReserve& reserve,
                                             const BalloonOptions& options) {
  return inflated(create_balloon_for_all_gpus(reserve, options));
}

Result<Balloon> reserve_for_rank(int local_rank, int local_rank_count, const MemorySpec& amount,
                                 const BalloonOptions& options) {
  if (local_rank_count <= 0 || local_rank < 0 || local_rank >= local_rank_count) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("there is no rank {} of {}", local_rank, local_rank_count),
                "want the rank on this machine, from 0 on, and how many there are "
                "(LOCAL_RANK and LOCAL_WORLD_SIZE of torchrun)");
  }
  const auto whole = amount.amount();
  if (!whole) {
    return std::unexpected(whole.error());
  }
  const auto shared = with_driver(options);
  if (!shared) {
    return std::unexpected(shared.error());
  }
  const auto gpus = visible(shared->driver);
  if (!gpus) {
    return std::unexpected(gpus.error());
  }
  const auto count = static_cast<std::size_t>(local_rank_count);
  const std::size_t mine = static_cast<std::size_t>(local_rank) % gpus->size();
  const std::size_t sharers = (count - mine + gpus->size() - 1) / gpus->size();
  const Result<Amount> part = whole->divided_by(sharers);
  if (!part) {
    return std::unexpected(part.error());
  }
  return reserve_gpu_memory(gpus->at(mine), {.mb = *part}, *shared);
}

Result<Balloon> smart_reserve(const GpuRef& gpu, const BalloonOptions& options) {
  constexpr double kIdle = 20;
  constexpr double kBusy = 50;
  const auto shared = with_driver(options);
  if (!shared) {
    return std::unexpected(shared.error());
  }
  const auto found = shared->driver->find(gpu.text());
  if (!found) {
    return std::unexpected(found.error());
  }
  const auto utilization = shared->driver->utilization(*found);
  if (!utilization) {
    return std::unexpected(utilization.error());
  }
  const double percent = utilization->value_or(kBusy);
  const double fraction = percent < kIdle ? 0.9 : percent < kBusy ? 0.6 : 0.3;
  return reserve_gpu_memory(found->uuid, {.fraction = fraction}, *shared);
}

Result<std::vector<GpuInfo>> gpu_info(const DriverPtr& given) {
  const auto driver = driver_or_own(given);
  if (!driver) {
    return std::unexpected(driver.error());
  }
  const auto gpus = whole_gpus(*driver);
  if (!gpus) {
    return std::unexpected(gpus.error());
  }
  std::vector<GpuInfo> all;
  for (const Gpu& gpu : *gpus) {
    GpuInfo info;
    info.gpu_id = gpu.gpu_id;
    info.uuid = gpu.uuid;
    info.name = gpu.name;
    info.utilization_percent = (*driver)->utilization(gpu).value_or(std::nullopt);
    if (const auto memory = (*driver)->memory(gpu).value_or(std::nullopt)) {
      info.total_memory = memory->total;
      info.used_memory = memory->used;
      info.free_memory = memory->free;
    }
    all.push_back(std::move(info));
  }
  return all;
}

Result<std::vector<int>> all_available_gpus(const DriverPtr& driver) {
  return numbers(whole_gpus(driver));
}

Result<std::vector<int>> cuda_visible_devices(const DriverPtr& given) {
  const auto driver = driver_or_own(given);
  if (!driver) {
    return std::unexpected(driver.error());
  }
  auto all = (*driver)->gpus();
  if (all) {
    *all = balloon::visible_gpus(*all);
  }
  return numbers(all);
}

}  // namespace levee
