#include "estimate/suggestions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace levee::estimate {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Holder holder(Bytes memory, std::optional<double> growth = {}) {
  return {.who = "train.py (pid 42, ada)", .memory = memory, .growth_per_second = growth};
}

MemoryReport host_using(std::uint64_t gigabytes) {
  MemoryReport report;
  report.host_total = gib(100);
  report.host_available = gib(100 - gigabytes);
  return report;
}

DeviceReport device_using(std::uint64_t gigabytes, int index = 1) {
  return {.gpu = {.uuid = "GPU-" + std::to_string(index),
                  .index = index,
                  .name = "Sim H100",
                  .free = gib(80 - gigabytes),
                  .total = gib(80),
                  .compute = {},
                  .unusable = {}}};
}

MemoryReport report_of(std::vector<DeviceReport> devices) {
  MemoryReport report;
  report.devices = std::move(devices);
  return report;
}

ModelCache cache_of(std::size_t size, const std::vector<std::string>& ids) {
  ModelCache cache{size};
  for (const std::string& id : ids) {
    EXPECT_TRUE(cache.track(id, gib(4), Now{}));
  }
  return cache;
}

TEST(HostSuggestions, AreNoneUpToTheLimit) {
  EXPECT_THAT(suggestions({}), IsEmpty());
  EXPECT_THAT(suggestions(host_using(80)), IsEmpty());
  MemoryReport unknown = host_using(99);
  unknown.host_available.reset();
  EXPECT_THAT(suggestions(unknown), IsEmpty());
  unknown = host_using(99);
  unknown.host_total = Bytes{};
  EXPECT_THAT(suggestions(unknown), IsEmpty());
  unknown = host_using(99);
  unknown.host_limit = kNan;
  EXPECT_THAT(suggestions(unknown), IsEmpty());
}

TEST(HostSuggestions, BeginWithTheDocumentedOnes) {
  EXPECT_THAT(suggestions(host_using(81)),
              ElementsAre("High CPU memory usage detected:", "- Consider reducing model cache size",
                          "- Enable model offloading to disk", "- Use smaller model variants"));
}

TEST(HostSuggestions, EvictNothingWhereNothingIsCached) {
  MemoryReport report = host_using(90);
  const ModelCache none{5};
  report.cache = &none;
  EXPECT_THAT(suggestions(report), Not(Contains(HasSubstr("vict"))));
}

TEST(HostSuggestions, NameTheModelsThatWouldMakeRoom) {
  MemoryReport report = host_using(86);  // 6 GiB too many.
  ModelCache cache = cache_of(5, {"a", "b", "c"});
  report.cache = &cache;
  EXPECT_THAT(suggestions(report), Contains("- Evict a, b from the model cache, used longest ago: "
                                            "8.00 GiB if held here, of 6.00 GiB that must go"));
  cache.set_size(1);
  EXPECT_THAT(suggestions(report), Contains(HasSubstr("; 2 more cached than wanted")));
  cache = cache_of(1, {"a", "b", "c", "d", "e", "f"});
  EXPECT_THAT(suggestions(report), Contains(HasSubstr("Evict a, b, c and 2 more from")));
  report.host_available = Bytes{};
  cache = cache_of(5, {"a"});
  EXPECT_THAT(suggestions(report),
              Contains(HasSubstr("4.00 GiB if held here, of 20.0 GiB that must go")));
}

TEST(HostSuggestions, NameWhoHoldsMuch) {
  MemoryReport report = host_using(90);
  report.host_holders = {holder(gib(3)), holder(gib(40)), holder(gib(5))};
  EXPECT_THAT(suggestions(report),
              Contains("- Look at train.py (pid 42, ada): it holds 40.0 GiB (40 %)"));
  report.host_holders = {holder(gib(40), static_cast<double>(mib(20).count))};
  EXPECT_THAT(suggestions(report), Contains(HasSubstr("and grows by 1.17 GiB a minute")));
  for (const double none : {-1e9, 0.0, 1e4, kNan, std::numeric_limits<double>::infinity()}) {
    report.host_holders = {holder(gib(40), none)};
    EXPECT_THAT(suggestions(report), Not(Contains(HasSubstr("grows")))) << none;
  }
  report.host_holders = {holder(gib(24))};
  EXPECT_THAT(suggestions(report), Not(Contains(HasSubstr("train.py"))));
}

TEST(HostSuggestions, NameSharedMemoryThatIsMuch) {
  MemoryReport report = host_using(90);
  report.host_shared = gib(9);
  EXPECT_THAT(suggestions(report), Not(Contains(HasSubstr("/dev/shm"))));
  report.host_shared = gib(20);
  EXPECT_THAT(suggestions(report), Contains(AllOf(HasSubstr("/dev/shm"), HasSubstr("20.0 GiB"))));
}

TEST(GpuSuggestions, AreNoneForGpusThatHaveRoomOrTellNothing) {
  DeviceReport blind = device_using(79);
  blind.gpu.free.reset();
  DeviceReport nameless = device_using(79);
  nameless.gpu.total.reset();
  DeviceReport unified = device_using(79);
  unified.gpu.shares_host_memory = true;
  EXPECT_THAT(suggestions(report_of({device_using(64), blind, nameless, unified})), IsEmpty());
}

