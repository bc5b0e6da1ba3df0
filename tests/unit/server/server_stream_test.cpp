// Streams of server-sent events over real sockets.
#include <gmock/gmock.h>

#include <list>

#include "harness.hpp"

namespace levee::server {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::Not;

void stream_or_echo(const api::Request& request, const api::Responder& respond) {
  request.target == "/stream" ? respond(stream_of("data: first\n\n")) : echo(request, respond);
}

std::shared_ptr<const std::string> frame(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

Wire open_stream(const RunningServer& server) {
  auto wire = server.connect();
  wire.send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(wire.read_to("\r\n\r\n"), HasSubstr("Content-Type: text/event-stream\r\n"));
  EXPECT_EQ(wire.read_to("\n\n"), "data: first\n\n");
  return wire;
}

TEST(ServerStream, SendsItsFirstPageThenEveryFrameInOrder) {
  RunningServer server{on_a_free_port(), stream_or_echo};
  auto wire = open_stream(server);
  EXPECT_EQ(server->counts().streams, 1U);
  for (int i = 0; i < 1000; ++i) {
    server->broadcast(frame("data: " + std::to_string(i) + "\n\n"));
  }
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(wire.read_to("\n\n"), "data: " + std::to_string(i) + "\n\n");
  }
}

TEST(ServerStream, SendsFramesToStreamsOnly) {
  RunningServer server{on_a_free_port(), stream_or_echo};
  auto stream = open_stream(server);
  auto plain = server.connect();
  EXPECT_EQ(plain.ask("GET / HTTP/1.1\r\n\r\n").status, 200);
  server->broadcast(frame("data: x\n\n"));
  EXPECT_EQ(stream.read_to("\n\n"), "data: x\n\n");
  EXPECT_EQ(plain.ask("GET /y HTTP/1.1\r\n\r\n").body, "GET /y ");
}

TEST(ServerStream, AnswersHeadWithoutBecomingAStream) {
  RunningServer server{on_a_free_port(), stream_or_echo};
  auto wire = server.connect();
  EXPECT_EQ(wire.ask("HEAD /stream HTTP/1.1\r\n\r\n", false).status, 200);
  EXPECT_EQ(wire.ask("GET / HTTP/1.1\r\n\r\n").status, 200);
  EXPECT_EQ(server->counts().streams, 0U);
}

TEST(ServerStream, ServesFiveHundredReadersAndPlainRequestsBesides) {
  RunningServer server{on_a_free_port(), stream_or_echo};
  std::list<Wire> streams;
  for (int i = 0; i < 500; ++i) {
    streams.push_back(open_stream(server));
  }
  EXPECT_EQ(server->counts().streams, 500U);
  auto plain = server.connect();
  for (int i = 0; i < 10; ++i) {
    server->broadcast(frame("data: tick\n\n"));
    EXPECT_EQ(plain.ask("GET / HTTP/1.1\r\n\r\n").status, 200);
  }
  for (auto& wire : streams) {
    for (int i = 0; i < 10; ++i) {
      ASSERT_EQ(wire.read_to("\n\n"), "data: tick\n\n");
    }
  }
  EXPECT_EQ(server->counts().streams_cut, 0U);
}

TEST(ServerStream, NoticesThatAReaderHasGone) {
  RunningServer server{on_a_free_port(), stream_or_echo};
  auto wire = open_stream(server);
  wire.close();
  EXPECT_TRUE(server.reaches([](auto counts) { return counts.streams == 0; }));
  EXPECT_EQ(server->counts().open_connections, 0U);
  EXPECT_EQ(server->counts().streams_cut, 0U);
}

TEST(ServerStream, CutsAReaderThatFallsBehindAndNobodyElse) {
  Limits limits;
  limits.stream_queue_bytes = 16 * 1024;
  RunningServer server{on_a_free_port(limits), stream_or_echo};
  auto slow = open_stream(server);
  auto good = open_stream(server);
  const auto large = frame("data: " + std::string(8000, 'x') + "\n\n");
  // The kernel buffers megabytes on the reader's side before the queue here begins to grow.
  for (int i = 0; i < 10'000 && server->counts().streams_cut == 0; ++i) {
    server->broadcast(large);
    ASSERT_EQ(good.read_to("\n\n").size(), large->size());
  }
  EXPECT_EQ(server->counts().streams_cut, 1U);
  EXPECT_EQ(server->counts().streams, 1U);
  EXPECT_TRUE(slow.read_to_end());
}

TEST(ServerStream, CutsAReaderThatStopsReading) {
  Limits limits;
  limits.stream_queue_bytes = std::size_t{64} << 20;
  limits.write_time = 200ms;
  RunningServer server{on_a_free_port(limits), stream_or_echo};
  auto wire = open_stream(server);
  for (int i = 0; i < 16; ++i) {
    server->broadcast(frame(std::string(std::size_t{1} << 20, 'x')));
  }
  EXPECT_TRUE(server.reaches([](auto counts) { return counts.streams_cut == 1; }));
  EXPECT_EQ(server->counts().open_connections, 0U);
}

TEST(ServerStream, DoesNotCountTheFirstPageAsBacklog) {
  Limits limits;
  limits.stream_queue_bytes = 1024;
  const std::string first = std::string(std::size_t{4} << 20, 'x') + "\n\n";
  RunningServer server{
      on_a_free_port(limits),
      [&](const api::Request&, const api::Responder& respond) { respond(stream_of(first)); }};
  auto wire = server.connect();
  wire.send("GET /stream HTTP/1.1\r\n\r\n");
  wire.read_to("\r\n\r\n");
  server->broadcast(frame("data: next\n\n"));
  EXPECT_EQ(wire.read_to("\n\n").size(), first.size());
  EXPECT_EQ(wire.read_to("\n\n"), "data: next\n\n");
}

TEST(ServerStream, SendsACommentWhenNothingHappens) {
  Limits limits;
  limits.heartbeat = 100ms;
  RunningServer server{on_a_free_port(limits), stream_or_echo};
  auto wire = open_stream(server);
  EXPECT_EQ(wire.read_to("\n\n"), ": \n\n");
  EXPECT_EQ(wire.read_to("\n\n"), ": \n\n");
}

TEST(ServerStream, OutlivesTheTimesOfOrdinaryConnections) {
  Limits limits;
  limits.idle_time = limits.request_time = limits.write_time = 100ms;
  RunningServer server{on_a_free_port(limits), stream_or_echo};
  auto wire = open_stream(server);
  EXPECT_FALSE(wire.stirs_within(400ms));
  server->broadcast(frame("data: x\n\n"));
  EXPECT_EQ(wire.read_to("\n\n"), "data: x\n\n");
}

TEST(ServerStream, EndsAStreamWhoseReaderKeepsTalking) {
  Limits limits;
  limits.header_bytes = 1024;
  RunningServer server{on_a_free_port(limits), stream_or_echo};
  auto wire = open_stream(server);
  wire.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_FALSE(wire.stirs_within(20ms)) << "no further request is read on a stream";
  wire.send(std::string(4096, 'x'));
  EXPECT_TRUE(server.reaches([](auto counts) { return counts.streams == 0; }));
}

TEST(ServerStream, BroadcastWithoutReadersOrThreadIsHarmless) {
  auto server = Server::make(on_a_free_port(), stream_or_echo);
  ASSERT_TRUE(server);
  (*server)->broadcast(frame("data: x\n\n"));
}

TEST(ServerStream, TakesBroadcastsFromManyThreads) {
  RunningServer server{on_a_free_port(), stream_or_echo};
  auto wire = open_stream(server);
  std::list<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        server->broadcast(frame("data: x\n\n"));
      }
    });
  }
  for (int i = 0; i < 400; ++i) {
    ASSERT_EQ(wire.read_to("\n\n"), "data: x\n\n");
  }
  for (auto& thread : threads) {
    thread.join();
  }
}

}  // namespace
}  // namespace levee::server
