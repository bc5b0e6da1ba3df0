// Requests and answers over real sockets.
#include "server/server.hpp"

#include <gmock/gmock.h>

#include <future>
#include <mutex>
#include <vector>

#include "harness.hpp"

namespace levee::server {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Server, AnswersOverTcp) {
  RunningServer server{on_a_free_port()};
  auto wire = server.connect();
  const auto answer = wire.ask("GET /x?y=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "GET /x?y=1 ");
  EXPECT_TRUE(answer.has("Content-Type: text/plain\r\n"));
  EXPECT_TRUE(answer.has("Cache-Control: no-store\r\n"));
  EXPECT_TRUE(answer.has("X-Content-Type-Options: nosniff\r\n"));
  EXPECT_TRUE(answer.has("Server: levee\r\n"));
}

TEST(Server, AnswersOverItsUnixSocketWithoutTcp) {
  const TempDir dir;
  RunningServer server{{.listen = "off", .socket = dir / "levee.sock", .limits = {}}};
  EXPECT_EQ(server->port(), 0);
  auto wire = Wire::unix_socket(dir / "levee.sock");
  EXPECT_EQ(wire.ask("GET /x HTTP/1.1\r\n\r\n").body, "GET /x ");
}

TEST(Server, AnswersOverIpv6) {
  Options options;
  options.listen = "[::1]:0";
  auto made = Server::make(options, echo);
  if (!made) {
    GTEST_SKIP() << "no IPv6 here: " << made.error().message;
  }
  EXPECT_NE((*made)->port(), 0);
}

TEST(Server, TellsWhoAsks) {
  const TempDir dir;
  auto options = on_a_free_port();
  options.socket = dir / "levee.sock";
  RunningServer server{
      options, [](const api::Request& request, const api::Responder& respond) {
        const auto uid = request.peer_uid();
        respond(page((request.via == api::Peer::Via::unix_socket ? "unix " : "tcp ") +
                     (uid ? std::to_string(*uid) : "unknown")));
      }};
  const std::string me = std::to_string(::getuid());
  EXPECT_EQ(Wire::unix_socket(dir / "levee.sock").ask("GET / HTTP/1.1\r\n\r\n").body, "unix " + me);
  auto tcp = server.connect();
  EXPECT_EQ(tcp.ask("GET / HTTP/1.1\r\n\r\n").body, "tcp " + me);
  EXPECT_EQ(tcp.ask("GET / HTTP/1.1\r\n\r\n").body, "tcp " + me);
}

TEST(Server, KeepsTheConnectionOfHttp11) {
  RunningServer server{on_a_free_port()};
  auto wire = server.connect();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(wire.ask("GET / HTTP/1.1\r\n\r\n").status, 200);
  }
  EXPECT_EQ(server->counts().requests, 100U);
  EXPECT_EQ(server->counts().open_connections, 1U);
}

TEST(Server, ClosesWhenAskedTo) {
  RunningServer server{on_a_free_port()};
  for (const auto* request :
       {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"}) {
    auto wire = server.connect();
    const auto answer = wire.ask(request);
    EXPECT_EQ(answer.body, "GET / ");
    EXPECT_TRUE(answer.has("Connection: close\r\n"));
    EXPECT_EQ(wire.read_to_end(), "");
  }
  EXPECT_TRUE(server.reaches([](auto counts) { return counts.open_connections == 0; }));
}

TEST(Server, KeepsTheConnectionOfHttp10OnRequest) {
  RunningServer server{on_a_free_port()};
  auto wire = server.connect();
  for (int i = 0; i < 2; ++i) {
    const auto answer = wire.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_TRUE(answer.has("Connection: keep-alive\r\n"));
  }
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  RunningServer server{on_a_free_port()};
  auto wire = server.connect();
  std::string requests;
  for (int i = 0; i < 500; ++i) {
    requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\n\r\n";
  }
  wire.send(requests);
  wire.finish_sending();
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(wire.answer().body, "GET /" + std::to_string(i) + " ");
  }
  EXPECT_EQ(wire.read_to_end(), "");
}

TEST(Server, AnswersPipelinedRequestsInOrderEvenIfTheFirstTakesLonger) {
  std::promise<api::Responder> first;
  RunningServer server{on_a_free_port(),
                       [&](const api::Request& request, const api::Responder& respond) {
                         if (request.target == "/slow") {
                           first.set_value(respond);
                         } else {
                           respond(page("fast"));
                         }
                       }};
  auto wire = server.connect();
  wire.send("GET /slow HTTP/1.1\r\n\r\nGET /fast HTTP/1.1\r\n\r\n");
  const auto respond = first.get_future().get();
  EXPECT_FALSE(wire.stirs_within(20ms));
  respond(page("slow"));
  EXPECT_EQ(wire.answer().body, "slow");
  EXPECT_EQ(wire.answer().body, "fast");
}

