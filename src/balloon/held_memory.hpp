// HeldMemory: an amount of GPU memory, held in chunks, that grows and shrinks.
//
// Growing adds chunks, so nothing is free in between; a growth that fails, or is stopped, gives
// back what it had added. Shrinking drops whole chunks, the largest first, and splits one for the
// rest. What is held is the amount asked for, rounded up to the driver's blocks. One thread at a
// time; nothing here throws but for want of host memory.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "balloon/device_memory.hpp"
#include "levee/amount.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee::balloon {

/// Called with what is held and what is wanted after each chunk of a growth. False stops it.
using Progress = std::function<bool(Bytes held, Bytes wanted)>;

class HeldMemory {
 public:
  HeldMemory(std::unique_ptr<DeviceMemory> memory, Bytes chunk_size);
  HeldMemory(const HeldMemory&) = delete;
  HeldMemory& operator=(const HeldMemory&) = delete;
  ~HeldMemory() { static_cast<void>(release()); }

  /// Holds `wanted` from now on. `resource_exhausted` when memory is short ("CUDA out of memory"),
  /// `timed_out` when `progress` stopped it: then as much is held as before.
  [[nodiscard]] Result<void> resize(Bytes wanted, const Progress& progress = {});

  /// Gives everything back, the context included; what was asked for until now. What the driver
  /// will not take back stays in held() and is tried again with the next call.
  Bytes release() noexcept;

  /// Hands `bytes`, rounded up to the driver's blocks, over to this process: they are mapped and no
  /// longer held, and nothing is free in between. `resource_exhausted` when less is held.
  [[nodiscard]] Result<std::unique_ptr<Mapping>> take(Bytes bytes);

  /// The size that `amount` names as a total, or on top of what is held. A share counts from what
  /// is free now, and as a total from that and our own chunks (so that asking twice changes
  /// nothing); it is rounded down to the driver's blocks.
  [[nodiscard]] Result<Bytes> resolve_total(const Amount& amount);
  [[nodiscard]] Result<Bytes> resolve_additional(const Amount& amount);

  /// For chunks made from now on; rounded up to the driver's blocks.
  void set_chunk_size(Bytes size) noexcept { chunk_size_ = size; }

  [[nodiscard]] Bytes requested() const noexcept { return requested_; }
  [[nodiscard]] Bytes held() const noexcept { return in_chunks_ + memory_->context_bytes(); }
  [[nodiscard]] std::size_t chunks() const noexcept { return chunks_.size() + (open_ ? 1 : 0); }
  [[nodiscard]] const DeviceMemory& memory() const noexcept { return *memory_; }

 private:
  using Chunk = DeviceMemory::Chunk;

  [[nodiscard]] Bytes rounded_up(Bytes size) const noexcept;
  [[nodiscard]] Result<Bytes> share_of(const Amount& amount, Bytes more);
  [[nodiscard]] Result<void> grow(Bytes wanted, const Progress& progress);
  [[nodiscard]] Result<void> add_chunks(Bytes wanted, const Progress& progress);
  [[nodiscard]] Result<void> shrink(Bytes wanted);
  [[nodiscard]] Result<void> split_last(Bytes give_back);
  [[nodiscard]] bool may_fit_in_smaller_pieces(const Error& error, Bytes missing) const;
  [[nodiscard]] Error out_of_memory(Bytes missing, Bytes free) const;
  void add(const Chunk& chunk);
  void drop_from(std::size_t first) noexcept;
  bool drop(std::size_t index) noexcept;
  void close() noexcept;
  void leave_if_empty() noexcept;

  const std::unique_ptr<DeviceMemory> memory_;
  Bytes chunk_size_;
  std::vector<Chunk> chunks_;
  /// The chunk that was taken in part.
  struct Open {
    Chunk chunk;
    Bytes taken;
  };
  std::optional<Open> open_;
  Bytes in_chunks_;  ///< And in the rest of the open one.
  Bytes requested_;
};

}  // namespace levee::balloon
