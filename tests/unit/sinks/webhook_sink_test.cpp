#include "sinks/webhook_sink.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "sinks/http_post.hpp"
#include "unit/sinks/sink_fixture.hpp"
#include "unit/sinks/web_server.hpp"

namespace levee::sinks {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string always_ok(int /*number*/) { return WebServer::status("200 OK"); }

WebhookOptions quick(std::string url) {
  return {.url = std::move(url),
          .timeout = 20s,
          .max_attempts = 3,
          .first_backoff = 1ms,
          .max_backoff = 2ms};
}

/// True when the one notification that was offered is dealt with.
bool is_done(const Sink& sink) {
  return eventually([&] { return sink.written() + sink.failed() > 0; });
}

TEST(Backoff, DoublesUpToItsLimit) {
  const WebhookOptions options;
  EXPECT_EQ(backoff(options, -5), 0ms);
  EXPECT_EQ(backoff(options, 0), 0ms);
  EXPECT_EQ(backoff(options, 1), 0ms);
  EXPECT_EQ(backoff(options, 2), 1s);
  EXPECT_EQ(backoff(options, 3), 2s);
  EXPECT_EQ(backoff(options, 7), 32s);
  EXPECT_EQ(backoff(options, 8), 60s);
  EXPECT_EQ(backoff(options, std::numeric_limits<std::int64_t>::max()), 60s);
}

TEST(HostOf, ShowsTheHostAndNeverASecret) {
  EXPECT_EQ(host_of("https://hooks.example.org/services/T0/SECRET"), "hooks.example.org");
  EXPECT_EQ(host_of("http://user:secret@[::1]:8080/x?token=secret"), "[::1]:8080");
  EXPECT_EQ(host_of("no address"), "");
  EXPECT_EQ(host_of(""), "");
}

TEST(WebhookSink, PostsTheAlertAsJson) {
  WebServer server(always_ok);
  WebhookSink sink(quick(server.url("/hook?x=1")));
  sink.offer(notify(alert(), "{\"kind\":\"alert\"}"));
  ASSERT_TRUE(is_done(sink));
  EXPECT_EQ(sink.written(), 1U);
  const std::string request = server.requests().at(0);
  EXPECT_THAT(request, StartsWith("POST /hook?x=1 HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(request, HasSubstr("User-Agent: levee/"));
  EXPECT_THAT(request, EndsWith("\r\n\r\n{\"kind\":\"alert\"}"));
}

TEST(WebhookSink, TellsOnlyWhatIsForPeople) {
  WebServer server(always_ok);
  auto options = quick(server.url());
  options.min_severity = Severity::critical;
  WebhookSink sink(options);
  sink.offer(notify(alert(Severity::warning), "1"));
  sink.offer(notify(plain(EventKind::daemon_started, ""), "2"));
  sink.offer(notify(alert(Severity::critical), "3"));
  sink.stop(20s);
  ASSERT_EQ(server.count(), 1U);
  EXPECT_THAT(server.requests()[0], EndsWith("\r\n3"));
}

TEST(WebhookSink, TriesAgainWhenTheServerHasTrouble) {
  for (const char* trouble : {"500 Oops", "503 Busy", "429 Slower", "408 Timeout", "599 Odd"}) {
    WebServer server(
        [&](int number) { return WebServer::status(number < 3 ? trouble : "204 No Content"); });
    WebhookSink sink(quick(server.url()));
    sink.offer(notify(alert()));
    ASSERT_TRUE(is_done(sink));
    EXPECT_EQ(sink.written(), 1U) << trouble;
    EXPECT_EQ(server.count(), 3U) << trouble;
  }
}

TEST(WebhookSink, GivesUpAfterTheLastAttempt) {
  WebServer server([](int) { return WebServer::status("500 Oops"); });
  WebhookSink sink(quick(server.url("/SECRET")));
  sink.offer(notify(alert()));
  ASSERT_TRUE(is_done(sink));
  EXPECT_EQ(sink.failed(), 1U);
  EXPECT_EQ(server.count(), 3U);
  EXPECT_THAT(sink.last_error()->message, HasSubstr("status 500"));
  EXPECT_THAT(sink.last_error()->message, Not(HasSubstr("SECRET")));
}

TEST(WebhookSink, DoesNotRepeatWhatTheServerRefuses) {
  for (const char* refusal : {"400 Bad", "401 No", "404 Gone", "301 Moved", "304 Same"}) {
    WebServer server([&](int) { return WebServer::status(refusal, "Location: /elsewhere\r\n"); });
    WebhookSink sink(quick(server.url()));
    sink.offer(notify(alert()));
    ASSERT_TRUE(is_done(sink));
    EXPECT_EQ(sink.failed(), 1U) << refusal;
    EXPECT_EQ(server.count(), 1U) << refusal;
  }
}

TEST(WebhookSink, TriesAgainWhenNobodyListens) {
  std::string url;
  {
    const WebServer gone(always_ok);
    url = gone.url();
  }
  WebhookSink sink(quick(url));
  sink.offer(notify(alert()));
  ASSERT_TRUE(is_done(sink));
  EXPECT_EQ(sink.failed(), 1U);
  EXPECT_EQ(sink.last_error()->code, ErrorCode::unavailable);
}

TEST(WebhookSink, TriesAgainWhenTheAnswerIsNoHttp) {
  WebServer server([](int number) {
    return number == 1 ? std::string("hello?\r\n\r\n") : WebServer::status("200 OK");
  });
  WebhookSink sink(quick(server.url()));
  sink.offer(notify(alert()));
  ASSERT_TRUE(is_done(sink));
  EXPECT_EQ(sink.written(), 1U);
}

TEST(WebhookSink, DoesNotTryAddressesItMustNotUse) {
  const TempDir dir;
  put(dir / "file", "");
  for (const std::string& url :
       {"file://" + (dir / "file").string(), std::string("ftp://127.0.0.1/"),
        std::string("gopher://127.0.0.1/"), std::string("http://"), std::string()}) {
    auto options = quick(url);
    options.first_backoff = options.max_backoff = 1h;  // A second attempt would never come.
    WebhookSink sink(options);
    sink.offer(notify(alert()));
    ASSERT_TRUE(is_done(sink)) << url;
    EXPECT_EQ(sink.last_error()->code, ErrorCode::invalid_argument) << url;
  }
}

TEST(WebhookSink, GivesUpAnAttemptThatTakesTooLong) {
  WebServer server(
      [](int number) { return number == 1 ? std::string() : WebServer::status("200 OK"); });
  auto options = quick(server.url());
  options.timeout = 50ms;
  options.max_attempts = 100;
  WebhookSink sink(options);
  sink.offer(notify(alert()));
  ASSERT_TRUE(is_done(sink));
  EXPECT_EQ(sink.written(), 1U);
  EXPECT_GE(server.count(), 2U);
}

TEST(WebhookSink, StopsDuringAnAttempt) {
  WebServer server([](int) { return std::string(); });
  auto options = quick(server.url());
  options.timeout = 1h;
  WebhookSink sink(options);
  sink.offer(notify(alert()));
  ASSERT_TRUE(eventually([&] { return server.count() == 1; }));
  sink.stop(1ms);
  EXPECT_EQ(sink.failed(), 1U);
}

TEST(WebhookSink, StopsWhileItWaitsForTheNextAttempt) {
  WebServer server([](int) { return WebServer::status("500 Oops"); });
  auto options = quick(server.url());
  options.first_backoff = options.max_backoff = 1h;
  options.give_up_after = 24h;
  WebhookSink sink(options);
  sink.offer(notify(alert()));
  ASSERT_TRUE(eventually([&] { return server.count() == 1; }));
  sink.stop(1ms);
  EXPECT_EQ(sink.failed(), 1U);
}

TEST(WebhookSink, WaitsAsLongAsTheServerAsksWithinItsLimit) {
  WebServer server([](int) { return WebServer::status("429 Slower", "Retry-After: 3600\r\n"); });
  auto options = quick(server.url());
  options.max_backoff = 1h;
  options.give_up_after = 1min;  // Shorter than what the server asks for.
  WebhookSink sink(options);
  sink.offer(notify(alert()));
  ASSERT_TRUE(is_done(sink));
  EXPECT_EQ(server.count(), 1U);
}

TEST(WebhookSink, HoldsNothingUpForLongerThanItMay) {
  WebServer server(
      [](int number) { return WebServer::status(number == 1 ? "500 Oops" : "200 OK"); });
  auto options = quick(server.url());
  options.first_backoff = options.max_backoff = 10s;
  options.give_up_after = 1s;
  WebhookSink sink(options);
  sink.offer(notify(alert(), "old"));
  sink.offer(notify(alert(), "new"));
  sink.stop(20s);
  EXPECT_EQ(sink.failed(), 1U);
  EXPECT_EQ(sink.written(), 1U);
  EXPECT_THAT(server.requests().back(), EndsWith("new"));
}

TEST(WebhookSink, DeliversALargeBodyAndReadsNoEndlessAnswer) {
  WebServer server([](int) {
    return "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + std::string(1'000'000, 'x');
  });
  WebhookSink sink(quick(server.url()));
  const std::string body(1'000'000, 'y');
  sink.offer(notify(alert(), body));
  ASSERT_TRUE(is_done(sink));
  EXPECT_EQ(sink.written(), 1U);
  EXPECT_THAT(server.requests().at(0), EndsWith("\r\n\r\n" + body));
}

TEST(WebhookSink, HasANameOfItsOwnThatHidesThePath) {
  WebhookSink one({.url = "https://hooks.example.org/services/SECRET1"});
  WebhookSink two({.url = "https://hooks.example.org/services/SECRET2"});
  EXPECT_NE(one.name(), two.name());
  EXPECT_THAT(one.name(), testing::MatchesRegex("webhook:hooks.example.org#[0-9a-f]{6}"));
}

}  // namespace
}  // namespace levee::sinks
