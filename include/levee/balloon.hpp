// Balloon: GPU memory that is held so that nobody else takes it; for your own use later, or to keep
// a shared GPU from filling up. Start here.
//
//   auto balloon = levee::Balloon::make(0, {.mb = 4000});           // or {.fraction = 0.8}
//   if (balloon && balloon->inflate()) { …; balloon->deflate(); }
//
//   auto held = levee::reserve_gpu_memory(0, {.mb = "2GB"});        // until `held` goes
//
// The memory is really allocated, through the CUDA driver alone: neither the CUDA runtime nor
// PyTorch is needed, and a program without a GPU starts all the same. It is freed by deflate(), by
// the destructor, and by the driver when the process ends in whatever way.
//
// While a balloon is inflated its own program cannot use what it holds either: take() what you need
// of it, or yield_to_owner() before you allocate. Amounts are written as in levee/memory_spec.hpp;
// MB are binary. Nothing here throws but for want of host memory.
//
// Thread-safe: the calls of one balloon wait for each other; different balloons do not. A
// moved-from balloon may only be destroyed or assigned to. All calls use the driver in this process
// and may take as long as it does: a second for the first one, for ever if the driver hangs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "levee/bytes.hpp"
#include "levee/memory_spec.hpp"
#include "levee/result.hpp"

namespace levee {

namespace balloon {
class Driver;
class Mapping;
}  // namespace balloon

/// A GPU by the number nvidia-smi shows (PCI bus order, whatever CUDA_VISIBLE_DEVICES says), or by
/// its UUID or the beginning of one ("GPU-3c1eba8b…", "MIG-…").
class GpuRef {
 public:
  GpuRef(int gpu_id) : name_(std::to_string(gpu_id)) {}  // NOLINT(google-explicit-constructor)
  GpuRef(std::string uuid) : name_(std::move(uuid)) {}   // NOLINT(google-explicit-constructor)
  GpuRef(const char* uuid) : name_(uuid) {}              // NOLINT(google-explicit-constructor)

  [[nodiscard]] const std::string& text() const noexcept { return name_; }

 private:
  std::string name_;
};

/// How much to hold: exactly one of the two.
struct Reserve {
  std::optional<MemorySpec> mb = std::nullopt;  ///< reserve_mb: 4000, or any other form.
  std::optional<MemorySpec> fraction =
      std::nullopt;  ///< reserve_fraction of free memory, in (0, 1].
};

/// Called after each chunk of a growth with what is held by then and what will be, in bytes. False
/// stops the growth: it fails with `timed_out`, and as much is held as before. It must neither
/// throw nor call the balloon.
using BalloonProgress = std::function<bool(Bytes held, Bytes wanted)>;

struct BalloonOptions {
  /// The size of one allocation, in MB; at least 1. Small chunks are gentler to others and find
  /// room in fragmented memory; large ones are faster. 100 to 500 is usual.
  std::int64_t chunk_size_mb = 100;
  BalloonProgress progress = {};
  /// What to reach the GPUs through; nullptr: this machine's driver.
  std::shared_ptr<const balloon::Driver> driver = nullptr;
};

struct BalloonStatus {
  int gpu_id = 0;    ///< NVML's index.
  std::string uuid;  ///< Of the GPU or MIG instance.
  bool is_inflated = false;
  Bytes allocated;             ///< What was asked for, exactly; a share as it was resolved.
  std::size_t num_chunks = 0;  ///< Allocations of the driver.
  /// What is really taken: `allocated` rounded up to the driver's blocks (2 MiB), and our CUDA
  /// context where one is needed (measured as the fall of free memory when it was made).
  Bytes held;
  std::optional<Bytes> free_memory;   ///< By the driver, now. Absent where it does not tell.
  std::optional<Bytes> total_memory;  ///< By the driver.

  [[nodiscard]] std::uint64_t allocated_mb() const noexcept { return allocated.count / kMiB; }
  [[nodiscard]] std::optional<std::uint64_t> free_memory_mb() const { return in_mb(free_memory); }
  [[nodiscard]] std::optional<std::uint64_t> total_memory_mb() const { return in_mb(total_memory); }

 private:
  static std::optional<std::uint64_t> in_mb(std::optional<Bytes> bytes) {
    return bytes ? std::optional(bytes->count / kMiB) : std::nullopt;
  }
};

/// GPU memory that was a balloon's, and is the program's own now: mapped at address(), readable and
/// writable on its GPU in every context of this process. It is free when this goes, which may wait
/// for work on the GPU that still uses it. Not thread-safe.
class TakenMemory {
 public:
  TakenMemory(TakenMemory&&) noexcept;
  TakenMemory& operator=(TakenMemory&&) noexcept;
  ~TakenMemory();

