#include "api/http.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace levee::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

TEST(ParseTarget, SplitsPathAndQuery) {
  const auto target = parse_target("/api/v1/monitoring/alerts?severity=critical&limit=10");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->path, "/api/v1/monitoring/alerts");
  EXPECT_THAT(target->query, ElementsAre(Pair("severity", "critical"), Pair("limit", "10")));
}

TEST(ParseTarget, DecodesPercentEscapesInBothParts) {
  const auto target = parse_target("/a%2Fb%20c?n%61me=50%25+of%2B");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->path, "/a/b c");
  EXPECT_THAT(target->query, ElementsAre(Pair("name", "50% of+")));
}

TEST(ParseTarget, KeepsAPlusInThePath) { EXPECT_EQ(parse_target("/a+b")->path, "/a+b"); }

TEST(ParseTarget, TakesParametersWithoutValuesAndSkipsEmptyOnes) {
  EXPECT_THAT(parse_target("/?a&&b=&c==1&")->query,
              ElementsAre(Pair("a", ""), Pair("b", ""), Pair("c", "=1")));
  EXPECT_THAT(parse_target("/?")->query, IsEmpty());
}

TEST(ParseTarget, KeepsRepeatedParametersForTheRouteToRefuse) {
  EXPECT_THAT(parse_target("/?a=1&a=2")->query, ElementsAre(Pair("a", "1"), Pair("a", "2")));
}

TEST(ParseTarget, RefusesWhatIsNoPath) {
  for (const char* text : {"", "api", "*", "http://localhost/", "?a=1", " /", "\\"}) {
    const auto target = parse_target(text);
    ASSERT_FALSE(target.has_value()) << text;
    EXPECT_EQ(target.error().code, ErrorCode::invalid_argument);
    EXPECT_FALSE(target.error().hint.empty());
  }
}

TEST(ParseTarget, RefusesBrokenEscapesAndNamesThem) {
  for (const char* text : {"/%", "/%4", "/%zz", "/%4g", "/a?b=%", "/a?%g1=2", "/% 1", "/%-1"}) {
    const auto target = parse_target(text);
    ASSERT_FALSE(target.has_value()) << text;
    EXPECT_THAT(target.error().message, HasSubstr("%"));
  }
}

TEST(ParseTarget, RefusesNulBytesHoweverTheyAreWritten) {
  using std::string_view_literals::operator""sv;
  EXPECT_FALSE(parse_target("/a%00b").has_value());
  EXPECT_FALSE(parse_target("/a?b=%00").has_value());
  EXPECT_FALSE(parse_target("/a\0b"sv).has_value());
}

TEST(ErrorResponse, CarriesMessageHintAndCode) {
  const Response response =
      error_response(Error{ErrorCode::not_found, "no such key: x", "did you mean y?"});
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(*response.body,
            R"({"detail":"no such key: x","hint":"did you mean y?","code":"not_found"})");
}

TEST(ErrorResponse, StaysJsonWhenTheMessageIsNotUtf8) {
  const Response response = error_response(Error{ErrorCode::internal, "bad \xff byte", ""});
  EXPECT_EQ(nlohmann::json::parse(*response.body)["detail"], "bad \xEF\xBF\xBD byte");
}

TEST(HttpStatus, BelongsToTheCode) {
  EXPECT_EQ(http_status(ErrorCode::invalid_argument), 400);
  EXPECT_EQ(http_status(ErrorCode::permission_denied), 403);
  EXPECT_EQ(http_status(ErrorCode::not_found), 404);
  EXPECT_EQ(http_status(ErrorCode::already_exists), 409);
  EXPECT_EQ(http_status(ErrorCode::unavailable), 503);
  EXPECT_EQ(http_status(ErrorCode::resource_exhausted), 503);
  EXPECT_EQ(http_status(ErrorCode::timed_out), 504);
  EXPECT_EQ(http_status(ErrorCode::corrupt), 500);
  EXPECT_EQ(http_status(ErrorCode::internal), 500);
}

}  // namespace
}  // namespace levee::api