TEST(Server, SendsNoBodyForHead) {
  RunningServer server{on_a_free_port()};
  auto wire = server.connect();
  const auto head = wire.ask("HEAD /x HTTP/1.1\r\n\r\n", /*with_body=*/false);
  EXPECT_TRUE(head.has("Content-Length: 8\r\n"));
  EXPECT_EQ(wire.ask("GET /y HTTP/1.1\r\n\r\n").body, "GET /y ");
}

TEST(Server, SendsNoBodyWhereTheStatusForbidsIt) {
  RunningServer server{on_a_free_port(), [](const api::Request&, const api::Responder& respond) {
                         auto response = page("must not be seen");
                         response.status = 204;
                         respond(response);
                       }};
  auto wire = server.connect();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(wire.ask("GET / HTTP/1.1\r\n\r\n").status, 204);
  }
}

TEST(Server, HandsAnyMethodToTheHandler) {
  RunningServer server{on_a_free_port()};
  auto wire = server.connect();
  for (const std::string method : {"OPTIONS", "DELETE", "PATCH", "BREW", "CONNECT", "x-y.z"}) {
    EXPECT_EQ(wire.ask(method + " / HTTP/1.1\r\n\r\n").body, method + " / ");
  }
}

TEST(Server, TakesBodiesOfBothKinds) {
  RunningServer server{on_a_free_port()};
  auto wire = server.connect();
  EXPECT_EQ(wire.ask("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello").body, "POST / hello");
  EXPECT_EQ(wire.ask("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")
                .body,
            "POST / hello");
}

TEST(Server, LetsAWaitingClientSendItsBody) {
  RunningServer server{on_a_free_port()};
  auto wire = server.connect();
  wire.send("POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(wire.read_to("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(wire.ask("hello").body, "POST / hello");
}

TEST(Server, AnswersARequestThatArrivesByteByByte) {
  RunningServer server{on_a_free_port()};
  auto wire = server.connect();
  for (const char byte : std::string_view{"POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"}) {
    ASSERT_TRUE(wire.send({&byte, 1}));
  }
  EXPECT_EQ(wire.answer().body, "POST /x ab");
}

TEST(Server, AnswersAClientThatFinishedSending) {
  RunningServer server{on_a_free_port()};
  auto wire = server.connect();
  wire.send("GET /x HTTP/1.1\r\n\r\n");
  wire.finish_sending();
  EXPECT_EQ(wire.answer().body, "GET /x ");
  EXPECT_EQ(wire.read_to_end(), "");
}

TEST(Server, SendsLargeBodiesWhole) {
  const auto large = std::make_shared<const std::string>(std::size_t{20} << 20, 'L');
  RunningServer server{on_a_free_port(), [&](const api::Request&, const api::Responder& respond) {
                         auto response = page("");
                         response.body = large;
                         respond(response);
                       }};
  auto wire = server.connect();
  EXPECT_TRUE(wire.ask("GET / HTTP/1.1\r\n\r\n").body == *large);
}

TEST(Server, TakesAnswersFromOtherThreads) {
  std::vector<std::thread> threads;
  std::mutex mutex;
  {
    RunningServer server{on_a_free_port(), [&](const api::Request&, const api::Responder& respond) {
                           const std::lock_guard lock(mutex);
                           threads.emplace_back([respond] { respond(page("from afar")); });
                         }};
    auto wire = server.connect();
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(wire.ask("GET / HTTP/1.1\r\n\r\n").body, "from afar");
    }
  }
  for (auto& thread : threads) {
    thread.join();
  }
}

TEST(Server, TakesOnlyTheFirstAnswer) {
  RunningServer server{on_a_free_port(), [](const api::Request&, const api::Responder& respond) {
                         respond(page("first"));
                         respond(page("second"));
                       }};
  auto wire = server.connect();
  EXPECT_EQ(wire.ask("GET / HTTP/1.1\r\n\r\n").body, "first");
  EXPECT_EQ(wire.ask("GET / HTTP/1.1\r\n\r\n").body, "first");
}

TEST(Server, DropsAnAnswerWhoseClientIsGone) {
  std::promise<api::Responder> asked;
  RunningServer server{on_a_free_port(),
                       [&](const api::Request& request, const api::Responder& respond) {
                         request.target == "/" ? respond(page("ok")) : asked.set_value(respond);
                       }};
  auto wire = server.connect();
  wire.send("GET /slow HTTP/1.1\r\n\r\n");
  const auto respond = asked.get_future().get();
  wire.close();
  respond(page(std::string(std::size_t{8} << 20, 'x')));
  EXPECT_TRUE(server.reaches([](auto counts) { return counts.open_connections == 0; }));
  EXPECT_EQ(server.connect().ask("GET / HTTP/1.1\r\n\r\n").body, "ok");
}

TEST(Server, DropsAnAnswerThatComesAfterItsOwnEnd) {
  std::promise<api::Responder> asked;
  RunningServer server{on_a_free_port(), [&](const api::Request&, const api::Responder& respond) {
                         asked.set_value(respond);
                       }};
  auto wire = server.connect();
  wire.send("GET / HTTP/1.1\r\n\r\n");
  const auto respond = asked.get_future().get();
  server.destroy();
  respond(page("too late"));
  EXPECT_EQ(wire.read_to_end(), "");
}

