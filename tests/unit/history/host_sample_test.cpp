#include "history/host_sample.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/values.hpp"

namespace levee::history {
namespace {

using test::at;
using namespace std::chrono_literals;

TEST(HostSample, TakesWhatTheReadingKnows) {
  HostReading host = test::host_with(gib(16), gib(4));
  host.swap_total = gib(8);
  host.swap_free = gib(5);
  host.cpu_percent = 12.5;
  host.pressure = Pressure{.some = PressureLine{.avg10 = 1.5}, .full = {}};
  const HostSample sample = host_sample(host, at(1s));
  EXPECT_EQ(sample.at.mono, at(1s).mono);
  EXPECT_EQ(sample.swap_used, gib(3));
  EXPECT_EQ(sample.cpu_percent, 12.5);
  EXPECT_EQ(sample.pressure_some_avg10, 1.5);
  EXPECT_DOUBLE_EQ(sample.memory_percent(), 75.0);
}

TEST(HostSample, WhatIsNotKnownStaysAbsent) {
  HostReading host = test::host_with(gib(16), gib(4));
  host.swap_total = gib(8);  // without the free part nothing is known of the used one
  host.pressure = Pressure{.some = {}, .full = PressureLine{}};
  const HostSample sample = host_sample(host, at(1s));
  EXPECT_FALSE(sample.swap_used);
  EXPECT_FALSE(sample.cpu_percent);
  EXPECT_FALSE(sample.pressure_some_avg10);
}

TEST(HostSample, AvailableBeyondTotalCountsAsUnused) {
  EXPECT_DOUBLE_EQ(host_sample(test::host_with(gib(4), gib(5)), at(0s)).memory_percent(), 0.0);
}

HostSample sample_of(Bytes available, std::optional<double> cpu) {
  HostReading host = test::host_with(gib(100), available);
  host.cpu_percent = cpu;
  return host_sample(host, at(0s));
}

TEST(Average, OfNothingIsUnknown) {
  const HostAverage mean = average({});
  EXPECT_EQ(mean.samples, 0U);
  EXPECT_FALSE(mean.cpu_percent);
  EXPECT_FALSE(mean.memory_percent);
}

TEST(Average, CountsOnlySamplesThatHaveTheField) {
  const std::vector samples{sample_of(gib(80), {}), sample_of(gib(60), 10.0),
                            sample_of(gib(40), 30.0)};
  const HostAverage mean = average(samples);
  EXPECT_EQ(mean.samples, 3U);
  EXPECT_DOUBLE_EQ(mean.memory_percent.value(), 40.0);
  EXPECT_DOUBLE_EQ(mean.cpu_percent.value(), 20.0) << "the sample without CPU use is not a zero";
}

TEST(Average, FieldThatNoSampleHasIsUnknown) {
  const HostAverage mean = average(std::vector{sample_of(gib(80), {})});
  EXPECT_FALSE(mean.cpu_percent);
  EXPECT_DOUBLE_EQ(mean.memory_percent.value(), 20.0);
}

}  // namespace
}  // namespace levee::history
