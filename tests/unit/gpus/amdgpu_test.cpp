#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpus/drm_driver.hpp"
#include "unit/gpus/drm_machine.hpp"

namespace levee::gpus {
namespace {

using namespace std::chrono_literals;
using testing::DoubleEq;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;

constexpr const char* kCard = "/sys/class/drm/card1/device/";

struct Amd {
  explicit Amd(std::string_view name)
      : machine(name), driver(*find_amdgpu(machine.root())), device(only_device(*driver)) {}

  DrmMachine machine;
  std::unique_ptr<Driver> driver;
  std::unique_ptr<Device> device;
};

TEST(FindAmdgpu, FindsNothingOnOtherMachines) {
  for (const char* name : {"arc-a770-xe", "intel-integrated"}) {
    const auto driver = find_amdgpu(DrmMachine(name).root());
    ASSERT_FALSE(driver);
    EXPECT_EQ(driver.error().code, ErrorCode::not_found);
  }
  EXPECT_FALSE(find_amdgpu(sources::Root("/nowhere")));
}

TEST(FindAmdgpu, LeavesOutACardWhoseDriverIsNotAmdgpu) {
  const DrmMachine machine("rx7900xtx");
  for (const char* uevent :
       {"DRIVER=vfio-pci\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:03:00.0\n",
        "PCI_ID=1002:744C\nPCI_SLOT_NAME=0000:03:00.0\n", "DRIVER=amdgpu\nPCI_ID=1002:744C\n",
        "DRIVER=amdgpu\nPCI_ID=x:y\nPCI_SLOT_NAME=0000:03:00.0\n", ""}) {
    machine.write(std::string(kCard) + "uevent", uevent);
    EXPECT_FALSE(find_amdgpu(machine.root())) << uevent;
  }
}

TEST(Rx7900, TellsWhatItIs) {
  const Amd amd("rx7900xtx");
  const GpuIdentity& who = amd.device->identity();
  EXPECT_EQ(who.uuid, "AMD-9d2c1a7be3f04455");
  EXPECT_EQ(who.index, 0);
  EXPECT_EQ(who.vendor, GpuVendor::amd);
  EXPECT_EQ(who.name, "AMD Radeon RX 7900 XTX");  // by device and revision
  EXPECT_EQ(who.pci_bus_id, "0000:03:00.0");
  EXPECT_EQ(who.driver_version, "6.12.9-amd64");
  EXPECT_THAT(who.minor, Optional(1));
  EXPECT_FALSE(who.unified_memory);
}

TEST(Rx7900, TellsItsMemoryLoadAndSensors) {
  const Amd amd("rx7900xtx");
  const GpuReading reading = read_at(*amd.device, 0s);
  EXPECT_EQ(reading.condition, GpuCondition::ok);
  ASSERT_TRUE(reading.memory);
  EXPECT_EQ(reading.memory->total, Bytes{25753026560});
  EXPECT_EQ(reading.memory->used, Bytes{13421772800});
  EXPECT_EQ(reading.memory->free, Bytes{25753026560 - 13421772800});
  EXPECT_THAT(reading.utilization_percent, Optional(87.0));
  EXPECT_THAT(reading.memory_utilization_percent, Optional(41.0));
  EXPECT_THAT(reading.temperature_celsius, Optional(61.0));
  EXPECT_THAT(reading.slowdown_celsius, Optional(100.0));
  EXPECT_THAT(reading.shutdown_celsius, Optional(105.0));
  EXPECT_THAT(reading.memory_temperature_celsius, Optional(84.0));
  EXPECT_THAT(reading.power_watts, Optional(312.0));
  EXPECT_THAT(reading.power_limit_watts, Optional(355.0));
  EXPECT_THAT(reading.fan_percent, Optional(DoubleEq(40.0)));
  EXPECT_THAT(reading.core_clock_mhz, Optional(2371.0));
  EXPECT_THAT(reading.max_core_clock_mhz, Optional(2970.0));
  EXPECT_THAT(reading.memory_clock_mhz, Optional(1249.0));
  EXPECT_THAT(reading.max_memory_clock_mhz, Optional(1249.0));
  EXPECT_FALSE(reading.health.ecc_uncorrected);
}

TEST(Rx7900, CountsEachClientOnceAndLeavesOutWhoUsesNothing) {
  const Amd amd("rx7900xtx");
  const GpuReading reading = read_at(*amd.device, 0s);
  // gnome-shell has client 7 once and client 8 twice; its helper inherited client 8; logind holds
  // the card and uses nothing.
  EXPECT_THAT(pids_of(reading), ElementsAre(2301, 5120));
  EXPECT_EQ(process_of(reading, 2301).memory, kib(210944 + 102400));
  EXPECT_EQ(process_of(reading, 5120).memory, kib(12582912));
  EXPECT_TRUE(process_of(reading, 2301).graphics);
  EXPECT_FALSE(process_of(reading, 5120).sm_percent);  // nothing to compare with yet
}

std::string llama(std::uint64_t gfx, std::uint64_t compute) {
  return fmt::format(
      "drm-driver:\tamdgpu\ndrm-client-id:\t14\ndrm-pdev:\t0000:03:00.0\n"
      "drm-resident-vram:\t12582912 KiB\ndrm-engine-gfx:\t{} ns\ndrm-engine-compute:\t{} ns\n",
      gfx, compute);
}

TEST(Rx7900, TellsTheLoadOfEachProcessFromOneReadingToTheNext) {
  const Amd amd("rx7900xtx");
  static_cast<void>(read_at(*amd.device, 0s));
  amd.machine.hold(5120, 11, "renderD128", llama(500'000'000, 71'000'000'000));
  const GpuReading reading = read_at(*amd.device, 4s);
  EXPECT_THAT(process_of(reading, 5120).sm_percent, Optional(DoubleEq(25.0)));
  EXPECT_TRUE(process_of(reading, 5120).compute);
  EXPECT_THAT(process_of(reading, 2301).sm_percent, Optional(0.0));
  EXPECT_FALSE(process_of(reading, 2301).compute);
  EXPECT_THAT(reading.encoder_percent, Optional(0.0));
}

TEST(Rx7900, IsNotMisledByACounterThatStepsBack) {
  const Amd amd("rx7900xtx");
  static_cast<void>(read_at(*amd.device, 0s));
  amd.machine.hold(5120, 11, "renderD128", llama(0, 69'000'000'000));
  EXPECT_THAT(process_of(read_at(*amd.device, 1s), 5120).sm_percent, Optional(0.0));
  // 0.5 s above the highest seen, not 1.5 s above the last.
  amd.machine.hold(5120, 11, "renderD128", llama(0, 70'500'000'000));
  EXPECT_THAT(process_of(read_at(*amd.device, 2s), 5120).sm_percent, Optional(DoubleEq(50.0)));
}

TEST(Rx7900, IgnoresClientsOfOtherDevices) {
  const Amd amd("rx7900xtx");
  amd.machine.hold(6000, 3, "renderD129", llama(0, 0));  // another device's node
  amd.machine.hold(6001, 3, "renderD128",
                   "drm-driver:\tamdgpu\ndrm-client-id:\t99\ndrm-pdev:\t0000:04:00.0\n"
                   "drm-memory-vram:\t1 MiB\n");
  EXPECT_THAT(pids_of(read_at(*amd.device, 0s)), ElementsAre(2301, 5120));
}

TEST(Rx7900, DoesNotWakeASleepingCard) {
  const Amd amd("rx7900xtx");
  amd.machine.write(std::string(kCard) + "power/runtime_status", "suspended\n");
  const GpuReading reading = read_at(*amd.device, 0s);
  EXPECT_EQ(reading.condition, GpuCondition::ok);
  EXPECT_TRUE(reading.memory);
  EXPECT_FALSE(reading.temperature_celsius || reading.power_watts || reading.core_clock_mhz ||
               reading.utilization_percent);
}

TEST(Rx7900, IsLostWhenItLeavesTheBus) {
  const Amd amd("rx7900xtx");
  amd.machine.remove("/sys/class/drm/card1");
  const GpuReading reading = read_at(*amd.device, 0s);
  EXPECT_EQ(reading.condition, GpuCondition::lost);
  EXPECT_THAT(reading.condition_detail, HasSubstr("/sys/class/drm/card1"));
  EXPECT_FALSE(reading.memory || reading.processes);
  EXPECT_THAT(*amd.driver->devices(), IsEmpty());
}

TEST(Rx7900, IsLostWhenItsNumberBelongsToAnother) {
  const Amd amd("rx7900xtx");
  amd.machine.write(std::string(kCard) + "uevent",
                    "DRIVER=amdgpu\nPCI_ID=1002:73BF\nPCI_SLOT_NAME=0000:0b:00.0\n");
  EXPECT_EQ(read_at(*amd.device, 0s).condition, GpuCondition::lost);
}

TEST(Rx7900, IsUnreadableWithoutItsMemory) {
  const Amd amd("rx7900xtx");
  for (const char* text : {"", "x\n", "-1\n", "12 34\n", "99999999999999999999999\n"}) {
    amd.machine.write(std::string(kCard) + "mem_info_vram_used", text);
    const GpuReading reading = read_at(*amd.device, 0s);
    EXPECT_EQ(reading.condition, GpuCondition::unreadable) << text;
    EXPECT_THAT(reading.condition_detail, HasSubstr("mem_info_vram_used"));
    EXPECT_FALSE(reading.memory);
    EXPECT_TRUE(reading.temperature_celsius);  // the rest is told all the same
  }
}

TEST(Rx7900, LeavesOutWhatItCannotRead) {
  const Amd amd("rx7900xtx");
  for (const char* file :
       {"gpu_busy_percent", "mem_busy_percent", "pp_dpm_sclk", "pp_dpm_mclk",
        "hwmon/hwmon3/temp1_input", "hwmon/hwmon3/temp3_label", "hwmon/hwmon3/power1_cap",
        "hwmon/hwmon3/pwm1", "hwmon/hwmon3/freq1_input", "hwmon/hwmon3/freq2_input"}) {
    amd.machine.write(std::string(kCard) + file, "-5\n");
  }
  amd.machine.remove(std::string(kCard) + "hwmon/hwmon3/power1_average");
  const GpuReading reading = read_at(*amd.device, 0s);
  EXPECT_TRUE(reading.memory);
  EXPECT_FALSE(reading.utilization_percent || reading.memory_utilization_percent ||
               reading.core_clock_mhz || reading.max_core_clock_mhz || reading.memory_clock_mhz ||
               reading.temperature_celsius || reading.memory_temperature_celsius ||
               reading.power_watts || reading.power_limit_watts || reading.fan_percent);
}

TEST(Rx7900, TellsTheMarkedClockWhereHwmonHasNone) {
  const Amd amd("rx7900xtx");
  amd.machine.remove(std::string(kCard) + "hwmon/hwmon3/freq1_input");
  EXPECT_THAT(read_at(*amd.device, 0s).core_clock_mhz, Optional(2371.0));
}

TEST(Rx7900, HasNoProcessListWithoutProc) {
  const Amd amd("rx7900xtx");
  amd.machine.rename("/proc", "/elsewhere");
  EXPECT_FALSE(read_at(*amd.device, 0s).processes);
  amd.machine.rename("/elsewhere", "/proc");
  EXPECT_TRUE(read_at(*amd.device, 1s).processes);
}

TEST(AmdIdentity, FallsBackToThePciSlot) {
  for (const char* serial : {"", "\n", "0\n", "0000000000000000\n"}) {
    const DrmMachine machine("rx7900xtx");
    machine.write(std::string(kCard) + "unique_id", serial);
    machine.remove("/usr");
    const auto driver = find_amdgpu(machine.root());
    ASSERT_TRUE(driver);
    const auto device = only_device(**driver);
    EXPECT_EQ(device->identity().uuid, "AMD-0000:03:00.0");
    EXPECT_EQ(device->identity().name, "AMD GPU 1002:744c");
  }
}

TEST(Mi210, TellsItsNameErrorsAndHotSpot) {
  const Amd amd("mi210");
  EXPECT_EQ(amd.device->identity().name, "AMD INSTINCT MI210");
  EXPECT_EQ(amd.device->identity().driver_version, "6.8.5");  // the module's own
  const GpuReading reading = read_at(*amd.device, 0s);
  EXPECT_THAT(reading.temperature_celsius, Optional(58.0));  // it has no edge
  EXPECT_THAT(reading.slowdown_celsius, Optional(100.0));
  EXPECT_THAT(reading.memory_temperature_celsius, Optional(63.0));
  EXPECT_THAT(reading.health.ecc_uncorrected, Optional(1U));
  EXPECT_THAT(reading.health.ecc_corrected, Optional(17U));
  EXPECT_FALSE(reading.fan_percent);
}

TEST(Mi210, CountsComputeMemoryOnceThoughTwoPlacesTellOfIt) {
  const Amd amd("mi210");
  const GpuReading reading = read_at(*amd.device, 0s);
  EXPECT_THAT(pids_of(reading), ElementsAre(7001, 7100));  // rocm-smi has nothing
  EXPECT_EQ(process_of(reading, 7001).memory, gib(30));    // KFD tells more
  EXPECT_EQ(process_of(reading, 7100).memory, gib(2));     // the DRM client does
  EXPECT_TRUE(process_of(reading, 7001).compute);
  EXPECT_FALSE(process_of(reading, 7001).graphics);
}

TEST(Mi210, KeepsComputeProcessesThatNobodySeesInProc) {
  const Amd amd("mi210");
  amd.machine.remove("/proc");
  const GpuReading reading = read_at(*amd.device, 0s);
  EXPECT_THAT(pids_of(reading), ElementsAre(7001, 7100));
  EXPECT_EQ(process_of(reading, 7100).memory, mib(1536));
}

TEST(Mi210, AddsThePartitionsOfOneCardAndNoOtherCard) {
  const DrmMachine machine("mi210");
  const auto node = [&](int number, const char* gpu, const char* properties) {
    const std::string dir = fmt::format("/sys/class/kfd/kfd/topology/nodes/{}/", number);
    machine.write(dir + "gpu_id", gpu);
    machine.write(dir + "properties", properties);
  };
  node(2, "111\n", "simd_count 104\nlocation_id 25345\ndomain 0\n");  // 63:00, second partition
  node(3, "222\n", "simd_count 416\nlocation_id 25344\ndomain 1\n");  // another PCI domain
  node(4, "333\n", "simd_count 416\nlocation_id 25600\ndomain 0\n");  // another bus
  node(5, "444\n", "simd_count x\nlocation_id\n");
  for (const char* gpu : {"111", "222", "333", "444"}) {
    machine.write(fmt::format("/sys/class/kfd/kfd/proc/7001/vram_{}", gpu), "1073741824\n");
  }
  machine.write("/sys/class/kfd/kfd/proc/nobody/vram_33912", "1073741824\n");
  const auto driver = find_amdgpu(machine.root());
  ASSERT_TRUE(driver);
  const auto device = only_device(**driver);
  const GpuReading reading = read_at(*device, 0s);
  EXPECT_EQ(process_of(reading, 7001).memory, gib(31));
  EXPECT_THAT(pids_of(reading), ElementsAre(7001, 7100));
}

TEST(RyzenApu, AddsTheHostMemoryItMayTake) {
  const Amd amd("ryzen-apu");
  EXPECT_TRUE(amd.device->identity().unified_memory);
  EXPECT_EQ(amd.device->identity().name, "AMD Phoenix1");  // pci.ids, without brackets
  const GpuReading reading = read_at(*amd.device, 0s);
  ASSERT_TRUE(reading.memory);
  EXPECT_EQ(reading.memory->total, gib(15) + mib(512));
  EXPECT_EQ(reading.memory->used, gib(3) + mib(400));
  // 12 GiB of GTT are not taken, but the host has only 4 left.
  EXPECT_EQ(reading.memory->free, gib(4) + mib(112));
  EXPECT_EQ(reading.memory->reserved, gib(8));
  EXPECT_THAT(reading.power_watts, Optional(DoubleEq(11.042)));
  EXPECT_FALSE(reading.power_limit_watts || reading.fan_percent);
  EXPECT_EQ(process_of(reading, 2600).memory, mib(100) + gib(2));
}

TEST(RyzenApu, WithALargeCarveOutHasMemoryOfItsOwn) {
  const DrmMachine machine("ryzen-apu");
  machine.write("/sys/class/drm/card0/device/mem_info_vram_total", "103079215104\n");
  const auto driver = find_amdgpu(machine.root());
  ASSERT_TRUE(driver);
  const auto device = only_device(**driver);
  EXPECT_FALSE(device->identity().unified_memory);
  const GpuReading reading = read_at(*device, 0s);
  EXPECT_EQ(reading.memory->total, gib(96));
  EXPECT_EQ(process_of(reading, 2600).memory, mib(100));
}

TEST(AmdDriver, OrdersByPciSlotAndTellsTwinsApart) {
  const DrmMachine machine("rx7900xtx");
  const std::string other = "/sys/class/drm/card0/device/";
  machine.write(other + "uevent", "DRIVER=amdgpu\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:83:00.0\n");
  machine.write(other + "unique_id", "9d2c1a7be3f04455\n");
  const auto driver = find_amdgpu(machine.root());
  ASSERT_TRUE(driver);
  const auto devices = (*driver)->devices();
  ASSERT_TRUE(devices);
  ASSERT_EQ(devices->size(), 2U);
  EXPECT_EQ(devices->at(0)->identity().uuid, "AMD-0000:03:00.0");
  EXPECT_EQ(devices->at(0)->identity().index, 0);
  EXPECT_EQ(devices->at(1)->identity().uuid, "AMD-0000:83:00.0");
  EXPECT_EQ(devices->at(1)->identity().index, 1);
  EXPECT_THAT(devices->at(1)->identity().minor, Optional(0));
}

}  // namespace
}  // namespace levee::gpus