TEST(Server, SaysSoWhenAHandlerForgetsToAnswer) {
  RunningServer server{on_a_free_port(), [](const api::Request& request, const api::Responder&) {
                         if (request.target == "/throw") {
                           throw std::runtime_error("a defect");
                         }
                       }};
  auto wire = server.connect();
  EXPECT_EQ(wire.ask("GET /forget HTTP/1.1\r\n\r\n").status, 500);
  EXPECT_EQ(wire.ask("GET /throw HTTP/1.1\r\n\r\n").status, 500);
}

TEST(Server, ExplainsGarbageAndCloses) {
  RunningServer server{on_a_free_port()};
  for (const auto* bytes : {"hello\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n", "GET / HTTP/3.0\r\n\r\n",
                            "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"}) {
    auto wire = server.connect();
    const auto answer = wire.ask(bytes);
    EXPECT_EQ(answer.status, 400);
    EXPECT_THAT(answer.body, HasSubstr("\"detail\""));
    EXPECT_TRUE(answer.has("Connection: close\r\n"));
    EXPECT_EQ(wire.read_to_end(), "");
  }
  EXPECT_EQ(server->counts().requests, 0U);
}

TEST(Server, TellsAClientThatStopsInTheMiddleOfARequest) {
  RunningServer server{on_a_free_port()};
  auto wire = server.connect();
  wire.send("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf");
  wire.finish_sending();
  EXPECT_EQ(wire.answer().status, 400);
}

TEST(Server, NamesWhoHoldsABusyPort) {
  RunningServer first{on_a_free_port()};
  Options options;
  options.listen = "127.0.0.1:" + std::to_string(first->port());
  const auto second = Server::make(options, echo);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::already_exists);
  EXPECT_THAT(second.error().message,
              StartsWith("port " + std::to_string(first->port()) + " is held by "));
  EXPECT_THAT(second.error().message, HasSubstr("(pid " + std::to_string(::getpid()) + ")"));
  EXPECT_THAT(second.error().hint, HasSubstr("--listen 127.0.0.1:0"));
}

TEST(Server, LeavesNoSocketBehindWhenItsPortIsBusy) {
  const TempDir dir;
  RunningServer first{on_a_free_port()};
  Options options;
  options.listen = "127.0.0.1:" + std::to_string(first->port());
  options.socket = dir / "levee.sock";
  ASSERT_FALSE(Server::make(options, echo));
  EXPECT_FALSE(std::filesystem::exists(dir / "levee.sock"));
}

TEST(Server, RefusesToListenNowhere) {
  const auto made = Server::make({.listen = "off", .socket = {}, .limits = {}}, echo);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::invalid_argument);
}

TEST(Server, RefusesToListenWider) {
  const auto made = Server::make({.listen = "0.0.0.0:0", .socket = {}, .limits = {}}, echo);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().hint, HasSubstr("token"));
}

TEST(ServerStop, EndsOpenRequestsStreamsAndIdleConnections) {
  const TempDir dir;
  std::promise<api::Responder> asked;
  auto options = on_a_free_port();
  options.socket = dir / "levee.sock";
  RunningServer server{options, [&](const api::Request& request, const api::Responder& respond) {
                         request.target == "/stream" ? respond(stream_of("hello\n\n"))
                                                     : asked.set_value(respond);
                       }};
  auto idle = server.connect();
  auto half = server.connect();
  half.send("GET / HT");
  auto waiting = server.connect();
  waiting.send("GET /slow HTTP/1.1\r\n\r\n");
  const auto respond = asked.get_future().get();
  auto stream = Wire::unix_socket(dir / "levee.sock");
  stream.send("GET /stream HTTP/1.1\r\n\r\n");
  stream.read_to("hello\n\n");
  server.stop();
  for (auto* wire : {&idle, &half, &waiting, &stream}) {
    EXPECT_EQ(wire->read_to_end(), "");
  }
  EXPECT_EQ(server->counts().open_connections, 0U);
  EXPECT_EQ(server->counts().streams, 0U);
  EXPECT_FALSE(std::filesystem::exists(dir / "levee.sock"));
  respond(page("too late"));
}

TEST(ServerStop, BeforeRunMakesRunReturnAtOnce) {
  auto server = Server::make(on_a_free_port(), echo);
  ASSERT_TRUE(server);
  (*server)->stop();
  (*server)->stop();
  (*server)->run();
}

TEST(ServerStop, GoesWithoutEverHavingRun) {
  const TempDir dir;
  auto options = on_a_free_port();
  options.socket = dir / "levee.sock";
  {
    ASSERT_TRUE(Server::make(options, echo));
  }
  EXPECT_FALSE(std::filesystem::exists(dir / "levee.sock"));
}

}  // namespace
}  // namespace levee::server
