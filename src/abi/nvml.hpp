// NVML as it looks from outside: what libnvidia-ml.so.1 exports, in our own words.
//
// The library is reached by dlopen only, so this header needs no vendor file and links nothing. It
// is used from both sides: `sources` looks the functions up and calls them, the simulated GPU
// defines them. Sizes and offsets are those of LP64 machines (x86-64 and aarch64) and are asserted.
//
// `fn::X` is the signature of the function `nvmlX`; the suffixes `_v2`, `_v3` of the exported names
// are left out where all versions share a signature. Exports carry no symbol version: a caller
// learns what a driver offers from the names that are there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace levee::nvml {

/// The answer of every NVML function.
enum class Return : std::uint32_t {
  success = 0,
  uninitialized = 1,
  invalid_argument = 2,
  not_supported = 3,
  no_permission = 4,
  already_initialized = 5,
  not_found = 6,
  insufficient_size = 7,
  insufficient_power = 8,
  driver_not_loaded = 9,
  timeout = 10,
  irq_issue = 11,
  library_not_found = 12,
  function_not_found = 13,
  corrupted_inforom = 14,
  gpu_is_lost = 15,
  reset_required = 16,
  operating_system = 17,
  lib_rm_version_mismatch = 18,
  in_use = 19,
  memory = 20,
  no_data = 21,
  vgpu_ecc_not_supported = 22,
  insufficient_resources = 23,
  freq_not_supported = 24,
  argument_version_mismatch = 25,
  deprecated = 26,
  not_ready = 27,
  gpu_not_found = 28,
  invalid_state = 29,
  unknown = 999,
};

/// A GPU or a MIG instance; only the library knows what it points at.
using Device = struct DeviceObject*;
using EventSet = struct EventSetObject*;

/// Room that the string functions want, the final NUL included.
inline constexpr unsigned kNameBuffer = 96;  ///< Drivers before 470 wrote up to 64.
inline constexpr unsigned kUuidBuffer = 96;  ///< Drivers before 450 wrote up to 80.
inline constexpr unsigned kVersionBuffer = 80;
inline constexpr unsigned kSerialBuffer = 30;

/// The first field of a versioned struct: its size, and its version in the top byte.
template <class Struct>
constexpr std::uint32_t version_tag(std::uint32_t version) noexcept {
  return static_cast<std::uint32_t>(sizeof(Struct)) | (version << 24U);
}

// --- values of the plain enums; the driver takes and returns them as 32-bit integers.

enum class Sensor : std::uint32_t { gpu = 0 };

enum class TemperatureThreshold : std::uint32_t {
  shutdown = 0,
  slowdown = 1,
  memory_max = 2,
  gpu_max = 3,
  acoustic_min = 4,
  acoustic_current = 5,
  acoustic_max = 6,
  gps_current = 7,
};

enum class Clock : std::uint32_t { graphics = 0, sm = 1, memory = 2, video = 3 };
enum class PcieCounter : std::uint32_t { tx_bytes = 0, rx_bytes = 1 };
enum class ComputeMode : std::uint32_t {
  shared = 0,
  exclusive_thread = 1,
  prohibited = 2,
  exclusive_process = 3,
};
enum class MemoryErrorType : std::uint32_t { corrected = 0, uncorrected = 1 };
enum class EccCounter : std::uint32_t { since_boot = 0, lifetime = 1 };
enum class RetirementCause : std::uint32_t { single_bit_errors = 0, double_bit_error = 1 };
enum class Feature : std::uint32_t { disabled = 0, enabled = 1 };
enum class BrandType : std::uint32_t { unknown = 0, tesla = 2, nvidia = 14 };

inline constexpr unsigned kMigDisabled = 0;
inline constexpr unsigned kMigEnabled = 1;

/// nvmlDeviceGetCurrentClocksEventReasons, formerly …ThrottleReasons.
namespace reason {
inline constexpr std::uint64_t kIdle = 0x1;
inline constexpr std::uint64_t kApplicationClocks = 0x2;
inline constexpr std::uint64_t kPowerCap = 0x4;
inline constexpr std::uint64_t kHardwareSlowdown = 0x8;
inline constexpr std::uint64_t kSyncBoost = 0x10;
inline constexpr std::uint64_t kSoftwareThermal = 0x20;
inline constexpr std::uint64_t kHardwareThermal = 0x40;
inline constexpr std::uint64_t kPowerBrake = 0x80;
inline constexpr std::uint64_t kDisplayClocks = 0x100;
}  // namespace reason

