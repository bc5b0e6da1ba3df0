#include "reclaim/wire.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace levee::reclaim::wire {
namespace {

using testing::HasSubstr;

template <class T>
T decoded(std::string_view line) {
  const auto message = decode(line);
  if (!message || !std::holds_alternative<T>(*message)) {
    ADD_FAILURE() << line << ": " << (message ? "another message" : message.error().message);
    return {};
  }
  return std::get<T>(*message);
}

TEST(Wire, SaysEveryMessageOnOneLineAndUnderstandsIt) {
  const Message messages[] = {
      Register{.name = "trainer \"7\"\n",
               .priority = -1000,
               .offers = {{ReclaimStrategy::clear_cache, "host", gib(3)},
                          {ReclaimStrategy::offload, "GPU-0", std::nullopt}}},
      Register{},
      Update{.offers = {{ReclaimStrategy::reduce_batch, "MIG-1", Bytes{}}}},
      Update{},
      Answer{.id = 7, .result = Outcome::done, .freed = gib(64), .message = "größer"},
      Answer{.id = 8, .result = Outcome::failed, .freed = {}, .message = ""},
      Goodbye{},
      Welcome{.client = "r12"},
      Request{.id = 1,
              .strategy = ReclaimStrategy::yield_balloon,
              .device = "GPU-1",
              .bytes = mib(1),
              .deadline = std::chrono::milliseconds{250},
              .reason = "GPU 1 is full"},
      Fault{{ErrorCode::timed_out, "too slow", "hurry"}},
  };
  for (const Message& message : messages) {
    std::string line = encode(message);
    ASSERT_EQ(line.find('\n'), line.size() - 1) << line;
    line.pop_back();
    const auto again = decode(line);
    ASSERT_TRUE(again) << line << again.error().message;
    EXPECT_EQ(*again, message) << line;
  }
}

TEST(Wire, NeedsOnlyWhatHasNoObviousMeaning) {
  const auto hello = decoded<Register>(R"({"type":"register","offers":[]})");
  EXPECT_EQ(hello, Register{});
  const auto answer = decoded<Answer>(R"({"type":"answer","id":3,"result":"refused"})");
  EXPECT_EQ(answer, (Answer{.id = 3, .result = Outcome::refused, .freed = {}, .message = ""}));
}

TEST(Wire, LeavesAloneWhatALaterVersionMayAdd) {
  EXPECT_EQ(decoded<Goodbye>(R"({"type":"goodbye","mood":{"why":["so","soon"]}})"), Goodbye{});
}

TEST(Wire, SaysWhatIsWrongAndHowItShouldBe) {
  struct Row {
    std::string line;
    const char* message;
    const char* hint;
  };
  const auto offer = [](const char* offer_text) {
    return fmt::format(R"({{"type":"update","offers":[{}]}})", offer_text);
  };
  const Row rows[] = {
      {"", "no JSON object", "one object per line"},
      {"hello", "no JSON object", ""},
      {"[]", "no JSON object", ""},
      {"7", "no JSON object", ""},
      {R"({"type":"goodbye")", "no JSON object", ""},
      {R"({"type":"goodbye"} {})", "no JSON object", ""},
      {"{}", "\"type\" is missing", "reclaim-protocol"},
      {R"({"type":7})", "\"type\" is 7", "a text"},
      {R"({"type":"bye"})", "\"type\" is \"bye\"", "register, update, answer and goodbye"},
      {R"({"type":"register"})", "register: \"offers\" is missing", ""},
      {R"({"type":"register","offers":{}})", "\"offers\" is {}", "a list of at most 64"},
      {R"({"type":"register","offers":[],"priority":1001})", "\"priority\" is 1001",
       "-1000 to 1000"},
      {R"({"type":"register","offers":[],"priority":0.5})", "\"priority\" is 0.5", "whole number"},
      {R"({"type":"register","offers":[],"name":7})", "\"name\" is 7", "a text"},
      {offer("1"), "\"offers\" is 1", "objects with strategy"},
      {offer("{}"), "\"strategy\" is missing", ""},
      {offer(R"({"strategy":"pray","device":"host"})"), "\"strategy\" is \"pray\"", "clear_cache,"},
      {offer(R"({"strategy":"offload"})"), "\"device\" is missing", ""},
      {offer(R"({"strategy":"offload","device":""})"), "\"device\" is \"\"", "UUID"},
      {offer(R"({"strategy":"offload","device":"a b"})"), "\"device\" is \"a b\"", "UUID"},
      {offer(R"({"strategy":"offload","device":"host","estimate_bytes":-1})"),
       "\"estimate_bytes\" is -1", "whole number from 0"},
      {offer(R"({"strategy":"offload","device":"host","estimate_bytes":18446744073709551615})"),
       "\"estimate_bytes\" is 18446744073709551615", ""},
      {offer(R"({"strategy":"offload","device":"host"},{"strategy":"OFFLOAD","device":"host"})"),
       "\"offers\"", "at most once"},
      {R"({"type":"answer","result":"done"})", "\"id\" is missing", ""},
      {R"({"type":"answer","id":-1,"result":"done"})", "\"id\" is -1", ""},
      {R"({"type":"answer","id":1})", "\"result\" is missing", ""},
      {R"({"type":"answer","id":1,"result":"gone"})", "\"result\" is \"gone\"", "done, refused"},
      {R"({"type":"answer","id":1,"result":"done","freed_bytes":"1GB"})", "\"freed_bytes\" is", ""},
      {R"({"type":"answer","id":1,"result":"done","freed_bytes":1e400})", "no JSON object", ""},
  };
  for (const Row& row : rows) {
    const auto message = decode(row.line);
    ASSERT_FALSE(message) << row.line;
    EXPECT_EQ(message.error().code, ErrorCode::invalid_argument) << row.line;
    EXPECT_THAT(message.error().message, HasSubstr(row.message)) << row.line;
    EXPECT_THAT(message.error().hint, HasSubstr(row.hint)) << row.line;
  }
}

TEST(Wire, RefusesWhatIsBeyondItsBounds) {
  const std::string long_name(kLongestName + 1, 'n');
  EXPECT_FALSE(decode(fmt::format(R"({{"type":"register","offers":[],"name":"{}"}})", long_name)));
  EXPECT_FALSE(decode(std::string(kLongestLine + 1, ' ')));
  EXPECT_FALSE(
      decode(R"({"type":"goodbye","x":)" + std::string(1000, '[') + std::string(1000, ']') + "}"));
  std::string offers;
  for (std::size_t i = 0; i <= kMostOffers; ++i) {
    offers += fmt::format(R"({}{{"strategy":"offload","device":"GPU-{}"}})", i == 0 ? "" : ",", i);
  }
  const auto many = decode(fmt::format(R"({{"type":"update","offers":[{}]}})", offers));
  ASSERT_FALSE(many);
  EXPECT_LT(many.error().message.size(), 200U) << "it quotes no more than the beginning";
}

TEST(Wire, CutsItsOwnTextsToWhatItMayRead) {
  const std::string huge(100'000, 'x');
  Register hello{.name = huge, .priority = 0, .offers = {}};
  std::string line = encode(hello);
  line.pop_back();
  EXPECT_EQ(decoded<Register>(line).name.size(), kLongestName);
  line = encode(Answer{.id = 1, .result = Outcome::failed, .freed = {}, .message = huge});
  line.pop_back();
  EXPECT_EQ(decoded<Answer>(line).message.size(), kLongestText);
  // Not within a character, and no bad UTF-8.
  line = encode(Register{.name = std::string(63, 'x') + "ü\xff", .priority = 0, .offers = {}});
  line.pop_back();
  EXPECT_EQ(decoded<Register>(line).name, std::string(63, 'x'));
}

TEST(ChooseProtocol, TakesOursAmongOthers) {
  EXPECT_EQ(choose_protocol("levee-reclaim/1").value_or(""), "levee-reclaim/1");
  EXPECT_EQ(choose_protocol("levee-reclaim/2, levee-reclaim/1").value_or(""), "levee-reclaim/1");
  EXPECT_EQ(choose_protocol(" websocket ,\tlevee-reclaim/1 ").value_or(""), "levee-reclaim/1");
}

TEST(ChooseProtocol, RefusesAnyOtherAndNamesTheAcceptedOne) {
  for (const char* upgrade : {"", "levee-reclaim/2", "levee-reclaim", "levee-reclaim/10",
                              "websocket", ",,,", "LEVEE-RECLAIM/1"}) {
    const auto chosen = choose_protocol(upgrade);
    ASSERT_FALSE(chosen) << upgrade;
    EXPECT_THAT(chosen.error().hint, HasSubstr("levee-reclaim/1")) << upgrade;
  }
}

}  // namespace
}  // namespace levee::reclaim::wire
