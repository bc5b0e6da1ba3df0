#include "simgpu/machine/keys.hpp"

#include <array>

#include "abi/nvml.hpp"

namespace levee::simgpu {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kWatt = 1000;
constexpr std::int64_t kKilowatts10 = 10'000 * kWatt;
constexpr std::int64_t kDay = 86'400'000'000'000;

// clang-format off
constexpr std::array<KeyInfo, kKeyCount> kKeys{{
    {Key::temp, "temp", Unit::celsius, 35, -50, 250, "", "temperature of the chip"},
    {Key::mem_temp, "mem-temp", Unit::celsius, 38, -50, 250, "", "temperature of the memory (field 82)"},
    {Key::slowdown_temp, "slowdown-temp", Unit::celsius, 89, 0, 250, "", "threshold: slows down"},
    {Key::shutdown_temp, "shutdown-temp", Unit::celsius, 92, 0, 250, "", "threshold: shuts down"},
    {Key::max_temp, "max-temp", Unit::celsius, 87, 0, 250, "", "threshold: highest for the chip"},
    {Key::max_mem_temp, "max-mem-temp", Unit::celsius, 95, 0, 250, "", "threshold: highest for the memory"},
    {Key::util, "util", Unit::percent, 0, 0, 100, "", "utilisation of the chip"},
    {Key::mem_util, "mem-util", Unit::percent, 0, 0, 100, "", "utilisation of the memory bus"},
    {Key::enc_util, "enc-util", Unit::percent, 0, 0, 100, "", "utilisation of the encoder"},
    {Key::dec_util, "dec-util", Unit::percent, 0, 0, 100, "", "utilisation of the decoder"},
    {Key::fan, "fan", Unit::percent, 30, 0, 100, "", "fan speed"},
    {Key::power, "power", Unit::watts, 78 * kWatt, 0, kKilowatts10, "", "power drawn"},
    {Key::power_limit, "power-limit", Unit::watts, 700 * kWatt, 0, kKilowatts10, "", "power limit in force"},
    {Key::clock, "clock", Unit::mhz, 345, 0, 100'000, "", "graphics clock"},
    {Key::sm_clock, "sm-clock", Unit::mhz, 345, 0, 100'000, "", "clock of the multiprocessors"},
    {Key::mem_clock, "mem-clock", Unit::mhz, 2619, 0, 100'000, "", "memory clock"},
    {Key::video_clock, "video-clock", Unit::mhz, 765, 0, 100'000, "", "video clock"},
    {Key::max_clock, "max-clock", Unit::mhz, 1980, 0, 100'000, "", "highest graphics clock"},
    {Key::max_sm_clock, "max-sm-clock", Unit::mhz, 1980, 0, 100'000, "", "highest clock of the multiprocessors"},
    {Key::max_mem_clock, "max-mem-clock", Unit::mhz, 2619, 0, 100'000, "", "highest memory clock"},
    {Key::max_video_clock, "max-video-clock", Unit::mhz, 1545, 0, 100'000, "", "highest video clock"},
    {Key::pstate, "pstate", Unit::count, 0, 0, 15, "", "performance state, 0 is fastest"},
    {Key::throttle, "throttle", Unit::reasons, 0, 0, kMax, "", "why the clocks are lowered"},
    {Key::pcie_tx, "pcie-tx", Unit::rate, 0, 0, kMax, "", "PCIe traffic from the GPU"},
    {Key::pcie_rx, "pcie-rx", Unit::rate, 0, 0, kMax, "", "PCIe traffic to the GPU"},
    {Key::pcie_gen, "pcie-gen", Unit::count, 5, 1, 9, "", "PCIe generation in use"},
    {Key::pcie_width, "pcie-width", Unit::count, 16, 1, 32, "", "PCIe lanes in use"},
    {Key::pcie_max_gen, "pcie-max-gen", Unit::count, 5, 1, 9, "", "highest PCIe generation"},
    {Key::pcie_max_width, "pcie-max-width", Unit::count, 16, 1, 32, "", "most PCIe lanes"},
    {Key::nvlinks, "nvlinks", Unit::count, 0, 0, 18, "", "NVLinks the GPU has; see also `nvlink N down`"},
    {Key::nvlink_tx, "nvlink-tx", Unit::bytes, 0, 0, kMax, "", "counter: bytes sent over each NVLink (field 138)"},
    {Key::nvlink_rx, "nvlink-rx", Unit::bytes, 0, 0, kMax, "", "counter: bytes received over each NVLink (field 139)"},
    {Key::persistence, "persistence", Unit::flag, 1, 0, 1, "", "persistence mode"},
    {Key::ecc, "ecc", Unit::flag, 1, 0, 1, "", "ECC mode"},
    {Key::ecc_corrected, "ecc-corrected", Unit::count, 0, 0, kMax, "", "corrected ECC errors since boot"},
    {Key::ecc_uncorrected, "ecc-uncorrected", Unit::count, 0, 0, kMax, "", "uncorrected ECC errors since boot"},
    {Key::ecc_corrected_lifetime, "ecc-corrected-lifetime", Unit::count, 0, 0, kMax, "", "corrected ECC errors, lifetime"},
    {Key::ecc_uncorrected_lifetime, "ecc-uncorrected-lifetime", Unit::count, 0, 0, kMax, "", "uncorrected ECC errors, lifetime"},
    {Key::retired_single, "retired-single", Unit::count, kNotSupported, 0, 64, "", "pages retired for single-bit errors (before Ampere)"},
    {Key::retired_double, "retired-double", Unit::count, kNotSupported, 0, 64, "", "pages retired for a double-bit error (before Ampere)"},
    {Key::retired_pending, "retired-pending", Unit::flag, kNotSupported, 0, 1, "", "a page waits for its retirement (before Ampere)"},
    {Key::remapped_corrected, "remapped-corrected", Unit::count, 0, 0, 512, "", "rows remapped for corrected errors (Ampere and later)"},
    {Key::remapped_uncorrected, "remapped-uncorrected", Unit::count, 0, 0, 512, "", "rows remapped for uncorrected errors"},
    {Key::remapped_pending, "remapped-pending", Unit::flag, 0, 0, 1, "", "a row waits for its remapping"},
    {Key::remapped_failed, "remapped-failed", Unit::flag, 0, 0, 1, "", "a remapping failed"},
    {Key::compute_mode, "compute-mode", Unit::choice, 0, 0, 2, "shared exclusive prohibited", "who may have a context: all, one process, nobody"},
    {Key::memory, "memory", Unit::choice, 0, 0, 2, "reported not-supported zero-total", "how NVML answers memory queries (unified memory)"},
    {Key::process_memory, "process-memory", Unit::choice, 0, 0, 1, "known unknown", "whether NVML knows each process's memory"},
    {Key::process_records, "process-records", Unit::choice, 0, 0, 1, "normal wide", "size of the records of the _v3 process calls: 24 or 32 bytes"},
    {Key::samples, "samples", Unit::choice, 0, 0, 3, "fresh none stale garbage", "what nvmlDeviceGetProcessUtilization answers"},
    {Key::lost, "lost", Unit::choice, 0, 0, 2, "no later lookup", "GPU is lost: no; calls with a handle fail; look-ups fail as well (`lost` alone: later)"},
    {Key::reset_required, "reset-required", Unit::flag, 0, 0, 1, "", "every call with a handle answers 16"},
    {Key::context_failure, "context-failure", Unit::count, 0, 0, 999, "", "what making a CUDA context answers; 0: it works"},
    {Key::max_allocation, "max-allocation", Unit::bytes, 0, 0, kMax, "", "largest single allocation (fragmentation); 0: no limit"},
    {Key::release_delay, "release-delay", Unit::duration, 0, 0, kDay, "", "freed memory is free for others only after this time"},
    {Key::unattributed, "unattributed", Unit::bytes, 0, 0, kMax, "", "memory in use that no process is seen to hold"},
    {Key::vmm, "vmm", Unit::flag, 1, 0, 1, "", "cuMemCreate and its family work (attribute 102)"},
    {Key::vmm_needs_context, "vmm-needs-context", Unit::flag, 0, 0, 1, "", "cuMemCreate without a current context answers 201"},
}};
// clang-format on

constexpr bool is_in_order() {
  for (std::size_t i = 0; i < kKeys.size(); ++i) {
    if (kKeys.at(i).key != static_cast<Key>(i)) {
      return false;
    }
  }
  return true;
}
static_assert(is_in_order());

constexpr auto kReasons = std::to_array<ReasonName>({
    {"idle", nvml::reason::kIdle},
    {"app-clocks", nvml::reason::kApplicationClocks},
    {"power-cap", nvml::reason::kPowerCap},
    {"hw-slowdown", nvml::reason::kHardwareSlowdown},
    {"sync-boost", nvml::reason::kSyncBoost},
    {"sw-thermal", nvml::reason::kSoftwareThermal},
    {"hw-thermal", nvml::reason::kHardwareThermal},
    {"power-brake", nvml::reason::kPowerBrake},
    {"display-clocks", nvml::reason::kDisplayClocks},
});

}  // namespace

std::span<const KeyInfo, kKeyCount> keys() noexcept { return kKeys; }

const KeyInfo& info(Key key) noexcept { return keys()[static_cast<std::size_t>(key)]; }

const KeyInfo* find_key(std::string_view word) noexcept {
  for (const KeyInfo& key : kKeys) {
    if (key.word == word) {
      return &key;
    }
  }
  return nullptr;
}

std::span<const ReasonName> reason_names() noexcept { return kReasons; }

}  // namespace levee::simgpu
