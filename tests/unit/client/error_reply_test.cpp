#include "client/error_reply.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::client {
namespace {

using ::testing::HasSubstr;

TEST(ErrorOfReply, ReadsDetailHintAndCode) {
  EXPECT_EQ(error_of_reply(
                409, R"({"detail":"taken","hint":"choose another","code":"resource_exhausted"})"),
            (Error{ErrorCode::resource_exhausted, "taken", "choose another"}));
}

TEST(ErrorOfReply, KnowsEveryCodeByName) {
  for (const ErrorCode code :
       {ErrorCode::invalid_argument, ErrorCode::not_found, ErrorCode::permission_denied,
        ErrorCode::already_exists, ErrorCode::unavailable, ErrorCode::resource_exhausted,
        ErrorCode::corrupt, ErrorCode::timed_out, ErrorCode::internal}) {
    const auto body = R"({"detail":"d","code":")" + std::string{to_string(code)} + "\"}";
    EXPECT_EQ(error_of_reply(418, body).code, code);
  }
}

TEST(ErrorOfReply, TakesTheCodeFromTheStatusElse) {
  const std::pair<int, ErrorCode> cases[] = {
      {400, ErrorCode::invalid_argument},  {401, ErrorCode::permission_denied},
      {403, ErrorCode::permission_denied}, {404, ErrorCode::not_found},
      {405, ErrorCode::invalid_argument},  {408, ErrorCode::timed_out},
      {409, ErrorCode::already_exists},    {413, ErrorCode::invalid_argument},
      {422, ErrorCode::invalid_argument},  {429, ErrorCode::resource_exhausted},
      {431, ErrorCode::invalid_argument},  {500, ErrorCode::internal},
      {502, ErrorCode::unavailable},       {503, ErrorCode::unavailable},
      {504, ErrorCode::timed_out},         {599, ErrorCode::internal},
  };
  for (const auto& [status, code] : cases) {
    EXPECT_EQ(error_of_reply(status, R"({"detail":"d"})").code, code) << status;
    EXPECT_EQ(error_of_reply(status, R"({"detail":"d","code":"unheard_of"})").code, code);
    EXPECT_EQ(error_of_reply(status, R"({"detail":"d","code":7})").code, code);
  }
}

TEST(ErrorOfReply, ReadsTheSuccessFalseStyle) {
  EXPECT_EQ(error_of_reply(404, R"({"success":false,"error":"no such job"})"),
            (Error{ErrorCode::not_found, "no such job", ""}));
}

TEST(ErrorOfReply, ShowsADetailThatIsNoText) {
  EXPECT_EQ(error_of_reply(422, R"({"detail":[{"loc":["query","limit"]}]})").message,
            R"([{"loc":["query","limit"]}])");
}

TEST(ErrorOfReply, QuotesWhatItDoesNotUnderstand) {
  for (const auto* body : {"<html>", "[]", "null", "\"text\"", "{", "{}", R"({"detail":null})",
                           R"({"detail":""})", "\xff\xfe"}) {
    const auto error = error_of_reply(502, body);
    EXPECT_EQ(error.code, ErrorCode::unavailable);
    EXPECT_THAT(error.message, HasSubstr("HTTP status 502"));
    EXPECT_THAT(error.message, HasSubstr(body));
  }
  EXPECT_EQ(error_of_reply(500, "").message, "the daemon answered with HTTP status 500");
  EXPECT_LT(error_of_reply(500, std::string(100'000, 'x')).message.size(), 300U);
}

}  // namespace
}  // namespace levee::client
