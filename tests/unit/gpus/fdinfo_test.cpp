#include "gpus/fdinfo.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace levee::gpus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Key;

/// The client of a text with `lines` after the mandatory one.
DrmClient client_with(std::string_view lines) {
  const auto client = parse_fdinfo("drm-driver:\txe\n" + std::string(lines));
  EXPECT_TRUE(client) << lines;
  return client.value_or(DrmClient{});
}

EngineUse busy(std::uint64_t nanoseconds, std::uint64_t capacity = 1) {
  EngineUse use;
  use.busy_ns = nanoseconds;
  use.capacity = capacity;
  return use;
}

EngineUse cycles(std::uint64_t busy, std::uint64_t total, std::uint64_t capacity = 1) {
  EngineUse use;
  use.busy_cycles = busy;
  use.total_cycles = total;
  use.capacity = capacity;
  return use;
}

TEST(ParseFdinfo, ReadsAmdgpuAsLinux6_1WritesIt) {
  const auto client = parse_fdinfo(
      "pos:\t0\nflags:\t02100002\nmnt_id:\t25\nino:\t574\npasid:\t32770\n"
      "drm-driver:\tamdgpu\ndrm-pdev:\t0000:03:00.0\ndrm-client-id:\t14\n"
      "drm-memory-vram:\t310488 KiB\ndrm-memory-gtt: \t34880 KiB\ndrm-memory-cpu: \t0 KiB\n"
      "amd-evicted-vram:\t5 KiB\ndrm-engine-gfx:\t10781351614 ns\ndrm-engine-compute:\t99 ns\n");
  ASSERT_TRUE(client);
  EXPECT_EQ(client->driver, "amdgpu");
  EXPECT_EQ(client->pdev, "0000:03:00.0");
  EXPECT_EQ(client->id, 14U);
  EXPECT_THAT(client->regions, ElementsAre(Key("cpu"), Key("gtt"), Key("vram")));
  EXPECT_EQ(client->regions.at("vram").in_use(), kib(310488));
  EXPECT_EQ(client->regions.at("gtt").in_use(), kib(34880));
  EXPECT_EQ(client->engines.at("gfx"), busy(10781351614));
  EXPECT_EQ(client->engines.at("compute").busy_ns, 99U);
}

TEST(ParseFdinfo, ReadsXeWithCyclesAndCapacities) {
  const DrmClient client = client_with(
      "drm-client-id:\t3\ndrm-pdev:\t0000:03:00.0\n"
      "drm-total-vram0:\t23992 KiB\ndrm-shared-vram0:\t16 MiB\ndrm-active-vram0:\t0\n"
      "drm-resident-vram0:\t20 MiB\n"
      "drm-cycles-rcs:\t28257900\ndrm-total-cycles-rcs:\t7655183225\n"
      "drm-cycles-ccs:\t7\ndrm-total-cycles-ccs:\t7655183225\ndrm-engine-capacity-ccs:\t4\n");
  EXPECT_THAT(client.regions, ElementsAre(Key("vram0")));
  EXPECT_EQ(client.regions.at("vram0").total, kib(23992));
  EXPECT_EQ(client.regions.at("vram0").in_use(), mib(20));
  EXPECT_EQ(client.engines.at("rcs"), cycles(28257900, 7655183225));
  EXPECT_EQ(client.engines.at("ccs"), cycles(7, 7655183225, 4));
}

TEST(ParseFdinfo, ReadsI915WithEngineNamesOfTwoWords) {
  const DrmClient client = client_with(
      "drm-total-local0:\t2 MiB\ndrm-engine-video:\t5 ns\ndrm-engine-capacity-video:\t2\n"
      "drm-engine-video-enhance:\t6 ns\n");
  EXPECT_EQ(client.regions.at("local0").in_use(), mib(2));
  EXPECT_EQ(client.engines.at("video"), busy(5, 2));
  EXPECT_EQ(client.engines.at("video-enhance"), busy(6));
}

TEST(ParseFdinfo, TakesTheMostExactMemoryFigureWhateverTheOrder) {
  const DrmClient client = client_with(
      "drm-total-vram:\t9 MiB\ndrm-resident-vram:\t0\ndrm-memory-vram:\t5 MiB\n"
      "drm-memory-gtt:\t3 MiB\ndrm-total-gtt:\t4 MiB\n");
  EXPECT_EQ(client.regions.at("vram").in_use(), Bytes{0});
  EXPECT_EQ(client.regions.at("gtt").in_use(), mib(3));
}

TEST(ParseFdinfo, ReadsEveryUnitOfTheSpecification) {
  const DrmClient client =
      client_with("drm-memory-a:\t4096\ndrm-memory-b: 4 KiB\ndrm-memory-c:1 MiB");
  EXPECT_EQ(client.regions.at("a").in_use(), kib(4));
  EXPECT_EQ(client.regions.at("b").in_use(), kib(4));
  EXPECT_EQ(client.regions.at("c").in_use(), mib(1));
}

TEST(ParseFdinfo, IsNothingForOtherDescriptors) {
  for (const char* text :
       {"", "\n\n", "pos:\t0\nflags:\t0100000\n", "drm-client-id:\t4\ndrm-memory-vram:\t1 KiB\n",
        "drm-driver:\n", "drm-driver: \t\n", "drm-driver", " drm-driver:\txe\n"}) {
    EXPECT_FALSE(parse_fdinfo(text)) << text;
  }
}

TEST(ParseFdinfo, LeavesOutFiguresThatMakeNoSense) {
  for (const char* line :
       {"drm-memory-vram:", "drm-memory-vram:\t-1", "drm-memory-vram:\tx KiB",
        "drm-memory-vram:\t1 GB", "drm-memory-vram:\t1 KiB more", "drm-memory-vram:\t1.5 KiB",
        "drm-memory-vram:\t18446744073709551615 KiB", "drm-memory-vram:\t99999999999999999999",
        "drm-memory-:\t1 KiB", "drm-total-:\t1", "drm-memory-vram\t1 KiB"}) {
    EXPECT_THAT(client_with(line).regions, IsEmpty()) << line;
  }
  for (const char* line :
       {"drm-engine-gfx:\t5", "drm-engine-gfx:\t5 ms", "drm-engine-gfx:\t-5 ns",
        "drm-engine-gfx:\t5 ns 6", "drm-engine-:\t5 ns", "drm-cycles-rcs:\t5 ns",
        "drm-cycles-rcs:\tx", "drm-cycles-:\t5", "drm-total-cycles-rcs:\t-5",
        "drm-engine-capacity-gfx:\t0", "drm-engine-capacity-gfx:\t-1", "drm-maxfreq-gfx:\t5 MHz"}) {
    EXPECT_THAT(client_with(line).engines, IsEmpty()) << line;
  }
  EXPECT_FALSE(client_with("drm-client-id:\tx\n").id);
  EXPECT_FALSE(client_with("drm-client-id:\t18446744073709551616\n").id);
}

TEST(ParseFdinfo, DoesNotTakeTotalCyclesForAMemoryRegion) {
  const DrmClient client = client_with("drm-total-cycles-rcs:\t9\n");
  EXPECT_THAT(client.regions, IsEmpty());
  EXPECT_EQ(client.engines.at("rcs").total_cycles, 9U);
}

}  // namespace
}  // namespace levee::gpus
