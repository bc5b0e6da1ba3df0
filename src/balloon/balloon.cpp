#include "levee/balloon.hpp"

#include <fmt/core.h>

#include <mutex>

#include "balloon/held_memory.hpp"

namespace levee {
namespace {

using balloon::DeviceMemory;
using balloon::Driver;
using balloon::Gpu;
using balloon::HeldMemory;

Result<Amount> amount_of(const Reserve& reserve) {
  if (reserve.mb.has_value() == reserve.fraction.has_value()) {
    return fail(ErrorCode::invalid_argument,
                reserve.mb ? "both an amount in MB and a fraction are given"
                           : "neither an amount in MB nor a fraction is given",
                "give exactly one of reserve_mb and reserve_fraction");
  }
  return reserve.mb ? reserve.mb->amount() : reserve.fraction->share();
}

Result<Bytes> chunk_size_of(std::int64_t megabytes) {
  constexpr std::int64_t kMost = std::int64_t{1} << 30U;
  if (megabytes <= 0 || megabytes > kMost) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} MB is no size of a chunk", megabytes),
                "want a whole number of MB from 1 on; 100 to 500 is usual");
  }
  return mib(static_cast<std::uint64_t>(megabytes));
}

Result<std::shared_ptr<const Driver>> driver_of(const BalloonOptions& options) {
  return options.driver != nullptr ? options.driver : Driver::open();
}

}  // namespace

struct Balloon::Impl {
  Impl(std::shared_ptr<const Driver> of, Gpu on, Amount amount, Bytes chunks, BalloonProgress whom)
      : driver(std::move(of)),
        gpu(std::move(on)),
        reserve(amount),
        chunk_size(chunks),
        progress(std::move(whom)) {}

  [[nodiscard]] Bytes allocated() const { return held ? held->requested() : Bytes{}; }

  /// CUDA is met when memory is first wanted, and not before: who looks only must not pay for it.
  [[nodiscard]] Result<HeldMemory*> open() {
    if (!held) {
      auto memory = DeviceMemory::open(driver, gpu);
      if (!memory) {
        return std::unexpected(std::move(memory.error()));
      }
      held = std::make_unique<HeldMemory>(std::move(*memory), chunk_size);
    }
    return held.get();
  }

  /// Holds what `resolve` makes of `amount`.
  [[nodiscard]] Result<Bytes> hold(const Amount& amount,
                                   Result<Bytes> (HeldMemory::*resolve)(const Amount&)) {
    const auto opened = open();
    if (!opened) {
      return std::unexpected(opened.error());
    }
    HeldMemory& memory = **opened;
    const auto wanted = (memory.*resolve)(amount);
    const auto done =
        wanted ? memory.resize(*wanted, progress) : Result<void>(std::unexpected(wanted.error()));
    if (!done) {
      if (memory.requested() == Bytes{}) {
        static_cast<void>(memory.release());  // the context, too
      }
      return std::unexpected(done.error());
    }
    return memory.requested();
  }

  [[nodiscard]] Result<Bytes> hold_total(const Amount& amount) {
    return hold(amount, &HeldMemory::resolve_total);
  }
  [[nodiscard]] Result<Bytes> hold_total(const Result<Amount>& amount) {
    return amount ? hold_total(*amount) : std::unexpected(amount.error());
  }

  const std::shared_ptr<const Driver> driver;
  const Gpu gpu;

  mutable std::mutex mutex;  // guards what follows; held while the driver works
  Amount reserve;
  Bytes chunk_size;
  BalloonProgress progress;
  std::unique_ptr<HeldMemory> held;
};

TakenMemory::TakenMemory(std::unique_ptr<balloon::Mapping> mapping)
    : mapping_(std::move(mapping)) {}
TakenMemory::TakenMemory(TakenMemory&&) noexcept = default;
TakenMemory& TakenMemory::operator=(TakenMemory&&) noexcept = default;
TakenMemory::~TakenMemory() = default;

std::uint64_t TakenMemory::address() const noexcept { return mapping_->address(); }
void* TakenMemory::data() const noexcept {
  return reinterpret_cast<void*>(mapping_->address());  // NOLINT(performance-no-int-to-ptr)
}
Bytes TakenMemory::size() const noexcept { return mapping_->size(); }

Result<Balloon> Balloon::make(const GpuRef& gpu, const Reserve& reserve, BalloonOptions options) {
  const auto amount = amount_of(reserve);
  if (!amount) {
    return std::unexpected(amount.error());
  }
  const auto chunk_size = chunk_size_of(options.chunk_size_mb);
  if (!chunk_size) {
    return std::unexpected(chunk_size.error());
  }
  auto driver = driver_of(options);
  if (!driver) {
    return std::unexpected(std::move(driver.error()));
  }
  auto found = (*driver)->find(gpu.text());
  if (!found) {
    return std::unexpected(std::move(found.error()));
  }
  return Balloon(std::make_unique<Impl>(std::move(*driver), std::move(*found), *amount, *chunk_size,
                                        std::move(options.progress)));
}

