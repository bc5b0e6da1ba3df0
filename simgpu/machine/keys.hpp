// Keys: everything about a simulated GPU that a scenario may change while it runs.
//
// One table says each key's word, unit, range and first value; the scenario parser, the dump, the
// reference in docs/simulator.md and the driver functions all go by it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace levee::simgpu {

enum class Key : std::uint8_t {
  temp,
  mem_temp,
  slowdown_temp,
  shutdown_temp,
  max_temp,
  max_mem_temp,
  util,
  mem_util,
  enc_util,
  dec_util,
  fan,
  power,
  power_limit,
  clock,
  sm_clock,
  mem_clock,
  video_clock,
  max_clock,
  max_sm_clock,
  max_mem_clock,
  max_video_clock,
  pstate,
  throttle,
  pcie_tx,
  pcie_rx,
  pcie_gen,
  pcie_width,
  pcie_max_gen,
  pcie_max_width,
  nvlinks,
  nvlink_tx,
  nvlink_rx,
  persistence,
  ecc,
  ecc_corrected,
  ecc_uncorrected,
  ecc_corrected_lifetime,
  ecc_uncorrected_lifetime,
  retired_single,
  retired_double,
  retired_pending,
  remapped_corrected,
  remapped_uncorrected,
  remapped_pending,
  remapped_failed,
  compute_mode,
  memory,
  process_memory,
  process_records,
  samples,
  lost,
  reset_required,
  context_failure,
  max_allocation,
  release_delay,
  unattributed,
  vmm,
  vmm_needs_context,
};
inline constexpr std::size_t kKeyCount = static_cast<std::size_t>(Key::vmm_needs_context) + 1;

/// In place of a value: the driver answers "not supported".
inline constexpr std::int64_t kNotSupported = std::numeric_limits<std::int64_t>::min();

enum class Unit : std::uint8_t {
  count,
  celsius,
  percent,
  watts,     ///< Stored as milliwatts.
  mhz,       //
  rate,      ///< Written as an amount of memory per second, stored as KiB/s.
  bytes,     //
  duration,  ///< Stored as nanoseconds.
  flag,      ///< "on" and "off"; alone it means "on".
  choice,    ///< One of `words`, stored as its position.
  reasons,   ///< Names of throttle reasons joined by commas, stored as NVML's bits.
};

struct KeyInfo {
  Key key;
  std::string_view word;
  Unit unit;
  std::int64_t first;  ///< The value of a new GPU.
  std::int64_t low;    ///< Accepted range, in the stored unit.
  std::int64_t high;
  std::string_view words;  ///< For Unit::choice: the names, separated by spaces.
  std::string_view help;
};

// Values of the choices, in the order of their words.
namespace choice {
inline constexpr std::int64_t kMemoryNotSupported = 1;
inline constexpr std::int64_t kMemoryZeroTotal = 2;
inline constexpr std::int64_t kProcessMemoryUnknown = 1;
inline constexpr std::int64_t kProcessRecordsWide = 1;
inline constexpr std::int64_t kSamplesNone = 1;
inline constexpr std::int64_t kSamplesStale = 2;
inline constexpr std::int64_t kSamplesGarbage = 3;
inline constexpr std::int64_t kLostLater = 1;
inline constexpr std::int64_t kLostLookup = 2;
inline constexpr std::int64_t kComputeShared = 0;
inline constexpr std::int64_t kComputeExclusive = 1;
inline constexpr std::int64_t kComputeProhibited = 2;
}  // namespace choice

/// All keys, in the order of the enum.
[[nodiscard]] std::span<const KeyInfo, kKeyCount> keys() noexcept;
[[nodiscard]] const KeyInfo& info(Key key) noexcept;
/// The key called `word`, or nullptr.
[[nodiscard]] const KeyInfo* find_key(std::string_view word) noexcept;

struct ReasonName {
  std::string_view word;
  std::uint64_t bit;
};
/// The names Unit::reasons knows.
[[nodiscard]] std::span<const ReasonName> reason_names() noexcept;

}  // namespace levee::simgpu
