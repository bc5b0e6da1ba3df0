#include "gpus/wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "unit/gpus/gpu_values.hpp"

namespace levee::gpus::wire {
namespace {

using namespace levee::test;
using testing::HasSubstr;
using testing::SizeIs;

/// encode() and back; the line ends with its only line feed.
Message sent(const Message& message) {
  std::string line = encode(message);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  line.pop_back();
  auto decoded = decode(line);
  EXPECT_TRUE(decoded.has_value()) << decoded.error().message;
  return decoded.value();
}

template <class T>
T sent_as(const T& message) {
  return std::get<T>(sent(message));
}

/// The reading of `reading` as the daemon gets it.
GpuReading sent_reading(const GpuReading& reading) {
  return sent_as(Answer{1, {}, {reading}}).readings.at(0);
}

/// A decodable line with one part of it replaced.
std::string answer_with(std::string_view old, std::string_view replacement) {
  std::string line = encode(Answer{7, std::chrono::microseconds{5}, {full_reading()}});
  line.pop_back();
  const auto where = line.find(old);
  EXPECT_NE(where, std::string::npos) << old;
  return line.replace(where, old.size(), replacement);
}

TEST(Wire, CarriesAQuestion) {
  EXPECT_EQ(sent_as(Ask{7}), Ask{7});
  EXPECT_EQ(encode(Ask{7}), "{\"ask\":7}\n");
  EXPECT_EQ(sent_as(Ask{0xFFFF'FFFF'FFFF'FFFFULL}).number, 0xFFFF'FFFF'FFFF'FFFFULL);
}

TEST(Wire, CarriesTheListOfDevices) {
  const Devices devices{{gpu_named("GPU-a", 0), *full_reading().identity}};
  EXPECT_EQ(sent_as(devices), devices);
  EXPECT_EQ(sent_as(Devices{}), Devices{});
}

TEST(Wire, CarriesAnErrorReport) {
  const GpuXid xid{"GPU-a", 79, at({}).wall};
  EXPECT_EQ(sent_as(xid), xid);
}

TEST(Wire, CarriesATrouble) {
  const Trouble trouble{{"nvml", {ErrorCode::unavailable, "it broke", "mend it"}}, true};
  const Trouble got = sent_as(trouble);
  EXPECT_EQ(got.trouble.source, "nvml");
  EXPECT_EQ(got.trouble.error, trouble.trouble.error);
  EXPECT_TRUE(got.no_driver);
}

TEST(Wire, CarriesEveryFieldOfAReading) {
  const GpuReading reading = full_reading();
  const Answer got = sent_as(Answer{7, std::chrono::microseconds{1500}, {reading, reading}});
  EXPECT_EQ(got.number, 7U);
  EXPECT_EQ(got.took, std::chrono::microseconds{1500});
  ASSERT_THAT(got.readings, SizeIs(2));
  const GpuReading& back = got.readings[0];
  EXPECT_EQ(*back.identity, *reading.identity);
  EXPECT_EQ(back.condition, reading.condition);
  EXPECT_EQ(back.condition_detail, reading.condition_detail);
  EXPECT_EQ(back.memory, reading.memory);
  EXPECT_EQ(back.power_watts, 312.345);
  EXPECT_EQ(back.nvlink_tx_bytes, reading.nvlink_tx_bytes);
  EXPECT_EQ(back.slowdown_reasons, reading.slowdown_reasons);
  EXPECT_EQ(back.mig_enabled, false);
  EXPECT_EQ(back.health, reading.health);
  EXPECT_EQ(back.read_at, reading.read_at);
  ASSERT_THAT(back.processes.value(), SizeIs(2));
  EXPECT_EQ(back.processes->at(0).memory, std::nullopt);
  EXPECT_EQ(back.processes->at(1).pid, 4242);
  EXPECT_EQ(back.processes->at(1).memory, gib(8));
  EXPECT_EQ(back.processes->at(1).sm_percent, 99);
  EXPECT_EQ(back.processes->at(1).gpu_instance, 5U);
  // The fields that are not compared above.
  EXPECT_EQ(encode(got), encode(Answer{7, got.took, {reading, reading}}));
}

TEST(Wire, KeepsUnknownApartFromZeroAndFromEmpty) {
  GpuReading reading = reading_of(gpu_named("GPU-1", 0));
  reading.memory.reset();
  reading.utilization_percent = 0;
  EXPECT_EQ(sent_reading(reading).memory, std::nullopt);
  EXPECT_EQ(sent_reading(reading).utilization_percent, 0);
  EXPECT_EQ(sent_reading(reading).power_watts, std::nullopt);
  EXPECT_EQ(sent_reading(reading).processes.has_value(), false);
  reading.processes.emplace();
  EXPECT_THAT(sent_reading(reading).processes.value(), SizeIs(0));
}

TEST(Wire, SendsInfinityAsUnknown) {
  GpuReading reading = reading_of(gpu_named("GPU-1", 0));
  reading.power_watts = std::numeric_limits<double>::infinity();
  reading.fan_percent = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(sent_reading(reading).power_watts, std::nullopt);
  EXPECT_EQ(sent_reading(reading).fan_percent, std::nullopt);
}

TEST(Wire, MakesTextsThatAreNoUtf8OrTooLongPossible) {
  GpuReading reading = reading_of(gpu_named("GPU-1", 0));
  reading.compute_mode = "a\xFF z";
  EXPECT_EQ(sent_reading(reading).compute_mode, "a\xEF\xBF\xBD z");
  reading.condition_detail = std::string(kLongestText - 1, 'x') + "é";
  EXPECT_EQ(sent_reading(reading).condition_detail, std::string(kLongestText - 1, 'x'));
  reading.condition_detail = std::string(kLongestText, '\xFF');
  EXPECT_LE(sent_reading(reading).condition_detail.size(), kLongestText);
}

TEST(Wire, LeavesOutWhatIsBeyondItsBounds) {
  GpuReading reading = reading_of(gpu_named("GPU-1", 0));
  reading.processes.emplace(kMostProcesses + 1);
  reading.slowdown_reasons.assign(kMostReasons + 1, "odd");
  EXPECT_THAT(sent_reading(reading).processes.value(), SizeIs(kMostProcesses));
  EXPECT_THAT(sent_reading(reading).slowdown_reasons, SizeIs(kMostReasons));
  const std::vector<GpuReading> many(kMostReadings + 1, reading_of(gpu_named("GPU-1", 0)));
  EXPECT_THAT(sent_as(Answer{1, {}, many}).readings, SizeIs(kMostReadings));
  const std::vector<GpuIdentity> devices(kMostDevices + 1, gpu_named("GPU-1", 0));
  EXPECT_THAT(sent_as(Devices{devices}).devices, SizeIs(kMostDevices));
}

TEST(Wire, ALineOfTheMostProcessesStaysWithinTheLongestLine) {
  GpuReading reading = full_reading();
  reading.processes->assign(kMostProcesses, reading.processes->at(1));
  EXPECT_LT(encode(Answer{1, {}, {reading}}).size(), kLongestLine);
}

TEST(DecodeWire, RefusesWhatIsNoMessage) {
  const std::string deep(100'000, '[');
  for (const std::string& line :
       {std::string{}, std::string{"null"}, std::string{"[]"}, std::string{"{}"}, std::string{"7"},
        std::string{"{\"ask\":7"}, std::string{"{\"ask\":7}}"}, std::string{"{\"ask\":7} x"},
        std::string{"\0\0\0", 3}, std::string{"{\"\xFF\":1}"}, std::string{"{\"other\":1}"},
        std::string{"usage: levee [OPTIONS]"}, deep, "{\"ask\":" + deep}) {
    const auto decoded = decode(line);
    ASSERT_FALSE(decoded.has_value()) << line.substr(0, 50);
    EXPECT_EQ(decoded.error().code, ErrorCode::corrupt);
    EXPECT_LT(decoded.error().message.size(), 300U);
  }
}

TEST(DecodeWire, RefusesBadNumbers) {
  for (const char* line :
       {R"({"ask":-1})", R"({"ask":1.0})", R"({"ask":"1"})", R"({"ask":null})", R"({"ask":true})",
        R"({"ask":18446744073709551616})", R"({"ask":7,"and":8})", R"({"ask":[7]})",
        R"({"answer":7,"took_us":-1,"readings":[]})"}) {
    EXPECT_FALSE(decode(line).has_value()) << line;
  }
}

TEST(DecodeWire, RefusesReadingsThatLackOrBendAField) {
  EXPECT_TRUE(decode(answer_with("\"pid\":1", "\"pid\":2")).has_value());
  const std::vector<std::pair<std::string, std::string>> bends{
      {R"("uuid":"GPU-1")", R"("uuid":1)"},
      {R"("uuid":"GPU-1")", R"("other":"GPU-1")"},
      {R"("vendor":"amd")", R"("vendor":"acme")"},
      {R"("condition":"reset_required")", R"("condition":"fine")"},
      {R"("temperature_celsius":41.0)", R"("temperature_celsius":"41")"},
      {R"("temperature_celsius":41.0)", R"("temperature_celsius":1e999)"},
      {R"("temperature_celsius":41.0)", R"("temperature_celsius":null)"},
      {R"("mig_enabled":false)", R"("mig_enabled":0)"},
      {R"("pid":4242)", R"("pid":4294967296)"},
      {R"("slowdown_reasons":[)", R"("slowdown_reasons":[7,)"},
      {R"("total":85899345920)", R"("total":-1)"},
      {R"("total":85899345920)", R"("total":1.5)"},
      {R"("read_at":)", R"("read_at":0.)"},
      {R"("compute_mode":"default")", R"("compute_mode":"default","surprise":1)"},
      {R"("major":9)", R"("major":9,"minimum":1)"}};
  for (const auto& [old, replacement] : bends) {
    EXPECT_FALSE(decode(answer_with(old, replacement)).has_value()) << replacement;
  }
}

TEST(DecodeWire, RefusesMoreThanItsBounds) {
  EXPECT_FALSE(decode(R"({"trouble":{"source":")" + std::string(kLongestText + 1, 'x') +
                      R"(","error":{"code":"internal","message":"","hint":""}},"no_driver":false})")
                   .has_value());
  std::string uuids;
  for (std::size_t i = 0; i <= kMostDevices; ++i) {
    uuids += "{},";
  }
  uuids.pop_back();
  EXPECT_FALSE(decode("{\"devices\":[" + uuids + "]}").has_value());
  EXPECT_FALSE(decode(std::string(kLongestLine, ' ') + "{\"ask\":7}").has_value());
}

TEST(DecodeWire, RefusesAnAnswerWithoutAReading) {
  const auto decoded = decode(R"({"answer":7,"took_us":1,"readings":[]})");
  ASSERT_FALSE(decoded.has_value());
  EXPECT_THAT(decoded.error().message, HasSubstr("no reading"));
}

TEST(DecodeWire, NamesTheFieldThatIsWrong) {
  const auto decoded = decode(answer_with(R"("vendor":"amd")", R"("vendor":"acme")"));
  ASSERT_FALSE(decoded.has_value());
  EXPECT_THAT(decoded.error().message, HasSubstr("vendor"));
}

}  // namespace
}  // namespace levee::gpus::wire