  [[nodiscard]] std::uint64_t address() const noexcept;  ///< A CUdeviceptr.
  [[nodiscard]] void* data() const noexcept;             ///< The same.
  [[nodiscard]] Bytes size() const noexcept;  ///< Rounded up to the driver's blocks (2 MiB).

 private:
  friend class Balloon;
  explicit TakenMemory(std::unique_ptr<balloon::Mapping> mapping);
  std::unique_ptr<balloon::Mapping> mapping_;
};

/// The balloon of one GPU.
///
/// Errors of the growing calls: `already_exists` (inflated already), `resource_exhausted` ("CUDA
/// out of memory: …", with what was asked for and what is free), `invalid_argument` (the amount),
/// `unavailable` (the driver), `timed_out` (stopped by `progress`). After every failure as much is
/// held as before; after a failed first growth nothing at all.
///
/// Shares ("50%", 0.5) are of what is free. Where they name a total, the balloon's own memory
/// counts as free, so that asking twice for the same changes nothing; in allocate_additional() it
/// does not.
class Balloon {
 public:
  /// A deflated balloon. `invalid_argument` for both or neither of mb and fraction and for a bad
  /// amount; whether so much is free shows when it is inflated. `not_found` without such a GPU.
  [[nodiscard]] static Result<Balloon> make(const GpuRef& gpu, const Reserve& reserve,
                                            BalloonOptions options = {});

  Balloon(Balloon&&) noexcept;
  Balloon& operator=(Balloon&&) noexcept;
  ~Balloon();  ///< Deflates.

  /// Holds the configured amount; that amount in bytes. `already_exists` when inflated.
  [[nodiscard]] Result<Bytes> inflate();

  /// Gives everything back; what was allocated, 0 when deflated.
  Bytes deflate() noexcept;

  /// inflate(), or 0 when inflated already. Safe to repeat.
  [[nodiscard]] Result<Bytes> inflate_if_not_inflated();

  /// deflate(), or 0 when not inflated. Safe to repeat.
  Bytes deflate_if_inflated() noexcept { return deflate(); }

  /// Changes the configured amount and holds it at once, inflated before or not; the new size. It
  /// grows and shrinks in place: there is no moment at which others could take it.
  [[nodiscard]] Result<Bytes> resize(const Reserve& reserve);

  /// The size of chunks allocated from now on, in MB; at least 1.
  [[nodiscard]] Result<void> set_chunk_size(std::int64_t chunk_size_mb);

  /// Holds `amount` in all, in place of whatever is held or configured; the new size.
  [[nodiscard]] Result<Bytes> allocate_memory(const MemorySpec& amount);

  /// Holds `amount` more; the new size.
  [[nodiscard]] Result<Bytes> allocate_additional(const MemorySpec& amount);

  /// Grows or shrinks until `target` is held in all; the new size.
  [[nodiscard]] Result<Bytes> allocate_to_target(const MemorySpec& target);

  /// Gives `bytes` up, or all of it if less is held, for what this program allocates next; how much
  /// that was. A neighbour that is quicker may have them: take() leaves no such gap.
  [[nodiscard]] Result<Bytes> yield_to_owner(Bytes bytes);

  /// Hands `bytes` over to this program: memory that the balloon holds becomes usable, and is never
  /// free in between, so nobody else can have it. A chunk that is taken in part is free again when
  /// all that was taken of it is. `resource_exhausted` when less is held, `unavailable` where the
  /// GPU does not manage virtual memory (see docs/balloon.md).
  [[nodiscard]] Result<TakenMemory> take(Bytes bytes);

  /// `unavailable` when the GPU does not answer.
  [[nodiscard]] Result<BalloonStatus> status() const;

  /// What was asked for and is held; does not ask the driver.
  [[nodiscard]] Bytes allocated() const;

  /// Who is told of growth from now on.
  void set_progress(BalloonProgress progress);

 private:
  struct Impl;
  explicit Balloon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// An inflated balloon, deflated when it goes.
[[nodiscard]] Result<Balloon> reserve_gpu_memory(const GpuRef& gpu, const Reserve& reserve,
                                                 BalloonOptions options = {});

}  // namespace levee
