#include "server/request_parser.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace levee::server {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using State = RequestParser::State;

constexpr std::size_t kHeader = 2048;
constexpr std::size_t kBody = 1000;

/// Feeds `bytes` in pieces of `step`; stops at the first complete or refused.
State feed(RequestParser& parser, std::string_view bytes, std::size_t step = 4096) {
  State state = State::partial;
  while (!bytes.empty() && state == State::partial) {
    const auto room = parser.prepare();
    EXPECT_FALSE(room.empty());
    const auto size = std::min({step, bytes.size(), room.size()});
    std::memcpy(room.data(), bytes.data(), size);
    bytes.remove_prefix(size);
    state = parser.commit(size);
  }
  return state;
}

/// The status with which `bytes` are refused; 0 if they are not.
int refusal_of(std::string_view bytes, std::size_t step = 4096) {
  RequestParser parser{kHeader, kBody};
  return feed(parser, bytes, step) == State::refused ? parser.refusal().status : 0;
}

TEST(RequestParser, FillsInWhatTheApiAsksFor) {
  RequestParser parser{kHeader, kBody};
  ASSERT_EQ(feed(parser,
                 "POST /api/v1/x?force=1 HTTP/1.1\r\nhost: localhost:8000\r\n"
                 "Origin: http://localhost:8000\r\nACCEPT: text/plain\r\n"
                 "Content-Type: application/json\r\nLast-Event-ID: 41\r\n"
                 "Content-Length: 4\r\n\r\nbody"),
            State::complete);
  const auto message = parser.take();
  EXPECT_EQ(message.request.method, "POST");
  EXPECT_EQ(message.request.target, "/api/v1/x?force=1");
  EXPECT_EQ(message.request.host, "localhost:8000");
  EXPECT_EQ(message.request.origin, "http://localhost:8000");
  EXPECT_EQ(message.request.accept, "text/plain");
  EXPECT_EQ(message.request.content_type, "application/json");
  EXPECT_EQ(message.request.last_event_id, "41");
  EXPECT_EQ(message.request.body, "body");
  EXPECT_TRUE(message.keep_alive);
  EXPECT_FALSE(message.http_1_0);
}

TEST(RequestParser, TakesARequestInPiecesOfAnySize) {
  constexpr std::string_view kRequest =
      "PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;ext=\"q\"\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-Trailer: 1\r\n\r\n";
  for (std::size_t step = 1; step <= kRequest.size(); ++step) {
    RequestParser parser{kHeader, kBody};
    ASSERT_EQ(feed(parser, kRequest, step), State::complete) << step;
    EXPECT_EQ(parser.take().request.body, "abc0123456789abcdef") << step;
  }
}

TEST(RequestParser, TakesAnEmptyChunkedBodyInPiecesOfAnySize) {
  for (const std::string_view end : {"0\r\n\r\n", "0;x\r\nX-Trailer: 1\r\n\r\n"}) {
    const auto request = "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string{end};
    for (std::size_t step = 1; step <= request.size(); ++step) {
      RequestParser parser{kHeader, kBody};
      ASSERT_EQ(feed(parser, request, step), State::complete) << step;
      EXPECT_EQ(parser.take().request.body, "") << step;
    }
  }
}

TEST(RequestParser, HandsOutPipelinedRequestsInOrder) {
  RequestParser parser{kHeader, kBody};
  ASSERT_EQ(feed(parser,
                 "GET /1 HTTP/1.1\r\n\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"
                 "GET /3 HTTP/1.1\r\n\r\nGET /4"),
            State::complete);
  EXPECT_EQ(parser.take().request.target, "/1");
  ASSERT_EQ(parser.advance(), State::complete);
  const auto second = parser.take();
  EXPECT_EQ(second.request.target, "/2");
  EXPECT_EQ(second.request.body, "x");
  ASSERT_EQ(parser.advance(), State::complete);
  EXPECT_EQ(parser.take().request.target, "/3");
  EXPECT_EQ(parser.advance(), State::partial);
  EXPECT_TRUE(parser.started());
}