TEST(GpuSuggestions, SayWhatTheyKnowWhereNobodyIsKnownToHoldMuch) {
  const auto lines = suggestions(report_of({device_using(10, 0), device_using(76)}));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], "High GPU memory usage detected on GPU 1:");
  EXPECT_THAT(lines[1], HasSubstr("76.0 GiB (95 %) are used"));
}

TEST(GpuSuggestions, ReduceABatchThatIsTooLarge) {
  DeviceReport device = device_using(79);
  // 10 sequences of 1 GiB + 1000 tokens of 1 MiB each; 19 GiB held and 1 GiB free: 18 GiB usable.
  device.work = Work{.profile = {"my-model", gib(8), gib(1), mib(1)},
                     .batch = 10,
                     .tokens = 1'024,
                     .held = gib(19)};
  const auto line = [&] { return suggestions(report_of({device}))[1]; };
  EXPECT_EQ(line(),
            "- Reduce the batch size from 10 to 5: 10 of my-model with 1024 tokens each need 28.0 "
            "GiB, and 18.0 GiB are usable");
  device.work->tokens = 20'000;
  EXPECT_THAT(line(), StartsWith("- Reduce the batch size to 1 and the context to 9216 tokens:"));
  device.work->held = Bytes{};
  EXPECT_THAT(line(), StartsWith("- Use a smaller or quantised variant of my-model:"));
  device.work->held = gib(60);
  device.work->tokens = 100;
  EXPECT_THAT(suggestions(report_of({device})), Not(Contains(HasSubstr("my-model")))) << "it fits";
  device.work->batch = 0;
  EXPECT_THAT(suggestions(report_of({device})), Not(Contains(HasSubstr("my-model"))));
}

TEST(GpuSuggestions, ClearCachesThatHoldMuch) {
  DeviceReport device = device_using(79);
  device.unused_cache = gib(8);
  EXPECT_THAT(suggestions(report_of({device})),
              Contains("- Clear framework caches, for example torch.cuda.empty_cache(): 8.00 GiB "
                       "(10 %) are reserved and not in use"));
  device.unused_cache = gib(7);
  EXPECT_THAT(suggestions(report_of({device})), Not(Contains(HasSubstr("empty_cache"))));
}

TEST(GpuSuggestions, NameTheLargestAndWhereItWouldHaveRoom) {
  DeviceReport full = device_using(79);
  full.holders = {holder(gib(30))};
  EXPECT_THAT(suggestions(report_of({full, device_using(60, 0)})),
              ElementsAre("High GPU memory usage detected on GPU 1:",
                          "- Reduce the batch size or the context length of train.py (pid 42, "
                          "ada), or use smaller or quantised weights: it holds 30.0 GiB (38 %)"));
  EXPECT_THAT(suggestions(report_of({full, device_using(50, 0), device_using(40, 2)})),
              Contains("- Run it on GPU 2 (Sim H100) instead, which has 40.0 GiB free"));
  DeviceReport lost = device_using(0, 3);
  lost.gpu.unusable = "is lost";
  EXPECT_THAT(suggestions(report_of({full, lost})), Not(Contains(HasSubstr("Run it on"))));
}

TEST(GpuSuggestions, StopWhatHoldsMemoryAndComputesNothing) {
  DeviceReport full = device_using(79);
  full.holders = {holder(gib(30))};
  full.holders[0].is_idle = true;
  EXPECT_THAT(suggestions(report_of({full, device_using(0, 0)})),
              ElementsAre("High GPU memory usage detected on GPU 1:",
                          "- Stop train.py (pid 42, ada) if it is not needed: it holds 30.0 GiB "
                          "(38 %) and computes nothing now"));
}

TEST(GpuSuggestions, SendToTheDoctorWhereTheDriverNamesNobody) {
  DeviceReport full = device_using(79);
  full.unattributed = gib(7);
  EXPECT_THAT(suggestions(report_of({full})), Not(Contains(HasSubstr("doctor"))));
  full.unattributed = gib(20);
  EXPECT_THAT(
      suggestions(report_of({full})),
      Contains("- Run `levee doctor` to find who holds 20.0 GiB (25 %): the driver names nobody"));
}

TEST(Suggestions, SurviveNumbersThatNoMachineHas) {
  const Bytes most{std::numeric_limits<std::uint64_t>::max()};
  MemoryReport report = report_of({device_using(79)});
  report.host_total = most;
  report.host_available = Bytes{};
  report.host_shared = most;
  report.host_holders = {holder(most, 1e300)};
  DeviceReport& device = report.devices[0];
  device.gpu.total = most;
  device.gpu.free = Bytes{};
  device.holders = {holder(most, -1e300)};
  device.unattributed = device.unused_cache = most;
  device.work =
      Work{.profile = {"m", most, most, most}, .batch = ~0ULL, .tokens = ~0ULL, .held = most};
  const auto lines = suggestions(report);
  EXPECT_EQ(lines.size(), 11U);
  EXPECT_THAT(lines, Each(Not(IsEmpty())));
  device.gpu.free = most;
  device.gpu.total = gib(1);
  EXPECT_THAT(suggestions(report), Not(Contains(HasSubstr("GPU memory")))) << "more free than all";
}

}  // namespace
}  // namespace levee::estimate
