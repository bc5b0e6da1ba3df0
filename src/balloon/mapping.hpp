// Mapping: physical memory of a GPU that this process can use: at one range of addresses, readable
// and writable on its GPU. Unmapped and free again when it goes, which may wait for work that still
// uses it. One thread at a time.
#pragma once

#include <sys/types.h>

#include <memory>
#include <span>
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

  /// Maps `pieces`, one behind the other. Their handles stay the caller's, who may release them
  /// afterwards: what is mapped stays. After a failure nothing is mapped.
  [[nodiscard]] static Result<std::unique_ptr<Mapping>> make(
      std::shared_ptr<const CudaLibrary> cuda, cuda::Device device, std::span<const Piece> pieces);

  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  [[nodiscard]] cuda::DevicePtr address() const noexcept { return address_; }
  [[nodiscard]] Bytes size() const noexcept { return size_; }

 private:
  Mapping(std::shared_ptr<const CudaLibrary> cuda, cuda::Device device);

  [[nodiscard]] cuda::Result map(std::span<const Piece> pieces, const char*& function);
  [[nodiscard]] cuda::Result enter();

  const std::shared_ptr<const CudaLibrary> cuda_;
  const cuda::Device device_;
  const pid_t owner_;  ///< A forked child has no right to the driver.
  cuda::Context context_ = nullptr;
  cuda::DevicePtr address_ = 0;
  Bytes size_;     ///< Of the range of addresses.
  Bytes mapped_;   ///< So much of it, from the front.
};

}  // namespace levee::balloon