/// Bits of nvmlDeviceRegisterEvents and EventData::type.
namespace event {
inline constexpr std::uint64_t kSingleBitEcc = 0x1;
inline constexpr std::uint64_t kDoubleBitEcc = 0x2;
inline constexpr std::uint64_t kPerformanceState = 0x4;
inline constexpr std::uint64_t kXidCriticalError = 0x8;
inline constexpr std::uint64_t kClock = 0x10;
inline constexpr std::uint64_t kPowerSource = 0x80;
inline constexpr std::uint64_t kMigConfiguration = 0x100;
}  // namespace event

/// Field ids of nvmlDeviceGetFieldValues.
namespace field {
inline constexpr std::uint32_t kMemoryTemperature = 82;  ///< °C, unsigned.
inline constexpr std::uint32_t kNvLinkDataTx = 138;      ///< KiB since boot; scope = link.
inline constexpr std::uint32_t kNvLinkDataRx = 139;      ///< KiB since boot; scope = link.
inline constexpr std::uint32_t kScopeAllLinks = ~0U;     ///< As scope: the sum over all links.
}  // namespace field

enum class ValueType : std::uint32_t {
  floating = 0,
  unsigned_int = 1,
  unsigned_long = 2,
  unsigned_long_long = 3,
  signed_long_long = 4,
  signed_int = 5,
};

// --- structs

/// nvmlDeviceGetMemoryInfo. `used` includes what the driver reserves.
struct MemoryV1 {
  std::uint64_t total;
  std::uint64_t free;
  std::uint64_t used;
};
static_assert(sizeof(MemoryV1) == 24);

/// nvmlDeviceGetMemoryInfo_v2. `used` is without what the driver reserves.
struct MemoryV2 {
  std::uint32_t version;  ///< In: kMemoryV2Tag.
  std::uint64_t total;
  std::uint64_t reserved;
  std::uint64_t free;
  std::uint64_t used;
};
static_assert(sizeof(MemoryV2) == 40 && offsetof(MemoryV2, total) == 8 &&
              offsetof(MemoryV2, reserved) == 16 && offsetof(MemoryV2, free) == 24 &&
              offsetof(MemoryV2, used) == 32);
inline constexpr std::uint32_t kMemoryV2Tag = version_tag<MemoryV2>(2);
static_assert(kMemoryV2Tag == 0x02000028);

/// nvmlDeviceGetBAR1MemoryInfo: the window through which the host reaches the GPU's memory.
struct Bar1Memory {
  std::uint64_t total;
  std::uint64_t free;
  std::uint64_t used;
};
static_assert(sizeof(Bar1Memory) == 24);

/// `ProcessV1::used` when the driver cannot tell (WDDM, WSL, some MIG): unknown, not zero.
inline constexpr std::uint64_t kMemoryUnknown = ~std::uint64_t{0};
/// Instance ids of a process when MIG is off.
inline constexpr std::uint32_t kNoInstance = 0xFFFFFFFF;

/// The unversioned process calls.
struct ProcessV1 {
  std::uint32_t pid;
  std::uint64_t used;
};
static_assert(sizeof(ProcessV1) == 16 && offsetof(ProcessV1, used) == 8);

/// The process calls `_v2` and `_v3`. Early 535 drivers wrote ProcessDetail-sized records through
/// `_v3`: see kWideProcessRecord.
struct ProcessV2 {
  std::uint32_t pid;
  std::uint64_t used;
  std::uint32_t gpu_instance;
  std::uint32_t compute_instance;
};
static_assert(sizeof(ProcessV2) == 24 && offsetof(ProcessV2, used) == 8 &&
              offsetof(ProcessV2, gpu_instance) == 16 &&
              offsetof(ProcessV2, compute_instance) == 20);

/// A record of nvmlDeviceGetRunningProcessDetailList.
struct ProcessDetail {
  std::uint32_t pid;
  std::uint64_t used;
  std::uint32_t gpu_instance;
  std::uint32_t compute_instance;
  std::uint64_t used_protected;  ///< Confidential-computing memory.
};
static_assert(sizeof(ProcessDetail) == 32 && offsetof(ProcessDetail, gpu_instance) == 16 &&
              offsetof(ProcessDetail, used_protected) == 24);
inline constexpr std::size_t kWideProcessRecord = sizeof(ProcessDetail);

struct ProcessDetailList {
  std::uint32_t version;  ///< In: kProcessDetailListTag.
  std::uint32_t mode;     ///< In: 0 compute, 1 graphics, 2 MPS.
  std::uint32_t count;    ///< In: room; out: entries written, or needed.
  ProcessDetail* entries;
};
static_assert(sizeof(ProcessDetailList) == 24 && offsetof(ProcessDetailList, entries) == 16);
inline constexpr std::uint32_t kProcessDetailListTag = version_tag<ProcessDetailList>(1);
static_assert(kProcessDetailListTag == 0x01000018);

