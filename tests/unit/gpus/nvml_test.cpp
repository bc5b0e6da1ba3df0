// What is read of NVIDIA's devices, by the simulated driver.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <mutex>
#include <thread>

#include "support/patience.hpp"
#include "unit/gpus/nvml_machine.hpp"

namespace levee::gpus {
namespace {

using namespace levee::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kTwo = "gpu 0 mem=80GiB reserved=600MiB\ngpu 1 mem=40GiB\n";

const GpuProcess* find(const GpuReading& reading, pid_t pid) {
  for (const GpuProcess& process : reading.processes.value()) {
    if (process.pid == pid) {
      return &process;
    }
  }
  return nullptr;
}

TEST(Nvml, ListsDevicesWithTheirIdentities) {
  Simulated sim(
      "gpu 0 name=\"Sim H200\" uuid=GPU-first cc=9.0 pci-bus=1B\n"
      "gpu 1 name=\"Sim A10\" cc=8.6 pci-bus=3C\n");
  const auto devices = sim.devices();
  ASSERT_THAT(indices(devices), ElementsAre(0, 1));
  const GpuIdentity& first = devices[0]->identity();
  EXPECT_EQ(first.uuid, "GPU-first");
  EXPECT_EQ(first.vendor, GpuVendor::nvidia);
  EXPECT_EQ(first.name, "Sim H200");
  EXPECT_EQ(first.pci_bus_id, "00000000:1B:00.0");
  EXPECT_EQ(first.compute_capability, (ComputeCapability{9, 0}));
  EXPECT_EQ(first.minor, 0);
  EXPECT_FALSE(first.driver_version.empty());
  EXPECT_FALSE(first.unified_memory);
  EXPECT_FALSE(first.is_instance());
  EXPECT_EQ(devices[1]->identity().compute_capability, (ComputeCapability{8, 6}));
}

TEST(Nvml, ReadsEveryFigure) {
  Simulated sim("gpu 0 mem=80GiB reserved=1GiB nvlinks=2 fan=31\n");
  sim.machine.set(
      "gpu 0 temp 61 mem-temp 72 util 87 mem-util 43 enc-util 5 dec-util 6 power 312W "
      "power-limit 650W sm-clock 1755 mem-clock 2600 throttle idle,power-cap,hw-thermal "
      "nvlink-tx 2MiB nvlink-rx 3MiB compute-mode exclusive");
  const GpuReading reading = sim.read();
  EXPECT_EQ(reading.condition, GpuCondition::ok);
  EXPECT_EQ(reading.temperature_celsius, 61);
  EXPECT_EQ(reading.memory_temperature_celsius, 72);
  EXPECT_EQ(reading.slowdown_celsius, 89);
  EXPECT_EQ(reading.shutdown_celsius, 92);
  EXPECT_EQ(reading.utilization_percent, 87);
  EXPECT_EQ(reading.memory_utilization_percent, 43);
  EXPECT_EQ(reading.encoder_percent, 5);
  EXPECT_EQ(reading.decoder_percent, 6);
  EXPECT_EQ(reading.power_watts, 312);
  EXPECT_EQ(reading.power_limit_watts, 650);
  EXPECT_EQ(reading.fan_percent, 31);
  EXPECT_EQ(reading.core_clock_mhz, 1755);
  EXPECT_EQ(reading.max_core_clock_mhz, 1980);
  EXPECT_EQ(reading.memory_clock_mhz, 2600);
  EXPECT_EQ(reading.max_memory_clock_mhz, 2619);
  EXPECT_EQ(reading.nvlink_tx_bytes, 4 * kMiB);
  EXPECT_EQ(reading.nvlink_rx_bytes, 6 * kMiB);
  EXPECT_THAT(reading.slowdown_reasons, ElementsAre("sw_power_cap", "hw_thermal"));
  EXPECT_EQ(reading.compute_mode, "exclusive_process");
  EXPECT_EQ(reading.mig_enabled, false);
  EXPECT_THAT(reading.processes.value(), IsEmpty());
}

TEST(Nvml, WorksWithEveryGenerationOfTheDriver) {
  for (const char* profile : {"r535", "r550", "latest"}) {
    Simulated sim(std::string("gpu 0 mem=80GiB reserved=600MiB profile=") + profile + "\n");
    sim.machine.set("gpu 0 temp 55 throttle power-cap foreign pid=4242 mem=8GiB");
    const GpuReading reading = sim.read();
    EXPECT_EQ(reading.condition, GpuCondition::ok) << profile << reading.condition_detail;
    EXPECT_EQ(reading.memory, (GpuMemory{gib(80), gib(8), gib(72) - mib(600), mib(600)}))
        << profile;
    EXPECT_EQ(reading.temperature_celsius, 55) << profile;
    EXPECT_THAT(reading.slowdown_reasons, ElementsAre("sw_power_cap")) << profile;
    ASSERT_NE(find(reading, 4242), nullptr) << profile;
    EXPECT_EQ(find(reading, 4242)->memory, gib(8)) << profile;
  }
}

TEST(NvmlMemory, IsUsedWithoutAndFreeWithoutTheReserve) {
  Simulated sim(kTwo);
  sim.machine.set("gpu 0 foreign pid=4242 mem=20GiB");
  const GpuMemory memory = sim.read().memory.value();
  EXPECT_EQ(memory.used, gib(20));
  EXPECT_EQ(memory.reserved, mib(600));
  EXPECT_EQ(memory.free, gib(60) - mib(600));
  EXPECT_EQ(memory.used + memory.free + memory.reserved.value(), memory.total);
}

TEST(NvmlMemory, FallsBackToTheCallThatCountsTheReserveAsUsed) {
  for (const char* code : {"3", "13", "25"}) {
    Simulated sim(kTwo);
    sim.machine.set(std::string("gpu 0 return ") + code + " from nvmlDeviceGetMemoryInfo_v2");
    const GpuMemory memory = sim.read().memory.value();
    EXPECT_EQ(memory.used, mib(600)) << code;
    EXPECT_EQ(memory.reserved, std::nullopt) << code;
    EXPECT_EQ(memory.used + memory.free, memory.total) << code;
    EXPECT_FALSE(sim.device().identity().unified_memory) << code;
  }
}

TEST(NvmlMemory, IsTheHostsWhereTheDriverHasNone) {
  for (const char* how : {"not-supported", "zero-total"}) {
    Simulated sim(std::string("gpu 0 memory=") + how + "\n");
    const GpuReading reading = sim.read();
    EXPECT_EQ(reading.memory, std::nullopt) << how;
    EXPECT_TRUE(reading.identity->unified_memory) << how;
    EXPECT_EQ(reading.condition, GpuCondition::ok) << how;
    EXPECT_TRUE(reading.temperature_celsius.has_value()) << how;
  }
}

TEST(NvmlMemory, MakesTheDeviceUnreadableWhenItFails) {
  Simulated sim(kTwo);
  (void)sim.read();
  sim.machine.fault("gpu 0 return 999 from nvmlDeviceGetMemoryInfo_v2");
  sim.machine.fault("gpu 0 return 999 from nvmlDeviceGetMemoryInfo");
  const GpuReading reading = sim.read();
  EXPECT_EQ(reading.condition, GpuCondition::unreadable);
  EXPECT_THAT(reading.condition_detail, HasSubstr("nvmlDeviceGetMemoryInfo: "));
  EXPECT_EQ(reading.memory, std::nullopt);
  EXPECT_EQ(reading.temperature_celsius, std::nullopt);  // No half reading.
  sim.machine.fault("gpu 0 clear");
  EXPECT_EQ(sim.read().condition, GpuCondition::ok);
}

TEST(NvmlTemperature, FallsBackWhereTheNewCallIsThereButNotSupported) {
  for (const char* code : {"3", "25"}) {
    Simulated sim("gpu 0 profile=latest temp=66\n");
    sim.machine.set(std::string("gpu 0 return ") + code + " from nvmlDeviceGetTemperatureV");
    EXPECT_EQ(sim.read().temperature_celsius, 66) << code;
  }
}

/// What each function is for: taken away, only that figure is missing.
TEST(NvmlUnknown, IsAbsentAndNeverZeroNorAnError) {
  using Missing = bool (*)(const GpuReading&);
  const std::vector<std::pair<std::vector<std::string>, Missing>> functions{
      {{"nvmlDeviceGetUtilizationRates"},
       [](const GpuReading& r) { return !r.utilization_percent && !r.memory_utilization_percent; }},
      {{"nvmlDeviceGetEncoderUtilization"}, [](const GpuReading& r) { return !r.encoder_percent; }},
      {{"nvmlDeviceGetDecoderUtilization"}, [](const GpuReading& r) { return !r.decoder_percent; }},
      {{"nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV"},
       [](const GpuReading& r) { return !r.temperature_celsius; }},
      {{"nvmlDeviceGetTemperatureThreshold"},
       [](const GpuReading& r) { return !r.slowdown_celsius && !r.shutdown_celsius; }},
      {{"nvmlDeviceGetPowerUsage"}, [](const GpuReading& r) { return !r.power_watts; }},
      {{"nvmlDeviceGetEnforcedPowerLimit"},
       [](const GpuReading& r) { return !r.power_limit_watts; }},
      {{"nvmlDeviceGetFanSpeed"}, [](const GpuReading& r) { return !r.fan_percent; }},
      {{"nvmlDeviceGetClockInfo"},
       [](const GpuReading& r) { return !r.core_clock_mhz && !r.memory_clock_mhz; }},
      {{"nvmlDeviceGetMaxClockInfo"},
       [](const GpuReading& r) { return !r.max_core_clock_mhz && !r.max_memory_clock_mhz; }},
      {{"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"},
       [](const GpuReading& r) { return r.slowdown_reasons.empty(); }},
      {{"nvmlDeviceGetComputeMode"}, [](const GpuReading& r) { return r.compute_mode.empty(); }},
      {{"nvmlDeviceGetMigMode"}, [](const GpuReading& r) { return !r.mig_enabled; }},
      {{"nvmlDeviceGetEccMode"}, [](const GpuReading& r) { return !r.health.ecc_enabled; }},
      {{"nvmlDeviceGetTotalEccErrors"},
       [](const GpuReading& r) { return !r.health.ecc_corrected && !r.health.ecc_uncorrected; }},
      {{"nvmlDeviceGetRemappedRows"},
       [](const GpuReading& r) { return !r.health.remapped_corrected; }},
      {{"nvmlDeviceGetFieldValues"},
       [](const GpuReading& r) { return !r.memory_temperature_celsius && !r.nvlink_tx_bytes; }},
      {{"nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetMemoryInfo"},
       [](const GpuReading& r) { return !r.memory; }},
      {{"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v3",
        "nvmlDeviceGetMPSComputeRunningProcesses_v3"},
       [](const GpuReading& r) { return !r.processes; }}};
  for (const auto& [names, is_missing] : functions) {
    for (const char* code : {"3", "6", "13", "21"}) {
      Simulated sim("gpu 0 nvlinks=1 throttle=power-cap\n");
      EXPECT_FALSE(is_missing(sim.read())) << names[0];
      for (const std::string& name : names) {
        sim.machine.set(std::string("gpu 0 return ") + code + " from " + name);
      }
      // A new device: what does not change is read once.
      const GpuReading reading = sim.devices().at(0)->read(real_now()).at(0);
      EXPECT_TRUE(is_missing(reading)) << names[0] << " answering " << code;
      EXPECT_EQ(reading.condition, GpuCondition::ok) << names[0] << " answering " << code;
    }
  }
}

TEST(NvmlCondition, IsLostFromAnyCallThatSaysSo) {
  for (const char* function : {"nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetFanSpeed",
                               "nvmlDeviceGetComputeRunningProcesses_v3"}) {
    Simulated sim(kTwo);
    (void)sim.read();
    sim.machine.fault(std::string("gpu 0 return 15 from ") + function);
    const GpuReading reading = sim.read();
    EXPECT_EQ(reading.condition, GpuCondition::lost);
    EXPECT_THAT(reading.condition_detail, HasSubstr(function));
    EXPECT_EQ(reading.memory, std::nullopt);
  }
}

TEST(NvmlCondition, IsResetRequired) {
  Simulated sim(kTwo);
  (void)sim.read();
  sim.machine.fault("gpu 0 reset-required");
  EXPECT_EQ(sim.read().condition, GpuCondition::reset_required);
  sim.machine.fault("gpu 0 recover");
  EXPECT_EQ(sim.read().condition, GpuCondition::ok);
}

TEST(NvmlCondition, ReadsLimitsAgainThatWereLostWithTheDevice) {
  Simulated sim(kTwo);
  const auto devices = sim.devices();
  sim.machine.fault("gpu 0 lost");
  EXPECT_EQ(devices.at(0)->read(real_now()).at(0).condition, GpuCondition::lost);
  sim.machine.fault("gpu 0 recover");
  const GpuReading reading = devices.at(0)->read(real_now()).at(0);
  EXPECT_EQ(reading.slowdown_celsius, 89);
  EXPECT_EQ(reading.health.ecc_enabled, true);
}

TEST(NvmlProcesses, MergesAllListsByPid) {
  Simulated sim(kTwo);
  sim.machine.set(
      "gpu 0 foreign pid=100 mem=1GiB kind=compute foreign pid=200 mem=2GiB "
      "kind=graphics foreign pid=300 mem=3GiB kind=mps");
  const GpuReading reading = sim.read();
  ASSERT_THAT(reading.processes.value(), SizeIs(3));
  EXPECT_TRUE(find(reading, 100)->compute);
  EXPECT_FALSE(find(reading, 100)->graphics);
  EXPECT_TRUE(find(reading, 200)->graphics);
  EXPECT_FALSE(find(reading, 200)->compute);
  EXPECT_TRUE(find(reading, 300)->compute);
  EXPECT_EQ(find(reading, 300)->memory, gib(3));
  EXPECT_EQ(find(reading, 300)->gpu_instance, std::nullopt);
}

TEST(NvmlProcesses, HasUnknownMemoryWhereTheDriverHidesIt) {
  Simulated sim("gpu 0 process-memory=unknown\n");
  sim.machine.set("gpu 0 foreign pid=100 mem=1GiB");
  ASSERT_NE(find(sim.read(), 100), nullptr);
  EXPECT_EQ(find(sim.read(), 100)->memory, std::nullopt);
}

TEST(NvmlProcesses, ReadsTheWideRecordsOfEarly535Drivers) {
  Simulated sim("gpu 0 profile=r535 process-records=wide\n");
  sim.machine.set(
      "gpu 0 foreign pid=100 mem=1GiB foreign pid=200 mem=2GiB foreign pid=300 mem=3GiB");
  const GpuReading reading = sim.read();
  ASSERT_THAT(reading.processes.value(), SizeIs(3));
  EXPECT_EQ(find(reading, 100)->memory, gib(1));
  EXPECT_EQ(find(reading, 200)->memory, gib(2));
  EXPECT_EQ(find(reading, 300)->memory, gib(3));
}

TEST(NvmlProcesses, AsksAgainWithMoreRoomWhenThereAreMany) {
  Simulated sim("gpu 0 mem=80GiB\n");
  constexpr int kMany = 120;
  std::string action = "gpu 0";
  for (int i = 0; i < kMany; ++i) {
    action += fmt::format(" foreign pid={} mem=100MiB", 1000 + i);
  }
  sim.machine.set(action);
  EXPECT_THAT(sim.read().processes.value(), SizeIs(kMany));
  EXPECT_THAT(sim.read().processes.value(), SizeIs(kMany));
}

TEST(NvmlProcesses, KnowsTheirShareOfTheDevice) {
  Simulated sim(kTwo);
  sim.machine.set("gpu 0 foreign pid=100 mem=1GiB sm=70 foreign pid=200 mem=1GiB sm=0");
  const GpuReading reading = sim.read();
  EXPECT_EQ(find(reading, 100)->sm_percent, 70);
  EXPECT_EQ(find(reading, 200)->sm_percent, 0);
  sim.machine.set("gpu 0 samples none");
  EXPECT_EQ(find(sim.read(), 100)->sm_percent, 70);  // Still the last one.
  Now later = real_now();
  later.wall += 6s;
  EXPECT_EQ(find(sim.read(later), 100)->sm_percent, std::nullopt);
}

TEST(NvmlProcesses, IgnoresGarbageSamples) {
  Simulated sim(kTwo);
  sim.machine.set("gpu 0 samples garbage foreign pid=100 mem=1GiB sm=70 foreign pid=205 mem=1GiB");
  const GpuReading reading = sim.read();
  EXPECT_THAT(reading.processes.value(), SizeIs(2));  // A sample makes no process.
  EXPECT_EQ(find(reading, 100)->sm_percent, 70);
  EXPECT_EQ(find(reading, 205)->sm_percent, 0);  // Not the 106 % that are told of it, too.
  EXPECT_EQ(find(reading, 205)->memory_percent, 0);
}

TEST(NvmlProcesses, IgnoresStaleSamples) {
  Simulated sim(kTwo);
  sim.machine.set("gpu 0 samples stale foreign pid=100 mem=1GiB sm=70");
  Now later = real_now();
  later.wall += 10s;
  EXPECT_EQ(find(sim.read(later), 100)->sm_percent, std::nullopt);
}

TEST(NvmlHealth, CountsEccErrorsAndRemappedRows) {
  Simulated sim("gpu 0 cc=9.0\n");
  sim.machine.set(
      "gpu 0 ecc-corrected 5 ecc-uncorrected 2 remapped-corrected 3 "
      "remapped-uncorrected 1 remapped-pending remapped-failed");
  EXPECT_EQ(sim.read().health, (GpuHealthCounters{true, 5, 2, 3, 1, true, true}));
}

TEST(NvmlHealth, CountsRetiredPagesOfOlderDevices) {
  Simulated sim("gpu 0 cc=7.0 retired-single=4 retired-double=1 retired-pending=on ecc=off\n");
  const GpuHealthCounters health = sim.read().health;
  EXPECT_EQ(health.ecc_enabled, false);
  EXPECT_EQ(health.remapped_corrected, 4U);
  EXPECT_EQ(health.remapped_uncorrected, 1U);
  EXPECT_EQ(health.remap_pending, true);
  EXPECT_EQ(health.remap_failed, std::nullopt);
}

TEST(NvmlHealth, IsReadNowAndThenWhenTheAnswerIsOnItsWay) {
  Simulated sim(kTwo);
  Now now = real_now();
  EXPECT_EQ(sim.read(now).health.ecc_corrected, 0U);
  sim.machine.set("gpu 0 ecc-corrected 9");
  sim.device().catch_up(now);
  EXPECT_EQ(sim.read(now).health.ecc_corrected, 0U);
  now.mono += 11s;
  sim.device().catch_up(now);
  EXPECT_EQ(sim.read(now).health.ecc_corrected, 9U);
}

TEST(NvmlPcie, IsMeasuredAfterTheAnswerAndForgottenWhenOld) {
  Simulated sim(kTwo);
  sim.machine.set("gpu 0 pcie-tx 4MiB/s pcie-rx 2MiB/s");
  sim.machine.fault("gpu 0 slow nvmlDeviceGetPcieThroughput 20ms");
  Now now = real_now();
  EXPECT_EQ(sim.read(now).pcie_tx_bytes_per_second, std::nullopt);
  sim.device().catch_up(now);
  EXPECT_EQ(sim.read(now).pcie_tx_bytes_per_second, 4 * 1024 * 1024);
  EXPECT_EQ(sim.read(now).pcie_rx_bytes_per_second, 2 * 1024 * 1024);
  now.mono += 10s;
  EXPECT_EQ(sim.read(now).pcie_tx_bytes_per_second, std::nullopt);
}

TEST(NvmlMig, ReadsInstancesAsDevicesOfTheirOwn) {
  Simulated sim("gpu 0 uuid=GPU-parent mem=80GiB mig=3g.40gb,2g.20gb\n");
  sim.machine.set("gpu 0 util 50 foreign pid=100 mem=5GiB mig=0 foreign pid=200 mem=6GiB mig=1");
  auto devices = sim.devices();
  ASSERT_THAT(devices, SizeIs(1));
  const auto readings = devices[0]->read(real_now());
  ASSERT_THAT(readings, SizeIs(3));
  EXPECT_EQ(readings[0].mig_enabled, true);
  EXPECT_EQ(readings[0].utilization_percent, std::nullopt);
  const GpuIdentity& instance = *readings[1].identity;
  EXPECT_THAT(instance.uuid, testing::StartsWith("MIG-"));
  EXPECT_EQ(instance.parent_uuid, "GPU-parent");
  EXPECT_EQ(instance.mig_profile, "3g.40gb");
  EXPECT_EQ(instance.gpu_instance, 1U);
  EXPECT_EQ(instance.compute_instance, 0U);
  EXPECT_EQ(instance.index, 0);
  EXPECT_EQ(readings[1].memory->used, gib(5));
  EXPECT_LE(readings[1].memory->total, gib(40));
  EXPECT_EQ(readings[1].utilization_percent, std::nullopt);
  ASSERT_THAT(readings[1].processes.value(), SizeIs(1));
  EXPECT_EQ(readings[1].processes->at(0).pid, 100);
  EXPECT_EQ(readings[2].identity->mig_profile, "2g.20gb");
  EXPECT_EQ(readings[2].processes->at(0).pid, 200);
  // The same objects the next time.
  EXPECT_EQ(devices[0]->read(real_now()).at(1).identity, readings[1].identity);
}

TEST(NvmlMig, IsUnknownOnDevicesThatCannot) {
  Simulated sim("gpu 0 cc=7.5\n");
  EXPECT_EQ(sim.read().mig_enabled, std::nullopt);
}

}  // namespace
}  // namespace levee::gpus
