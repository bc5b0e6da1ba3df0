// Every limit exceeded once, over real sockets.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <future>
#include <list>
#include <vector>

#include "harness.hpp"

namespace levee::server {
namespace {

using namespace testing;
using ::testing::HasSubstr;

Limits small() {
  Limits limits;
  limits.header_bytes = 1024;
  limits.body_bytes = 2000;
  return limits;
}

TEST(ServerLimits, RefusesLargeHeaders) {
  RunningServer server{on_a_free_port(small())};
  auto wire = server.connect();
  const auto answer = wire.ask("GET / HTTP/1.1\r\nX: " + std::string(1024, 'x') + "\r\n\r\n");
  EXPECT_EQ(answer.status, 431);
  EXPECT_THAT(answer.body, HasSubstr("larger than 1024 bytes"));
  EXPECT_EQ(wire.read_to_end(), "");
}

TEST(ServerLimits, RefusesAHeaderThatNeverEnds) {
  RunningServer server{on_a_free_port(small())};
  auto wire = server.connect();
  wire.send("GET / HTTP/1.1\r\nX: " + std::string(1024, 'x'));
  EXPECT_EQ(wire.answer().status, 431);
}

TEST(ServerLimits, RefusesLargeBodiesSoThatTheClientCanReadWhy) {
  RunningServer server{on_a_free_port(small())};
  for (const auto* kind : {"Content-Length: 4000000", "Transfer-Encoding: chunked"}) {
    auto wire = server.connect();
    wire.send("POST / HTTP/1.1\r\n" + std::string{kind} + "\r\n\r\n3d0900\r\n");
    // A rude client sends all of it before it looks at the answer.
    EXPECT_TRUE(wire.send(std::string(4000000, 'b')));
    const auto answer = wire.answer();
    EXPECT_EQ(answer.status, 413);
    EXPECT_THAT(answer.body, HasSubstr("larger than 2000 bytes"));
  }
}

TEST(ServerLimits, CutsAClientThatNeverStopsSending) {
  RunningServer server{on_a_free_port(small())};
  auto wire = server.connect();
  wire.send("POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n");
  const std::string megabyte(std::size_t{1} << 20, 'b');
  int sent = 0;
  while (sent < 1000 && wire.send(megabyte)) {
    ++sent;
  }
  EXPECT_LT(sent, 1000);
  EXPECT_TRUE(server.reaches([](auto counts) { return counts.open_connections == 0; }));
}

TEST(ServerLimits, TellsASlowSenderThatItsTimeIsUp) {
  auto limits = small();
  limits.request_time = 300ms;
  RunningServer server{on_a_free_port(limits)};
  auto wire = server.connect();
  // Dripping bytes must not extend the deadline: it counts from the first byte.
  wire.send("GET / HTTP/1.1\r\n");
  const auto start = std::chrono::steady_clock::now();
  while (!wire.stirs_within(20ms) && std::chrono::steady_clock::now() - start < kPatience) {
    wire.send("X: y\r\n");
  }
  EXPECT_GE(std::chrono::steady_clock::now() - start, 280ms);
  EXPECT_EQ(wire.answer().status, 408);
}

TEST(ServerLimits, GivesEachRequestOfAConnectionItsOwnTime) {
  auto limits = small();
  limits.request_time = 300ms;
  RunningServer server{on_a_free_port(limits)};
  auto wire = server.connect();
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < 700ms) {
    wire.send("GET / HT");
    EXPECT_FALSE(wire.stirs_within(100ms));
    EXPECT_EQ(wire.ask("TP/1.1\r\n\r\n").status, 200);
  }
}

TEST(ServerLimits, ClosesIdleConnections) {
  auto limits = small();
  limits.idle_time = 200ms;
  RunningServer server{on_a_free_port(limits)};
  auto fresh = server.connect();
  auto used = server.connect();
  EXPECT_EQ(used.ask("GET / HTTP/1.1\r\n\r\n").status, 200);
  auto only_empty_lines = server.connect();
  only_empty_lines.send("\r\n\r\n");
  EXPECT_EQ(fresh.read_to_end(), "");
  EXPECT_EQ(used.read_to_end(), "");
  EXPECT_EQ(only_empty_lines.read_to_end(), "");
}

TEST(ServerLimits, DoesNotCallAWaitingClientIdle) {
  auto limits = small();
  limits.idle_time = limits.request_time = limits.write_time = 100ms;
  std::promise<api::Responder> asked;
  RunningServer server{
      on_a_free_port(limits),
      [&](const api::Request&, const api::Responder& respond) { asked.set_value(respond); }};
  auto wire = server.connect();
  wire.send("GET / HTTP/1.1\r\n\r\n");
  const auto respond = asked.get_future().get();
  EXPECT_FALSE(wire.stirs_within(400ms));
  respond(page("at last"));
  EXPECT_EQ(wire.answer().body, "at last");
}

TEST(ServerLimits, CutsAClientThatDoesNotReadItsAnswer) {
  auto limits = small();
  limits.write_time = 200ms;
  RunningServer server{on_a_free_port(limits),
                       [](const api::Request&, const api::Responder& respond) {
                         respond(page(std::string(std::size_t{64} << 20, 'x')));
                       }};
  auto wire = server.connect();
  wire.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(server.reaches([](auto counts) { return counts.requests == 1; }));
  EXPECT_TRUE(server.reaches([](auto counts) { return counts.open_connections == 0; }));
  const auto rest = wire.read_to_end();
  EXPECT_LT(rest ? rest->size() : 0, std::size_t{64} << 20);
}

TEST(ServerLimits, TurnsAwayThousandsOverTheLimitAndGoesOn) {
  auto limits = small();
  limits.connections = 8;
  RunningServer server{on_a_free_port(limits)};
  std::list<Wire> inside;
  for (int i = 0; i < 8; ++i) {
    inside.push_back(server.connect());
    EXPECT_EQ(inside.back().ask("GET / HTTP/1.1\r\n\r\n").status, 200);
  }
  for (int i = 0; i < 2000; ++i) {
    auto wire = server.connect();
    const auto answer = wire.answer();
    ASSERT_EQ(answer.status, 503) << i;
    ASSERT_THAT(answer.body, HasSubstr("all 8 connections are in use"));
    ASSERT_EQ(wire.read_to_end(), "");
  }
  EXPECT_EQ(server->counts().refused_connections, 2000U);
  for (auto& wire : inside) {
    EXPECT_EQ(wire.ask("GET / HTTP/1.1\r\n\r\n").status, 200);
  }
  inside.pop_front();
  ASSERT_TRUE(server.reaches([](auto counts) { return counts.open_connections == 7; }));
  EXPECT_EQ(server.connect().ask("GET / HTTP/1.1\r\n\r\n").status, 200);
}

TEST(ServerLimits, TakesClientsAgainAfterRunningOutOfDescriptors) {
  RunningServer server{on_a_free_port(small())};
  std::optional<Wire> wire;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  {
    // Connecting needs one descriptor here; accepting it would need the next.
    const sources::Fd next{::dup(0)};
    rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(next.get()) + 1;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  }
  wire = server.connect();
  wire->send("GET / HTTP/1.1\r\n\r\n");
  const bool answered = wire->stirs_within(300ms);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_FALSE(answered) << "the limit was meant to keep the server from accepting";
  EXPECT_EQ(wire->answer().status, 200);
}

TEST(ServerLimits, KeepsDescriptorsForTheRestOfTheDaemon) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = 60;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  RunningServer server{on_a_free_port(small())};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  std::list<Wire> wires;
  for (int i = 0; i < 31; ++i) {
    wires.push_back(server.connect());
  }
  EXPECT_THAT(wires.back().answer().body, HasSubstr("all 30 connections are in use"));
}

}  // namespace
}  // namespace levee::server
