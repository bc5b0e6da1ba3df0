// BalloonGroup: balloons on several GPUs at once, all or none; and which GPUs there are. The rules
// of levee/balloon.hpp hold here, too.
//
// GPUs are numbered as nvidia-smi numbers them, also where CUDA_VISIBLE_DEVICES makes a program
// count otherwise. "All GPUs" are those this process may see.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "levee/balloon.hpp"
#include "levee/bytes.hpp"
#include "levee/memory_spec.hpp"
#include "levee/result.hpp"

namespace levee {

/// How much to hold on each GPU: exactly one of the two; one amount for all, or one for each.
struct GroupReserve {
  MemorySpecs mb = {};        ///< reserve_mb_per_gpu: 2000, "2GB" or {4000, 2000, 2000}.
  MemorySpecs fraction = {};  ///< reserve_fraction_per_gpu, of what is free on each.
};

/// Thread-safe; one call at a time runs on a group.
class BalloonGroup {
 public:
  /// Deflated balloons on `gpus`, in that order. `invalid_argument` for no GPU, the same twice, a
  /// list of another length, a bad amount, or both or neither of mb and fraction.
  [[nodiscard]] static Result<BalloonGroup> make(const std::vector<GpuRef>& gpus,
                                                 const GroupReserve& reserve,
                                                 const BalloonOptions& options = {});

  BalloonGroup(BalloonGroup&&) noexcept;
  BalloonGroup& operator=(BalloonGroup&&) noexcept;
  ~BalloonGroup();  ///< Deflates all.

  /// Inflates every balloon; what each one holds, in the order of the GPUs. When one fails, those
  /// that this call inflated are deflated again, and its error comes back with the GPU's number.
  [[nodiscard]] Result<std::vector<Bytes>> inflate_all();

  /// Gives everything back; how much that was in all.
  Bytes deflate_all() noexcept;

  /// One status for each GPU; the first error when one of them does not answer.
  [[nodiscard]] Result<std::vector<BalloonStatus>> status() const;

  [[nodiscard]] std::size_t size() const noexcept;

  /// The balloon of the i-th GPU of make(), below size(); for what is to be done to it alone.
  [[nodiscard]] Balloon& at(std::size_t i);

 private:
  struct Impl;
  explicit BalloonGroup(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Inflated balloons on `gpus`, deflated when they go.
[[nodiscard]] Result<BalloonGroup> reserve_multi_gpu_memory(const std::vector<GpuRef>& gpus,
                                                            const GroupReserve& reserve,
                                                            const BalloonOptions& options = {});

/// Deflated balloons on all GPUs this process may see. `not_found` when there are none.
[[nodiscard]] Result<BalloonGroup> create_balloon_for_all_gpus(const GroupReserve& reserve,
                                                               const BalloonOptions& options = {});

/// The same, inflated.
[[nodiscard]] Result<BalloonGroup> reserve_all_gpus_memory(const GroupReserve& reserve,
                                                           const BalloonOptions& options = {});

/// An inflated balloon for one rank of a job whose every rank calls this with its local rank and
/// the number of ranks on this machine: on the rank's own GPU (the local_rank-th visible one; with
/// more ranks than GPUs they go round). Ranks that share a GPU divide `amount` evenly, so that
/// together they hold at most that. (If every rank inflated balloons on every GPU, n ranks would
/// take 60 % of what the others left, n times.) `invalid_argument` for a rank outside [0, count).
[[nodiscard]] Result<Balloon> reserve_for_rank(int local_rank, int local_rank_count,
                                               const MemorySpec& amount,
                                               const BalloonOptions& options = {});

/// An inflated balloon whose size follows how busy the GPU is: 0.9 of the free memory below 20 %
/// utilisation, 0.6 below 50 %, else, or when the driver does not tell, 0.3.
[[nodiscard]] Result<Balloon> smart_reserve(const GpuRef& gpu, const BalloonOptions& options = {});

/// A GPU as it is now. What the driver does not tell is absent.
struct GpuInfo {
  int gpu_id = 0;
  std::string uuid;
  std::string name;
  std::optional<double> utilization_percent;
  std::optional<Bytes> total_memory;
  std::optional<Bytes> used_memory;  ///< As nvidia-smi shows it: without the driver's reserve.
  std::optional<Bytes> free_memory;
};

/// All GPUs of the machine in the order of their numbers. One that fell off the bus is left out or
/// has no figures, so look for `gpu_id` where that may happen. `driver`: nullptr for this
/// machine's.
[[nodiscard]] Result<std::vector<GpuInfo>> gpu_info(
    const std::shared_ptr<const balloon::Driver>& driver = nullptr);

/// The numbers of all GPUs of the machine: {0, 1, 2, 3}.
[[nodiscard]] Result<std::vector<int>> all_available_gpus(
    const std::shared_ptr<const balloon::Driver>& driver = nullptr);

/// The numbers of the GPUs that CUDA_VISIBLE_DEVICES, read now, shows to this process, in its
/// order. It may hold indices, UUIDs or their beginnings, and MIG instances (their GPU's number);
/// what comes after an entry that fits nothing does not count, as for CUDA. Indices are
/// nvidia-smi's: CUDA's own differ where the GPUs are of different models and CUDA_DEVICE_ORDER is
/// not PCI_BUS_ID.
[[nodiscard]] Result<std::vector<int>> cuda_visible_devices(
    const std::shared_ptr<const balloon::Driver>& driver = nullptr);

}  // namespace levee