TEST(RequestParser, KnowsWhetherTheConnectionIsKept) {
  const auto kept = [](std::string_view text) {
    RequestParser parser{kHeader, kBody};
    EXPECT_EQ(feed(parser, text), State::complete);
    return parser.take().keep_alive;
  };
  EXPECT_TRUE(kept("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_FALSE(kept("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"));
  EXPECT_FALSE(kept("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(kept("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST(RequestParser, IsNotStartedBeforeTheFirstByte) {
  RequestParser parser{kHeader, kBody};
  EXPECT_FALSE(parser.started());
  feed(parser, "\r\n\r\n");
  EXPECT_FALSE(parser.started()) << "empty lines before a request are no request";
  feed(parser, "G");
  EXPECT_TRUE(parser.started());
}

TEST(RequestParser, AsksOnceForTheBodyAClientHoldsBack) {
  RequestParser parser{kHeader, kBody};
  ASSERT_EQ(feed(parser, "POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"),
            State::partial);
  EXPECT_TRUE(parser.wants_continue());
  EXPECT_FALSE(parser.wants_continue());
  EXPECT_EQ(feed(parser, "ok"), State::complete);
  EXPECT_EQ(parser.take().request.body, "ok");
  feed(parser, "POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_FALSE(parser.wants_continue()) << "HTTP/1.0 does not know interim answers";
}

TEST(RequestParser, RefusesAHeldBackBodyThatIsTooLarge) {
  EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n"),
            413);
}

TEST(RequestParser, TakesBodiesUpToTheLimit) {
  const std::string body(kBody, 'b');
  RequestParser parser{kHeader, kBody};
  ASSERT_EQ(feed(parser, "PUT / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + body), State::complete);
  EXPECT_EQ(parser.take().request.body, body);
  EXPECT_EQ(refusal_of("PUT / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n"), 413);
  EXPECT_EQ(refusal_of("PUT / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n"), 413);
}

TEST(RequestParser, CountsChunksAgainstTheBodyLimit) {
  std::string request = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 10; ++i) {
    request += "64\r\n" + std::string(100, 'c') + "\r\n";
  }
  EXPECT_EQ(refusal_of(request + "0\r\n\r\n"), 0);
  EXPECT_EQ(refusal_of(request + "1\r\nc\r\n"), 413);
  EXPECT_EQ(refusal_of("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
            413);
}

TEST(RequestParser, RefusesHeadersOverTheLimit) {
  const std::string filler(kHeader, 'x');
  for (const std::size_t step : {1U, 7U, 1000U, 4096U}) {
    EXPECT_EQ(refusal_of("GET /" + filler + " HTTP/1.1\r\n\r\n", step), 431) << step;
    EXPECT_EQ(refusal_of("GET /" + filler, step), 431) << step;
    EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nX: " + filler + "\r\n\r\n", step), 431) << step;
    EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nX: " + filler, step), 431) << step;
  }
}

TEST(RequestParser, CountsRequestLineAndHeadersTogether) {
  const std::string half(kHeader / 2, 'x');
  EXPECT_EQ(refusal_of("GET /" + half + " HTTP/1.1\r\nX: " + half + "\r\n\r\n"), 431);
}

TEST(RequestParser, RefusesEndlessChunkExtensionsAndTrailers) {
  const std::string start = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string filler(20 * kHeader, 'x');
  EXPECT_EQ(refusal_of(start + "1;" + filler), 431);
  EXPECT_EQ(refusal_of(start + "0\r\nX: " + filler), 431);
}

TEST(RequestParser, DoesNotTakeHeadersFromTrailers) {
  RequestParser parser{kHeader, kBody};
  ASSERT_EQ(feed(parser,
                 "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "0\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n"),
            State::complete);
  const auto request = parser.take().request;
  EXPECT_THAT(request.host, IsEmpty());
  EXPECT_THAT(request.origin, IsEmpty());
}

TEST(RequestParser, RefusesWhatIsNoHttp) {
  using namespace std::string_view_literals;
  for (const auto bytes :
       {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"sv, "hello\r\n\r\n"sv,
        "GET /\r\n\r\n"sv, "GET / HTTP/2.0\r\n\r\n"sv, "GET / HTTP/1.2\r\n\r\n"sv,
        "GET / HTTP/0.9\r\n\r\n"sv, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"sv,
        "GET  / HTTP/1.1\r\n\r\n"sv, "GET / HTTP/1.1 \r\n\r\n"sv, " GET / HTTP/1.1\r\n\r\n"sv,
        "GET /\0 HTTP/1.1\r\n\r\n"sv, "G\xffT / HTTP/1.1\r\n\r\n"sv,
        "GET / HTTP/1.1\r\nNo colon\r\n\r\n"sv, "GET / HTTP/1.1\r\n: empty\r\n\r\n"sv,
        "GET / HTTP/1.1\r\nX : y\r\n\r\n"sv, "GET / HTTP/1.1\r\nX: \0\r\n\r\n"sv,
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"sv,
        "GET / HTTP/1.1\r\nOrigin: a\r\norigin: a\r\n\r\n"sv}) {
    EXPECT_EQ(refusal_of(bytes), 400) << bytes;
  }
}

TEST(RequestParser, RefusesBodiesWhoseEndIsInDoubt) {
  for (const auto* headers :
       {"Content-Length: 1\r\nContent-Length: 2", "Content-Length: x", "Content-Length: -1",
        "Content-Length: 99999999999999999999", "Content-Length:", "Content-Length: 1, 2",
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"}) {
    EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\n" + std::string{headers} + "\r\n\r\n"), 400)
        << headers;
  }
  for (const auto* coding : {"gzip", "gzip, chunked", "chunked, gzip", "identity", "\vchunked"}) {
    const int status =
        refusal_of("POST / HTTP/1.1\r\nTransfer-Encoding: " + std::string{coding} + "\r\n\r\n");
    EXPECT_TRUE(status == 501 || status == 400) << coding << " " << status;
  }
  for (const auto* chunks :
       {"x\r\n", "-1\r\n", "1\r\nabcd\r\n", "\r\n", "1 \r\na\r\n", "0x1\r\n\r\n"}) {
    EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" +
                         std::string{chunks} + "0\r\n\r\n"),
              400)
        << chunks;
  }
}

TEST(RequestParser, ExplainsARefusalAsJson) {
  RequestParser parser{kHeader, kBody};
  feed(parser, "nonsense\r\n\r\n");
  const auto& response = parser.refusal();
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_THAT(*response.body, HasSubstr("\"detail\""));
  EXPECT_THAT(*response.body, HasSubstr("\"hint\""));
  EXPECT_THAT(*response.body, HasSubstr("\"code\""));
}

TEST(RequestParser, StaysRefused) {
  RequestParser parser{kHeader, kBody};
  feed(parser, "nonsense\r\n\r\n");
  EXPECT_EQ(feed(parser, "GET / HTTP/1.1\r\n\r\n"), State::refused);
}

}  // namespace
}  // namespace levee::server
