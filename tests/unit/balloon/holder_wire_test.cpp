#include "balloon/holder_wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace levee::balloon::wire {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::vector<Message> one_of_each() {
  const HolderState state{mib(5), mib(6), 3, gib(10), std::nullopt};
  Following how;
  how.account = {"lease-1", {{1, 2}, 4711, 12345}, 1000};
  how.baton = {.promised = gib(12), .step = gib(1), .spare = gib(3)};
  how.baseline = mib(300);
  how.look = 1ms;
  const BatonState passing{true, false, std::nullopt, gib(4), gib(5), mib(1), "why"};
  return {Hold{1, gib(4), mib(100), 1500ms},
          Ask{2},
          Stop{std::numeric_limits<std::uint64_t>::max()},
          Growing{4, mib(100), gib(4)},
          Done{5, state},
          Failed{6, state, {ErrorCode::resource_exhausted, "CUDA out of memory", "ask for less"}},
          Follow{7, how},
          Yield{9, gib(2)},
          Passing{0, state, passing}};
}

TEST(HolderWire, BringsEveryMessageOverWhole) {
  Reader reader;
  for (const Message& message : one_of_each()) {
    reader.add(encode(message));
  }
  for (const Message& message : one_of_each()) {
    const auto next = reader.next();
    ASSERT_TRUE(next.has_value()) << next.error().message;
    EXPECT_EQ(*next, message);
  }
  EXPECT_EQ(*reader.next(), std::nullopt);
}

TEST(HolderWire, WaitsForTheRestOfAMessage) {
  for (const Message& message : one_of_each()) {
    Reader reader;
    const std::string frame = encode(message);
    for (const char byte : frame.substr(0, frame.size() - 1)) {
      reader.add({&byte, 1});
      const auto next = reader.next();
      ASSERT_TRUE(next.has_value());
      EXPECT_EQ(*next, std::nullopt);
    }
    reader.add(frame.substr(frame.size() - 1));
    EXPECT_EQ(*reader.next(), message);
  }
}

Error refused(std::string bytes) {
  Reader reader;
  reader.add(bytes);
  auto next = reader.next();
  EXPECT_FALSE(next.has_value());
  if (next) {
    return {};
  }
  EXPECT_EQ(next.error().code, ErrorCode::corrupt);
  EXPECT_FALSE(reader.next().has_value()) << "and goes on refusing";
  return next.error();
}

std::string with(std::string frame, std::size_t at, char byte) {
  frame.at(at) = byte;
  return frame;
}

TEST(HolderWire, RefusesWhatIsNoMessage) {
  const std::string good = encode(Ask{7});
  EXPECT_THAT(refused("GET / HTTP/1.1\r\n\r\n").message, HasSubstr("no message"));
  EXPECT_THAT(refused(with(good, 4, 9)).message, HasSubstr("version 9, and not 2"));
  EXPECT_THAT(refused(with(good, 6, 99)).message, HasSubstr("kind 99"));
  EXPECT_THAT(refused(with(good, 11, 1)).message, HasSubstr("no message")) << "16 MiB long";
  EXPECT_THAT(refused(with(good, 8, 7)).message, HasSubstr("damaged")) << "too short";
  EXPECT_THAT(refused(with(good, 8, 9) + "x").message, HasSubstr("damaged")) << "too long";
  EXPECT_THAT(refused(with(good, 6, 0)).message, HasSubstr("damaged")) << "of another kind";
}

TEST(HolderWire, RefusesTextsThatEndBeyondTheMessage) {
  const std::string good = encode(Failed{1, {}, {ErrorCode::internal, "why", "what"}});
  const std::size_t length_of_message = good.find("why") - 8;
  EXPECT_THAT(refused(with(good, length_of_message, 100)).message, HasSubstr("damaged"));
  EXPECT_THAT(refused(with(good, length_of_message + 7, 1)).message, HasSubstr("damaged"));
  const std::size_t code = length_of_message - 8;
  EXPECT_THAT(refused(with(good, code, 100)).message, HasSubstr("damaged")) << "no such code";
}

TEST(HolderWire, CutsTextsThatAreTooLong) {
  Reader reader;
  const std::string endless(100'000, 'x');
  reader.add(encode(Failed{1, {}, {ErrorCode::internal, endless, endless}}));
  const auto next = reader.next();
  ASSERT_TRUE(next.has_value() && next->has_value());
  EXPECT_EQ(std::get<Failed>(**next).error.message, std::string(2048, 'x'));
}

TEST(HolderWire, NoDeadlineIsEndless) {
  Reader reader;
  reader.add(encode(Hold{1, {}, {}, std::chrono::milliseconds::max()}));
  EXPECT_FALSE(reader.next().has_value());
  Reader other;
  other.add(encode(Hold{1, {}, {}, -5ms}));
  EXPECT_EQ(std::get<Hold>(**other.next()).deadline, 0ms);
}

TEST(HolderWire, SurvivesNoise) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes;
    for (const Message& message : one_of_each()) {
      bytes += encode(message);
    }
    for (std::uint32_t i = random() % 4; i > 0; --i) {
      bytes.at(random() % bytes.size()) = static_cast<char>(random());
    }
    Reader reader;
    reader.add(bytes);
    int messages = 0;
    for (auto next = reader.next(); next && *next; next = reader.next()) {
      ++messages;
    }
    EXPECT_LE(messages, 10);
  }
}

}  // namespace
}  // namespace levee::balloon::wire