struct ProcessUtilization {
  std::uint32_t pid;
  std::uint64_t timestamp_us;  ///< The host's clock.
  std::uint32_t sm;            ///< Percent; drivers are known to write more than 100.
  std::uint32_t memory;
  std::uint32_t encoder;
  std::uint32_t decoder;
};
static_assert(sizeof(ProcessUtilization) == 32 && offsetof(ProcessUtilization, timestamp_us) == 8 &&
              offsetof(ProcessUtilization, sm) == 16);

/// Percent of the last sample period.
struct Utilization {
  std::uint32_t gpu;
  std::uint32_t memory;
};
static_assert(sizeof(Utilization) == 8);

struct TemperatureV1 {
  std::uint32_t version;  ///< In: kTemperatureTag.
  Sensor sensor;          ///< In.
  std::int32_t celsius;
};
static_assert(sizeof(TemperatureV1) == 12 && offsetof(TemperatureV1, celsius) == 8);
inline constexpr std::uint32_t kTemperatureTag = version_tag<TemperatureV1>(1);
static_assert(kTemperatureTag == 0x0100000C);

struct PciInfo {
  std::array<char, 16> legacy_bus_id;  ///< "0000:1B:00.0"
  std::uint32_t domain;
  std::uint32_t bus;
  std::uint32_t device;
  std::uint32_t device_id;  ///< Device id in the upper, vendor id in the lower 16 bits.
  std::uint32_t subsystem_id;
  std::array<char, 32> bus_id;  ///< "00000000:1B:00.0"
};
static_assert(sizeof(PciInfo) == 68 && offsetof(PciInfo, domain) == 16 &&
              offsetof(PciInfo, subsystem_id) == 32 && offsetof(PciInfo, bus_id) == 36);

/// nvmlEventSetWait_v2. The unversioned wait writes only the first 24 bytes.
struct EventData {
  Device device;
  std::uint64_t type;  ///< One bit of namespace event.
  std::uint64_t data;  ///< For kXidCriticalError: the XID.
  std::uint32_t gpu_instance;
  std::uint32_t compute_instance;
};
static_assert(sizeof(EventData) == 32 && offsetof(EventData, gpu_instance) == 24);
inline constexpr std::size_t kEventDataV1Size = 24;

union FieldNumber {
  double floating;
  std::uint32_t unsigned_int;
  std::uint64_t unsigned_long_long;
  std::int64_t signed_long_long;
  std::int32_t signed_int;
};

struct FieldValue {
  std::uint32_t id;           ///< In: of namespace field.
  std::uint32_t scope;        ///< In: e.g. the link; 0 where it has no meaning.
  std::int64_t timestamp_us;  ///< The host's clock.
  std::int64_t latency_us;
  ValueType type;
  Return result;  ///< Of this field alone.
  FieldNumber value;
};
static_assert(sizeof(FieldValue) == 40 && offsetof(FieldValue, timestamp_us) == 8 &&
              offsetof(FieldValue, latency_us) == 16 && offsetof(FieldValue, type) == 24 &&
              offsetof(FieldValue, result) == 28 && offsetof(FieldValue, value) == 32);

struct ConfComputeMemory {
  std::uint64_t protected_kib;
  std::uint64_t unprotected_kib;
};
static_assert(sizeof(ConfComputeMemory) == 16);

/// nvmlDeviceGetAttributes_v2: what a MIG instance is made of.
struct Attributes {
  std::uint32_t multiprocessors;
  std::uint32_t copy_engines;
  std::uint32_t decoders;
  std::uint32_t encoders;
  std::uint32_t jpeg_engines;
  std::uint32_t ofa_engines;
  std::uint32_t gpu_instance_slices;
  std::uint32_t compute_instance_slices;
  std::uint64_t memory_mib;
};
static_assert(sizeof(Attributes) == 40 && offsetof(Attributes, memory_mib) == 32);

/// nvmlDeviceSetMemoryLimits_v1 (driver 615 and later): a cgroup's share of a GPU.
struct SetMemoryLimits {
  const char* cgroup;        ///< Full path of the cgroup's directory.
  std::uint64_t soft_bytes;  ///< Guaranteed; 0 for none.
  std::uint64_t hard_bytes;  ///< Never exceeded; kNoMemoryLimit for none.
};
static_assert(sizeof(SetMemoryLimits) == 24);

/// nvmlDeviceGetMemoryLimits_v1.
struct GetMemoryLimits {
  const char* cgroup;  ///< In.
  std::uint64_t soft_bytes;
  std::uint64_t hard_bytes;
  std::uint64_t used_bytes;
};
static_assert(sizeof(GetMemoryLimits) == 32 && offsetof(GetMemoryLimits, used_bytes) == 24);
inline constexpr std::uint64_t kNoMemoryLimit = ~std::uint64_t{0};

// --- signatures