Balloon::Balloon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Balloon::Balloon(Balloon&&) noexcept = default;
Balloon& Balloon::operator=(Balloon&&) noexcept = default;
Balloon::~Balloon() = default;

Result<Bytes> Balloon::inflate() {
  const std::scoped_lock lock(impl_->mutex);
  if (const Bytes allocated = impl_->allocated(); allocated > Bytes{}) {
    return fail(ErrorCode::already_exists,
                fmt::format("the balloon of GPU {} is already inflated ({} MB)", impl_->gpu.gpu_id,
                            allocated.count / kMiB),
                "deflate() it first, or change it with resize() or allocate_to_target()");
  }
  return impl_->hold_total(impl_->reserve);
}

Bytes Balloon::deflate() noexcept {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->held ? impl_->held->release() : Bytes{};
}

Result<Bytes> Balloon::inflate_if_not_inflated() {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->allocated() > Bytes{} ? Result<Bytes>(Bytes{}) : impl_->hold_total(impl_->reserve);
}

Result<Bytes> Balloon::resize(const Reserve& reserve) {
  const auto amount = amount_of(reserve);
  const std::scoped_lock lock(impl_->mutex);
  auto held = impl_->hold_total(amount);
  if (held) {
    impl_->reserve = *amount;
  }
  return held;
}

Result<void> Balloon::set_chunk_size(std::int64_t chunk_size_mb) {
  const auto size = chunk_size_of(chunk_size_mb);
  if (!size) {
    return std::unexpected(size.error());
  }
  const std::scoped_lock lock(impl_->mutex);
  impl_->chunk_size = *size;
  if (impl_->held) {
    impl_->held->set_chunk_size(*size);
  }
  return {};
}

Result<Bytes> Balloon::allocate_memory(const MemorySpec& amount) {
  return allocate_to_target(amount);
}

Result<Bytes> Balloon::allocate_additional(const MemorySpec& amount) {
  const auto more = amount.amount();
  if (!more) {
    return std::unexpected(more.error());
  }
  const std::scoped_lock lock(impl_->mutex);
  return impl_->hold(*more, &HeldMemory::resolve_additional);
}

Result<Bytes> Balloon::allocate_to_target(const MemorySpec& target) {
  const auto amount = target.amount();
  const std::scoped_lock lock(impl_->mutex);
  return impl_->hold_total(amount);
}

Result<Bytes> Balloon::yield_to_owner(Bytes bytes) {
  const std::scoped_lock lock(impl_->mutex);
  const Bytes before = impl_->allocated();
  if (before == Bytes{}) {
    return Bytes{};
  }
  if (auto shrunk = impl_->held->resize(before - bytes, {}); !shrunk) {
    return std::unexpected(std::move(shrunk.error()));
  }
  return before - impl_->allocated();
}

Result<TakenMemory> Balloon::take(Bytes bytes) {
  const std::scoped_lock lock(impl_->mutex);
  const auto opened = impl_->open();
  if (!opened) {
    return std::unexpected(opened.error());
  }
  auto mapping = (*opened)->take(bytes);
  if (!mapping) {
    return std::unexpected(std::move(mapping.error()));
  }
  return TakenMemory(std::move(*mapping));
}

Result<BalloonStatus> Balloon::status() const {
  const std::scoped_lock lock(impl_->mutex);
  BalloonStatus status;
  status.gpu_id = impl_->gpu.gpu_id;
  status.uuid = impl_->gpu.uuid;
  if (impl_->held) {
    const HeldMemory& held = *impl_->held;
    status.is_inflated = held.requested() > Bytes{};
    status.allocated = held.requested();
    status.num_chunks = held.chunks();
    status.held = held.held();
    const auto figures = held.memory().figures();
    if (!figures) {
      return std::unexpected(figures.error());
    }
    status.free_memory = figures->free;
    status.total_memory = figures->total;
    return status;
  }
  const auto memory = impl_->driver->memory(impl_->gpu);
  if (!memory) {
    return std::unexpected(memory.error());
  }
  if (memory->has_value()) {
    status.free_memory = (*memory)->free;
    status.total_memory = (*memory)->total;
  }
  return status;
}

Bytes Balloon::allocated() const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->allocated();
}

void Balloon::set_progress(BalloonProgress progress) {
  const std::scoped_lock lock(impl_->mutex);
  impl_->progress = std::move(progress);
}

Result<Balloon> reserve_gpu_memory(const GpuRef& gpu, const Reserve& reserve,
                                   BalloonOptions options) {
  auto balloon = Balloon::make(gpu, reserve, std::move(options));
  if (balloon) {
    if (auto inflated = balloon->inflate(); !inflated) {
      return std::unexpected(std::move(inflated.error()));
    }
  }
  return balloon;
}

}  // namespace levee
