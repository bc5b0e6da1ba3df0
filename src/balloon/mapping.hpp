// Mapping: physical memory of a GPU that this process can use: at one range of addresses, readable
// and writable on its GPU. Unmapped and free again when it goes, which may wait for work that still
// uses it. One thread at a time.
#pragma once

#include <sys/types.h>

#include <memory>
#include <vector>

#include "balloon/cuda_library.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee::balloon {

class Mapping {
 public:
  /// A handle of cuMemCreate.
  struct Piece {
    cuda::AllocationHandle handle = 0;
    Bytes size;
  };

  /// A stretch of several pieces, one behind the other.
  struct Stretch {
    std::vector<Piece> pieces;
    Bytes skip;  ///< It begins so far into the first,
    Bytes size;  ///< and is so long.
  };

  /// Maps a stretch. The handles stay the caller's, who may release them afterwards: what is mapped
  /// stays. A piece may be mapped more than once, and is free when the last mapping goes. After a
  /// failure nothing is mapped.
  [[nodiscard]] static Result<std::unique_ptr<Mapping>> make(
      std::shared_ptr<const CudaLibrary> cuda, cuda::Device device, const Stretch& stretch);

  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  [[nodiscard]] cuda::DevicePtr address() const noexcept { return range_ + skip_.count; }
  [[nodiscard]] Bytes size() const noexcept { return size_; }

 private:
  Mapping(std::shared_ptr<const CudaLibrary> cuda, cuda::Device device, const Stretch& stretch);

  [[nodiscard]] cuda::Result map(const std::vector<Piece>& pieces, const char*& function);
  [[nodiscard]] cuda::Result enter();

  const std::shared_ptr<const CudaLibrary> cuda_;
  const cuda::Device device_;
  const pid_t owner_;  ///< A forked child has no right to the driver.
  cuda::Context context_ = nullptr;
  const Bytes skip_;
  const Bytes size_;
  const Bytes whole_;  ///< Of all pieces.
  cuda::DevicePtr range_ = 0;
  Bytes mapped_;  ///< Of the range, from the front.
};

}  // namespace levee::balloon
