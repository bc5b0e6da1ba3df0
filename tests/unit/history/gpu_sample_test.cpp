#include "history/gpu_sample.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "history/rollup.hpp"
#include "support/values.hpp"

namespace levee::history {
namespace {

using test::at;
using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

struct Element {
  Now at;
  int value = 0;
};

std::vector<int> values(const Blocks<Element>& blocks, Now now, std::chrono::seconds span) {
  std::vector<int> result;
  blocks.for_each(now.mono, span, [&](const Element& e) { result.push_back(e.value); });
  return result;
}

TEST(Blocks, AnswerASpanOldestFirst) {
  Blocks<Element> blocks;
  EXPECT_TRUE(blocks.empty());
  EXPECT_EQ(blocks.newest(), nullptr);
  for (int i = 0; i < 200; ++i) {
    blocks.append({at(i * 1s), i}, 900s);
  }
  EXPECT_THAT(values(blocks, at(199s), 2s), ElementsAre(197, 198, 199));
  EXPECT_EQ(values(blocks, at(199s), 900s).size(), 200U);
  EXPECT_THAT(values(blocks, at(5000s), 10s), IsEmpty());
  EXPECT_EQ(blocks.newest()->value, 199);
}

TEST(Blocks, DropWhatIsOlderThanTheSpanAndKeepTheRest) {
  Blocks<Element> blocks;
  for (int i = 0; i < 2000; ++i) {
    blocks.append({at(i * 1s), i}, 100s);
  }
  const auto all = values(blocks, at(1999s), 5000s);
  EXPECT_GE(all.size(), 100U);
  EXPECT_LE(all.size(), 100U + Blocks<Element>::kBlock);
  EXPECT_EQ(all.back(), 1999);
}

TEST(Blocks, ACopyDoesNotChangeWithTheOriginal) {
  Blocks<Element> blocks;
  blocks.append({at(0s), 1}, 900s);
  const Blocks<Element> copy = blocks;
  blocks.append({at(1s), 2}, 900s);
  EXPECT_THAT(values(copy, at(1s), 900s), ElementsAre(1));
  EXPECT_THAT(values(blocks, at(1s), 900s), ElementsAre(1, 2));
}

TEST(GpuPoints, AreOneSeriesPerKnownFigure) {
  GpuReading gpu = test::gpu_with(0, 60, 51, at(0s).mono);
  const auto points = points_of("GPU-0", gpu_sample(gpu, at(0s)));
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[0].series, "gpu/GPU-0/memory_used_bytes");
  EXPECT_EQ(points[0].value, 50.0 * (1ULL << 30U));
  EXPECT_EQ(points[2].series, "gpu/GPU-0/temperature_celsius");
  EXPECT_THAT(points_of("GPU-0", gpu_sample(test::gpu_with(0, {}, {}, at(0s).mono), at(0s))),
              IsEmpty());
}

}  // namespace
}  // namespace levee::history
