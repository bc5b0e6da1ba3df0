#include "server/response_head.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

api::Response response_of(int status, std::string body = "{}") {
  api::Response response;
  response.status = status;
  response.body = std::make_shared<const std::string>(std::move(body));
  return response;
}

std::string head_of(const api::Response& response, Framing framing = Framing::keep_alive) {
  std::string head;
  append_head(head, response, framing);
  return head;
}

TEST(AppendHead, SaysWhatTheBodyIsAndThatNobodyMayKeepIt) {
  EXPECT_EQ(head_of(response_of(200, "hello")),
            "HTTP/1.1 200 OK\r\n"
            "Content-Type: application/json\r\n"
            "Content-Length: 5\r\n"
            "Server: levee\r\n"
            "Cache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\n"
            "\r\n");
}

TEST(AppendHead, SaysHowTheConnectionGoesOn) {
  EXPECT_THAT(head_of(response_of(200)), Not(HasSubstr("Connection")));
  EXPECT_THAT(head_of(response_of(200), Framing::close), HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(head_of(response_of(200), Framing::keep_alive_http_1_0),
              HasSubstr("\r\nConnection: keep-alive\r\n"));
}

TEST(AppendHead, GivesStreamsTheirTypeAndNoLength) {
  const auto head = head_of(response_of(200), Framing::stream);
  EXPECT_THAT(head, HasSubstr("Content-Type: text/event-stream\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(head, HasSubstr("Connection: close\r\n"));
}

TEST(AppendHead, GivesNoLengthWhereABodyIsForbidden) {
  for (const int status : {204, 304}) {
    EXPECT_THAT(head_of(response_of(status)), Not(HasSubstr("Content-Length"))) << status;
  }
}

TEST(AppendHead, LetsTheResponseReplaceUsualHeaders) {
  auto response = response_of(200);
  response.headers = {{"cache-control", "max-age=60"}, {"Allow", "GET, HEAD"}};
  const auto head = head_of(response);
  EXPECT_THAT(head, HasSubstr("cache-control: max-age=60\r\n"));
  EXPECT_THAT(head, HasSubstr("Allow: GET, HEAD\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("no-store")));
}

TEST(AppendHead, LeavesOutHeadersThatWouldBreakTheFormat) {
  auto response = response_of(200);
  response.headers = {{"X-Evil", "a\r\nX-Injected: 1"}, {"X Space", "1"},        {"", "1"},
                      {"X-Nul", std::string("\0", 1)},  {"X\r\nY", "1"},         {"X:", "1"},
                      {"Content-Length", "99"},         {"connection", "close"}, {"X-Good", "1"},
                      {"TRANSFER-ENCODING", "chunked"}, {"Content-Type", "x/y"}};
  response.content_type = "text/html\r\nX-Injected: 2";
  const auto head = head_of(response);
  EXPECT_THAT(head, Not(HasSubstr("Evil")));
  EXPECT_THAT(head, Not(HasSubstr("Injected")));
  EXPECT_THAT(head, Not(HasSubstr("X-Nul")));
  EXPECT_THAT(head, Not(HasSubstr("Space")));
  EXPECT_THAT(head, Not(HasSubstr("99")));
  EXPECT_THAT(head, Not(HasSubstr("onnection")));
  EXPECT_THAT(head, Not(HasSubstr("chunked")));
  EXPECT_THAT(head, Not(HasSubstr("x/y")));
  EXPECT_THAT(head, HasSubstr("X-Good: 1\r\n"));
}

TEST(ReasonPhrase, NamesEveryStatusTheApiUses) {
  EXPECT_EQ(reason_phrase(200), "OK");
  EXPECT_EQ(reason_phrase(503), "Service Unavailable");
  EXPECT_EQ(reason_phrase(299), "Unknown");
  for (const int status : {400, 403, 404, 405, 408, 409, 413, 431, 500, 501, 504}) {
    EXPECT_NE(reason_phrase(status), "Unknown") << status;
  }
}

}  // namespace
}  // namespace levee::server
