#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "gpus/drm_driver.hpp"
#include "gpus/intel_query.hpp"
#include "unit/gpus/drm_machine.hpp"

namespace levee::gpus {
namespace {

using namespace std::chrono_literals;
using testing::DoubleEq;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

struct Intel {
  explicit Intel(std::string_view name)
      : machine(name), driver(*find_intel(machine.root())), device(only_device(*driver)) {}

  DrmMachine machine;
  std::unique_ptr<Driver> driver;
  std::unique_ptr<Device> device;
};

TEST(FindIntel, FindsNothingOnOtherMachines) {
  for (const char* name : {"rx7900xtx", "mi210", "ryzen-apu"}) {
    const auto driver = find_intel(DrmMachine(name).root());
    ASSERT_FALSE(driver);
    EXPECT_EQ(driver.error().code, ErrorCode::not_found);
  }
  EXPECT_FALSE(find_intel(sources::Root("/nowhere")));
}

TEST(ArcOnI915, TellsWhatItIs) {
  const Intel arc("arc-a770-i915");
  const GpuIdentity& who = arc.device->identity();
  EXPECT_EQ(who.uuid, "INTEL-0000:03:00.0");
  EXPECT_EQ(who.vendor, GpuVendor::intel);
  EXPECT_EQ(who.name, "Intel Arc A770");  // of pci.ids, the part in brackets
  EXPECT_EQ(who.driver_version, "6.8.0-45-generic");
  EXPECT_THAT(who.minor, Optional(0));
  EXPECT_FALSE(who.unified_memory);
}

TEST(ArcOnI915, SumsTheMemoryOfItsClients) {
  const Intel arc("arc-a770-i915");
  const GpuReading reading = read_at(*arc.device, 0s);
  EXPECT_EQ(reading.condition, GpuCondition::ok);
  ASSERT_TRUE(reading.memory);
  EXPECT_EQ(reading.memory->total, Bytes{17079205888});
  EXPECT_EQ(reading.memory->used, gib(8) + mib(256));
  EXPECT_EQ(reading.memory->free, Bytes{17079205888} - gib(8) - mib(256));
  EXPECT_THAT(pids_of(reading), ElementsAre(3000, 3300));
  EXPECT_EQ(process_of(reading, 3000).memory, mib(256));
  EXPECT_EQ(process_of(reading, 3300).memory, gib(8));
}

TEST(ArcOnI915, TellsSensorsClocksAndWhyItIsSlow) {
  const Intel arc("arc-a770-i915");
  const GpuReading reading = read_at(*arc.device, 0s);
  EXPECT_THAT(reading.temperature_celsius, Optional(55.0));
  EXPECT_THAT(reading.power_limit_watts, Optional(190.0));
  EXPECT_THAT(reading.core_clock_mhz, Optional(2400.0));
  EXPECT_THAT(reading.max_core_clock_mhz, Optional(2400.0));
  EXPECT_THAT(reading.slowdown_reasons, ElementsAre("sw_power_cap", "hw_thermal"));
  EXPECT_FALSE(reading.memory_temperature_celsius || reading.fan_percent);
}

constexpr const char* kEnergy = "/sys/class/drm/card0/device/hwmon/hwmon2/energy1_input";

TEST(ArcOnI915, TellsPowerFromTheEnergyCounter) {
  const Intel arc("arc-a770-i915");
  EXPECT_FALSE(read_at(*arc.device, 0s).power_watts);
  arc.machine.write(kEnergy, "987954321000\n");  // 300 J more
  EXPECT_THAT(read_at(*arc.device, 2s).power_watts, Optional(DoubleEq(150.0)));
  EXPECT_FALSE(read_at(*arc.device, 2s).power_watts);  // no time has passed
  arc.machine.write(kEnergy, "1000\n");                // the card was reset
  EXPECT_FALSE(read_at(*arc.device, 3s).power_watts);
  arc.machine.write(kEnergy, "x\n");
  EXPECT_FALSE(read_at(*arc.device, 4s).power_watts);
  arc.machine.write(kEnergy, "50001000\n");
  EXPECT_FALSE(read_at(*arc.device, 5s).power_watts);  // nothing to compare with
}

std::string trainer(std::uint64_t compute) {
  return fmt::format(
      "drm-driver:\ti915\ndrm-client-id:\t6\ndrm-pdev:\t0000:03:00.0\n"
      "drm-resident-local0:\t8388608 KiB\ndrm-engine-compute:\t{} ns\ndrm-engine-copy:\t{} ns\n",
      compute, 9 * compute);
}

TEST(ArcOnI915, TellsTheLoadFromOneReadingToTheNext) {
  const Intel arc("arc-a770-i915");
  EXPECT_FALSE(read_at(*arc.device, 0s).utilization_percent);
  arc.machine.hold(3300, 5, "renderD128", trainer(91'500'000'000));
  const GpuReading reading = read_at(*arc.device, 2s);
  EXPECT_THAT(reading.utilization_percent, Optional(DoubleEq(75.0)));
  EXPECT_THAT(process_of(reading, 3300).sm_percent, Optional(DoubleEq(75.0)));
  EXPECT_TRUE(process_of(reading, 3300).compute);
  EXPECT_FALSE(process_of(reading, 3300).graphics);
  EXPECT_TRUE(process_of(reading, 3000).graphics);
}

TEST(ArcOnI915, HasUnknownMemoryWithoutACapacity) {
  const DrmMachine machine("arc-a770-i915");
  machine.remove("/sys/class/drm/card0/lmem_total_bytes");
  const auto driver = find_intel(machine.root());
  ASSERT_TRUE(driver);
  const auto device = only_device(**driver);
  EXPECT_FALSE(device->identity().unified_memory);  // it has a bridge above it
  const GpuReading reading = read_at(*device, 0s);
  EXPECT_FALSE(reading.memory);
  EXPECT_EQ(process_of(reading, 3300).memory, gib(8));
}

TEST(ArcOnXe, TakesItsCapacityFromTheDmemController) {
  const Intel arc("arc-a770-xe");
  const GpuReading reading = read_at(*arc.device, 0s);
  ASSERT_TRUE(reading.memory);
  EXPECT_EQ(reading.memory->total, Bytes{17079205888});  // not the other card's 5 bytes
  EXPECT_EQ(reading.memory->used, gib(6));
  EXPECT_EQ(process_of(reading, 4000).memory, gib(6));
}

TEST(ArcOnXe, TellsPackageAndMemoryTemperature) {
  const Intel arc("arc-a770-xe");
  const GpuReading reading = read_at(*arc.device, 0s);
  EXPECT_THAT(reading.temperature_celsius, Optional(44.0));
  EXPECT_THAT(reading.memory_temperature_celsius, Optional(50.0));
  EXPECT_FALSE(reading.power_limit_watts);             // 0: the limit is off
  EXPECT_THAT(reading.core_clock_mhz, Optional(0.0));  // parked
  EXPECT_THAT(reading.slowdown_reasons, IsEmpty());
}

std::string diffuser(std::uint64_t rcs, std::uint64_t ccs, std::uint64_t total) {
  return fmt::format(
      "drm-driver:\txe\ndrm-client-id:\t3\ndrm-pdev:\t0000:03:00.0\n"
      "drm-resident-vram0:\t6144 MiB\ndrm-cycles-rcs:\t{0}\ndrm-total-cycles-rcs:\t{2}\n"
      "drm-cycles-ccs:\t{1}\ndrm-total-cycles-ccs:\t{2}\ndrm-engine-capacity-ccs:\t4\n",
      rcs, ccs, total);
}

TEST(ArcOnXe, SharesBusyCyclesAmongTheEnginesOfAClass) {
  const Intel arc("arc-a770-xe");
  static_cast<void>(read_at(*arc.device, 0s));
  // 2 of 4 compute engines all the time; the clock on the wall does not matter.
  arc.machine.hold(4000, 5, "renderD129", diffuser(1000, 2'400'000, 2'000'000));
  EXPECT_THAT(read_at(*arc.device, 7s).utilization_percent, Optional(DoubleEq(50.0)));
  // No cycles have passed: the card slept.
  EXPECT_THAT(read_at(*arc.device, 8s).utilization_percent, Optional(0.0));
}

TEST(IntegratedIntel, SharesTheHostsMemory) {
  const Intel gpu("intel-integrated");
  EXPECT_TRUE(gpu.device->identity().unified_memory);
  EXPECT_EQ(gpu.device->identity().name, "Intel GPU 8086:46a6");
  const GpuReading reading = read_at(*gpu.device, 0s);
  ASSERT_TRUE(reading.memory);
  EXPECT_EQ(reading.memory->total, gib(16));
  EXPECT_EQ(reading.memory->free, gib(10));
  EXPECT_EQ(reading.memory->used, mib(512));
  EXPECT_EQ(reading.memory->reserved, gib(6) - mib(512));
  EXPECT_EQ(process_of(reading, 1400).memory, mib(512));
  EXPECT_FALSE(reading.temperature_celsius || reading.power_watts);
  EXPECT_THAT(reading.core_clock_mhz, Optional(350.0));  // no file of the actual one
}

TEST(IntegratedIntel, HasUnknownMemoryWithoutMeminfo) {
  const Intel gpu("intel-integrated");
  for (const char* text : {"", "MemTotal: x kB\n", "MemFree: 5 kB\n"}) {
    gpu.machine.write("/proc/meminfo", text);
    EXPECT_FALSE(read_at(*gpu.device, 0s).memory) << text;
  }
}

TEST(IntelDevice, IsLostWhenItLeavesTheBus) {
  const Intel arc("arc-a770-xe");
  arc.machine.remove("/sys/class/drm/card1");
  const GpuReading reading = read_at(*arc.device, 0s);
  EXPECT_EQ(reading.condition, GpuCondition::lost);
  EXPECT_FALSE(reading.memory || reading.processes);
}

TEST(IntelDevice, DoesNotWakeASleepingCard) {
  const Intel arc("arc-a770-xe");
  arc.machine.write("/sys/class/drm/card1/device/power/runtime_status", "suspended\n");
  const GpuReading reading = read_at(*arc.device, 0s);
  EXPECT_FALSE(reading.temperature_celsius || reading.core_clock_mhz);
  EXPECT_TRUE(reading.memory);
}

/// A reply of the driver, made of words.
class Reply {
 public:
  Reply& u16(std::uint16_t value) { return put(value); }
  Reply& u32(std::uint32_t value) { return put(value); }
  Reply& u64(std::uint64_t value, int times = 1) {
    for (int i = 0; i < times; ++i) {
      put(value);
    }
    return *this;
  }
  Reply& xe(std::uint16_t kind, std::uint64_t total, std::uint64_t used) {
    return u16(kind).u16(0).u32(4096).u64(total).u64(used).u64(0, 8);
  }
  Reply& i915(std::uint16_t kind, std::uint64_t total, std::uint64_t free) {
    return u16(kind).u16(0).u32(0).u64(total).u64(free).u64(0, 8);
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::span<const std::byte> first(std::size_t count) const {
    return bytes().first(count);
  }

 private:
  template <class Word>
  Reply& put(Word word) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof(word));
    std::memcpy(bytes_.data() + at, &word, sizeof(word));
    return *this;
  }
  std::vector<std::byte> bytes_;
};

TEST(XeRegions, AreThoseOnTheCard) {
  const Reply reply = Reply()
                          .u32(3)
                          .u32(0)
                          .xe(0, 100, 50)
                          .xe(1, gib(8).count, gib(1).count)
                          .xe(1, gib(8).count, gib(2).count);
  EXPECT_EQ(parse_xe_regions(reply.bytes()), (LocalMemory{gib(16), gib(3)}));
}

TEST(XeRegions, HaveUnknownUseWithoutTheRightToKnow) {
  const Reply reply = Reply().u32(1).u32(0).xe(1, gib(8).count, 0);
  EXPECT_EQ(parse_xe_regions(reply.bytes()), (LocalMemory{gib(8), std::nullopt}));
}

TEST(XeRegions, AreNothingForNonsense) {
  const Reply good = Reply().u32(1).u32(0).xe(1, gib(8).count, 5);
  for (const std::size_t size : {0U, 3U, 4U, 8U, 95U}) {
    EXPECT_FALSE(parse_xe_regions(good.first(size))) << size;
  }
  EXPECT_FALSE(parse_xe_regions(Reply().u32(0xFFFFFFFF).u32(0).xe(1, 5, 5).bytes()));
  EXPECT_FALSE(parse_xe_regions(Reply().u32(1).u32(0).xe(0, 5, 5).bytes()));  // integrated
  EXPECT_FALSE(parse_xe_regions(Reply().u32(1).u32(0).xe(1, 5, 6).bytes()));  // more than all
  EXPECT_FALSE(parse_xe_regions(Reply().u32(0).u32(0).bytes()));
}

TEST(I915Regions, AreThoseOnTheCard) {
  const Reply reply =
      Reply().u32(2).u32(0).u64(0).i915(0, 100, 50).i915(1, gib(16).count, gib(12).count);
  EXPECT_EQ(parse_i915_regions(reply.bytes()), (LocalMemory{gib(16), gib(4)}));
}

TEST(I915Regions, HaveUnknownUseWithoutTheRightToKnow) {
  const Reply reply = Reply().u32(1).u32(0).u64(0).i915(1, gib(16).count, gib(16).count);
  EXPECT_EQ(parse_i915_regions(reply.bytes()), (LocalMemory{gib(16), std::nullopt}));
}

TEST(I915Regions, AreNothingForNonsense) {
  constexpr auto kUnknown = std::numeric_limits<std::uint64_t>::max();
  const Reply good = Reply().u32(1).u32(0).u64(0).i915(1, gib(16).count, 5);
  for (const std::size_t size : {0U, 4U, 15U, 16U, 103U}) {
    EXPECT_FALSE(parse_i915_regions(good.first(size))) << size;
  }
  EXPECT_FALSE(parse_i915_regions(Reply().u32(1).u32(0).u64(0).i915(1, 5, kUnknown).bytes()));
  EXPECT_FALSE(
      parse_i915_regions(Reply().u32(1).u32(0).u64(0).i915(1, kUnknown, kUnknown).bytes()));
  EXPECT_FALSE(parse_i915_regions(Reply().u32(2).u32(0).u64(0).i915(1, 5, 5).bytes()));
}

TEST(QueryLocalMemory, IsNothingForWhatIsNoGpu) {
  EXPECT_FALSE(query_local_memory("xe", "/nowhere"));
  EXPECT_FALSE(query_local_memory("xe", "/dev/null"));
  EXPECT_FALSE(query_local_memory("i915", "/dev/null"));
}

}  // namespace
}  // namespace levee::gpus
