// DeviceMemory: one GPU's memory in pieces that nobody reads or writes. Two ways to hold a piece:
// an allocation that is never mapped (cuMemCreate, where the GPU can), else a plain one
// (cuMemAlloc). This is the only place that knows whether holding needs a CUDA context, and what
// that costs. One thread at a time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "balloon/driver.hpp"
#include "balloon/mapping.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee::balloon {

class DeviceMemory {
 public:
  enum class Method {
    unmapped,  ///< cuMemCreate: nothing is mapped at creation, or waited for at release.
    plain,     ///< cuMemAlloc; needs a context, and freeing may wait for the GPU.
  };

  /// What is held as one: a handle of cuMemCreate or an address.
  struct Chunk {
    std::uint64_t handle = 0;
    Bytes size;
  };

  /// The driver's own figures; absent where it does not tell (unified memory, no context yet).
  struct Figures {
    std::optional<Bytes> free;
    std::optional<Bytes> total;
  };

  /// Loads CUDA if need be and finds the GPU in it. Holds nothing yet, not even a context.
  [[nodiscard]] static Result<std::unique_ptr<DeviceMemory>> open(
      std::shared_ptr<const Driver> driver, Gpu gpu);

  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory();

  /// Takes what holding will need besides the pieces: after it, what is free is free for pieces.
  /// Nothing to undo but leave().
  [[nodiscard]] Result<void> prepare();

  /// A piece of `size`, a multiple of granularity(). `resource_exhausted` when memory is short.
  [[nodiscard]] Result<Chunk> create(Bytes size);

  /// False when the driver would not take it back: it is still held.
  [[nodiscard]] bool release(const Chunk& chunk) noexcept;

  /// Makes a stretch of chunks usable in this process; they are still to be released, and stay
  /// while they are mapped. `unavailable` for plain ones.
  [[nodiscard]] Result<std::unique_ptr<Mapping>> map(const Mapping::Stretch& stretch) const;

  /// Gives up the context, if one was taken. Only when no piece is held.
  void leave() noexcept;

  [[nodiscard]] Result<Figures> figures() const;

  [[nodiscard]] Method method() const noexcept { return method_; }
  [[nodiscard]] Bytes granularity() const noexcept { return granularity_; }
  /// What our context takes: the fall of free memory when it was made. Zero without one, and when
  /// this program had one already.
  [[nodiscard]] Bytes context_bytes() const noexcept { return context_bytes_; }
  [[nodiscard]] const Gpu& gpu() const noexcept { return gpu_; }
  [[nodiscard]] const std::shared_ptr<const Driver>& driver() const noexcept { return driver_; }

  /// cudaComputeMode: 0 shared, 2 prohibited, 3 exclusive process.
  [[nodiscard]] int compute_mode() const noexcept;

 private:
  DeviceMemory(std::shared_ptr<const Driver> driver, std::shared_ptr<const CudaLibrary> cuda,
               Gpu gpu, cuda::Device device);

  [[nodiscard]] Result<void> enter();
  [[nodiscard]] cuda::Result try_create(Bytes size, std::uint64_t& handle) const;
  [[nodiscard]] cuda::Result try_release(std::uint64_t handle) const;
  [[nodiscard]] Error error(const char* function, cuda::Result answer) const;

  const std::shared_ptr<const Driver> driver_;
  const std::shared_ptr<const CudaLibrary> cuda_;
  const Gpu gpu_;
  const cuda::Device device_;
  const pid_t owner_;  ///< A forked child has no right to the driver, and holds nothing.
  Method method_ = Method::plain;
  Bytes granularity_;
  bool was_tried_ = false;  ///< Whether a context is needed is known.
  cuda::Context context_ = nullptr;
  Bytes context_bytes_;
};

}  // namespace levee::balloon