namespace fn {

// session
using Init = Return();  // nvmlInit, nvmlInit_v2
using InitWithFlags = Return(unsigned flags);
using Shutdown = Return();
using ErrorString = const char*(Return);
using SystemGetVersion = Return(char*, unsigned length);  // …DriverVersion, …NVMLVersion
using SystemGetCudaDriverVersion = Return(int*);          // unversioned and _v2

// devices
using DeviceGetCount = Return(unsigned*);
using DeviceGetHandleByIndex = Return(unsigned index, Device*);
using DeviceGetHandleByText = Return(const char*, Device*);    // …ByUUID, …ByPciBusId_v2
using DeviceGetText = Return(Device, char*, unsigned length);  // …Name, …UUID, …Serial
using DeviceGetUnsigned = Return(Device, unsigned*);           // any single 32-bit figure
using DeviceGetUnsignedPair = Return(Device, unsigned*, unsigned*);
using DeviceGetInt = Return(Device, int*);
using DeviceGetPciInfo = Return(Device, PciInfo*);
using DeviceGetCudaComputeCapability = Return(Device, int* major, int* minor);
using DeviceGetComputeMode = Return(Device, ComputeMode*);

// memory
using DeviceGetMemoryInfo = Return(Device, MemoryV1*);
using DeviceGetMemoryInfoV2 = Return(Device, MemoryV2*);

using DeviceGetBar1MemoryInfo = Return(Device, Bar1Memory*);
using DeviceSetMemoryLimits = Return(Device, SetMemoryLimits*);
using DeviceGetMemoryLimits = Return(Device, GetMemoryLimits*);

// processes: `count` is the room going in, and the number of records, or the need, coming out
using DeviceGetRunningProcesses = Return(Device, unsigned* count, ProcessV1*);
using DeviceGetRunningProcessesV2 = Return(Device, unsigned* count, ProcessV2*);  // _v2 and _v3
using DeviceGetProcessUtilization = Return(Device, ProcessUtilization*, unsigned* count,
                                           unsigned long long newer_than_us);
using DeviceGetRunningProcessDetailList = Return(Device, ProcessDetailList*);
using DeviceGetConfComputeMemSizeInfo = Return(Device, ConfComputeMemory*);

// load
using DeviceGetUtilizationRates = Return(Device, Utilization*);
using DeviceGetTemperature = Return(Device, Sensor, unsigned* celsius);
using DeviceGetTemperatureV = Return(Device, TemperatureV1*);
using DeviceGetTemperatureThreshold = Return(Device, TemperatureThreshold, unsigned* celsius);
using DeviceGetFanSpeedV2 = Return(Device, unsigned fan, unsigned* percent);
using DeviceGetClock = Return(Device, Clock, unsigned* mhz);   // …ClockInfo, …MaxClockInfo
using DeviceGetReasons = Return(Device, unsigned long long*);  // …ClocksEventReasons, …Throttle…
using DeviceGetPcieThroughput = Return(Device, PcieCounter, unsigned* kilobytes_per_second);
using DeviceGetCoderUtilization = Return(Device, unsigned* percent, unsigned* period_us);

// health
using DeviceGetFeaturePair = Return(Device, Feature* current, Feature* pending);  // …EccMode
using DeviceGetFeature = Return(Device, Feature*);  // …PersistenceMode, …DisplayMode, …
using DeviceGetTotalEccErrors = Return(Device, MemoryErrorType, EccCounter, unsigned long long*);
using DeviceGetRemappedRows = Return(Device, unsigned* corrected, unsigned* uncorrected,
                                     unsigned* is_pending, unsigned* failure_occurred);
using DeviceGetRetiredPages = Return(Device, RetirementCause, unsigned* count,
                                     unsigned long long* addresses);
using DeviceGetFieldValues = Return(Device, int count, FieldValue*);
using DeviceGetNvLinkState = Return(Device, unsigned link, Feature* is_active);
using DeviceGetNvLinkRemotePciInfo = Return(Device, unsigned link, PciInfo*);

// events
using EventSetCreate = Return(EventSet*);
using EventSetFree = Return(EventSet);
using EventSetWait = Return(EventSet, EventData*, unsigned timeout_ms);  // unversioned and _v2
using DeviceRegisterEvents = Return(Device, unsigned long long types, EventSet);
using DeviceGetSupportedEventTypes = Return(Device, unsigned long long*);

// MIG
using DeviceGetMigMode = DeviceGetUnsignedPair;
using DeviceGetMigDeviceHandleByIndex = Return(Device, unsigned index, Device*);
using DeviceGetDeviceHandleFromMigDeviceHandle = Return(Device mig, Device*);
using DeviceGetAttributes = Return(Device, Attributes*);

}  // namespace fn
}  // namespace levee::nvml
