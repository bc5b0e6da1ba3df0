// The client against a real Unix socket whose other side says exactly what the test wants.
#include "levee/client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>

#include "client/find_daemon.hpp"
#include "support/temp_dir.hpp"

namespace levee {
namespace {

using namespace std::chrono_literals;
using test::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
namespace fs = std::filesystem;

/// Listens; answers each request of each connection, one connection at a time, with what `answer`
/// makes of its text. An empty answer closes the connection.
class FakeDaemon {
 public:
  using AnswerTo = std::function<std::string(const std::string& request)>;

  FakeDaemon(fs::path path, AnswerTo answer)
      : path_(std::move(path)), answer_(std::move(answer)), fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.native().size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_, 16), 0);
    thread_ = std::thread([this] { serve(); });
  }
  FakeDaemon(const FakeDaemon&) = delete;
  FakeDaemon& operator=(const FakeDaemon&) = delete;
  ~FakeDaemon() {
    stopping_ = true;
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }

  [[nodiscard]] int connections_with_requests() const { return used_connections_; }

 private:
  void serve() {
    for (;;) {
      const int peer = ::accept(fd_, nullptr, nullptr);
      if (peer < 0) {
        return;
      }
      serve(peer);
      ::close(peer);
    }
  }

  void serve(int peer) {
    for (bool first = true;; first = false) {
      const std::string request = read_request(peer);
      if (request.empty()) {
        return;
      }
      used_connections_ += first ? 1 : 0;
      const std::string answer = answer_(request);
      if (answer.empty() || !send_all(peer, answer)) {
        return;
      }
    }
  }

  static bool send_all(int peer, std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  std::string read_request(int peer) const {
    std::string text;
    while (!is_whole(text)) {
      pollfd entry{peer, POLLIN, 0};
      while (::poll(&entry, 1, 10) == 0) {
        if (stopping_) {
          return {};
        }
      }
      char bytes[4096];
      const auto size = ::recv(peer, bytes, sizeof bytes, 0);
      if (size <= 0) {
        return {};
      }
      text.append(bytes, static_cast<std::size_t>(size));
    }
    return text;
  }

  static bool is_whole(const std::string& text) {
    const auto end = text.find("\r\n\r\n");
    if (end == std::string::npos) {
      return false;
    }
    const auto at = text.find("Content-Length: ");
    return at == std::string::npos || text.size() >= end + 4 + std::stoul(text.substr(at + 16, 20));
  }

  fs::path path_;
  AnswerTo answer_;
  int fd_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> used_connections_ = 0;
  std::thread thread_;
};

std::string answer(int status, std::string_view body, std::string_view headers = "") {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string{headers} +
         "\r\n" + std::string{body};
}

/// What a client gets to see if the daemon says `bytes`.
Result<Client::Reply> reply_to(const std::string& bytes) {
  const TempDir dir;
  const FakeDaemon daemon{dir / "d.sock", [&](const std::string&) { return bytes; }};
  auto client = Client::connect(dir / "d.sock");
  if (!client) {
    return std::unexpected(client.error());
  }
  client->set_timeout(5s);
  return client->get("/");
}

TEST(Client, GetsAPage) {
  const TempDir dir;
  std::string seen;
  const FakeDaemon daemon{dir / "d.sock", [&](const std::string& request) {
                            seen = request;
                            return answer(200, "{\"ok\":true}");
                          }};
  auto client = Client::connect(dir / "d.sock");
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_EQ(client->socket(), dir / "d.sock");
  const auto reply = client->get("/api/v1/monitoring/alerts?severity=critical&limit=10");
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->body, "{\"ok\":true}");
  EXPECT_THAT(seen,
              AllOf(StartsWith("GET /api/v1/monitoring/alerts?severity=critical&limit=10 HTTP/1.1"),
                    HasSubstr("Host: localhost\r\n"), Not(HasSubstr("Proxy"))));
}

TEST(Client, SendsABodyWithEachMethod) {
  const TempDir dir;
  std::string seen;
  const FakeDaemon daemon{dir / "d.sock", [&](const std::string& request) {
                            seen = request;
                            return answer(200, "");
                          }};
  auto client = Client::connect(dir / "d.sock");
  ASSERT_TRUE(client);
  for (const std::string method : {"POST", "PUT", "DELETE"}) {
    ASSERT_TRUE(client->send(method, "/x", "{\"a\":1}"));
    EXPECT_THAT(seen, AllOf(StartsWith(method + " /x HTTP/1.1"), ::testing::EndsWith("{\"a\":1}"),
                            HasSubstr("Content-Type: application/json\r\n")));
  }
  client->set_timeout(60s);
  ASSERT_TRUE(client->send("POST", "/x", {}));
  EXPECT_THAT(seen, HasSubstr("Content-Length: 0\r\n"));
  ASSERT_TRUE(client->send("POST", "/x", std::string(std::size_t{2} << 20, 'b')));
  EXPECT_THAT(seen.substr(0, 500), Not(HasSubstr("Expect")));
  ASSERT_TRUE(client->get("/y"));
  EXPECT_THAT(seen, AllOf(StartsWith("GET /y HTTP/1.1"), Not(HasSubstr("Content-"))));
}

TEST(Client, KeepsItsConnection) {
  const TempDir dir;
  const FakeDaemon daemon{dir / "d.sock", [](const std::string&) { return answer(200, "x"); }};
  auto client = Client::connect(dir / "d.sock");
  ASSERT_TRUE(client);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(client->get("/"));
  }
  EXPECT_EQ(daemon.connections_with_requests(), 1);
}

TEST(Client, ConnectsAgainAfterTheDaemonClosed) {
  const TempDir dir;
  const FakeDaemon daemon{
      dir / "d.sock", [](const std::string&) { return answer(200, "x", "Connection: close\r\n"); }};
  auto client = Client::connect(dir / "d.sock");
  ASSERT_TRUE(client);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client->get("/"));
  }
}

TEST(Client, CanBeMoved) {
  const TempDir dir;
  const FakeDaemon daemon{dir / "d.sock", [](const std::string&) { return answer(200, "x"); }};
  auto first = Client::connect(dir / "d.sock");
  ASSERT_TRUE(first);
  Client second = std::move(*first);
  EXPECT_TRUE(second.get("/"));
}

TEST(Client, TurnsAnErrorPageIntoTheErrorItCarries) {
  const auto reply = reply_to(
      answer(403, R"({"detail":"only root may","hint":"use sudo","code":"permission_denied"})"));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error(), (Error{ErrorCode::permission_denied, "only root may", "use sudo"}));
}

TEST(Client, DoesNotFollowRedirects) {
  const auto reply = reply_to(answer(302, "", "Location: http://example.com/\r\n"));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 302);
}

TEST(Client, IgnoresProxies) {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  ::setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  const auto reply = reply_to(answer(200, "x"));
  ::unsetenv("http_proxy");
  ::unsetenv("ALL_PROXY");
  EXPECT_TRUE(reply) << reply.error().message;
}

TEST(Client, RefusesAnAnswerThatIsTooLarge) {
  const auto reply = reply_to(answer(200, std::string((std::size_t{64} << 20) + 1, 'x')));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::resource_exhausted);
  EXPECT_THAT(reply.error().message, HasSubstr("64 MiB"));
}

TEST(Client, TakesAnAnswerOfTheLargestSize) {
  const auto reply = reply_to(answer(200, std::string(std::size_t{64} << 20, 'x')));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->body.size(), std::size_t{64} << 20);
}

TEST(Client, SaysThatABrokenAnswerIsNoAnswer) {
  for (const auto* bytes :
       {"", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "\x16\x03\x01",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz"}) {
    const auto reply = reply_to(bytes);
    ASSERT_FALSE(reply) << bytes;
    EXPECT_EQ(reply.error().code, ErrorCode::unavailable) << bytes;
    EXPECT_THAT(reply.error().message, HasSubstr("d.sock")) << bytes;
  }
}

TEST(Client, GivesUpAtItsDeadline) {
  const TempDir dir;
  std::atomic<bool> done = false;
  const FakeDaemon daemon{dir / "d.sock", [&](const std::string&) {
                            while (!done) {
                              std::this_thread::sleep_for(1ms);
                            }
                            return std::string{};
                          }};
  auto client = Client::connect(dir / "d.sock");
  ASSERT_TRUE(client);
  for (const auto timeout : {50ms, 0ms, -5ms}) {
    client->set_timeout(timeout);
    const auto reply = client->get("/");
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, ErrorCode::timed_out) << timeout.count();
  }
  done = true;
}

TEST(Client, RefusesPathsThatWouldNotArriveAsWritten) {
  const TempDir dir;
  const FakeDaemon daemon{dir / "d.sock", [](const std::string&) { return answer(200, ""); }};
  auto client = Client::connect(dir / "d.sock");
  ASSERT_TRUE(client);
  using namespace std::string_view_literals;
  for (const auto path : {""sv, "api"sv, "@evil/"sv, "/a b"sv, "/a\r\nX: y"sv, "/\0"sv, "/a#b"sv,
                          "/a\\b"sv, "/\x7f"sv, " /"sv, "http://localhost/"sv}) {
    const auto reply = client->get(path);
    ASSERT_FALSE(reply) << path;
    EXPECT_EQ(reply.error().code, ErrorCode::invalid_argument) << path;
  }
}

TEST(Client, RefusesMethodsItDoesNotKnow) {
  const TempDir dir;
  const FakeDaemon daemon{dir / "d.sock", [](const std::string&) { return answer(200, ""); }};
  auto client = Client::connect(dir / "d.sock");
  ASSERT_TRUE(client);
  for (const auto* method : {"", "GET", "post", "POST /x HTTP/1.1\r\nX:", "TRACE"}) {
    const auto reply = client->send(method, "/", "{}");
    ASSERT_FALSE(reply) << method;
    EXPECT_EQ(reply.error().code, ErrorCode::invalid_argument);
  }
}

TEST(Client, SaysWhereItLookedWhenThereIsNoDaemon) {
  const TempDir dir;
  const auto client = Client::connect(dir / "nothing.sock");
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::unavailable);
  EXPECT_THAT(client.error().message, HasSubstr((dir / "nothing.sock").native()));
  EXPECT_EQ(client.error().hint, "start one with `levee serve`");
}

TEST(Client, NoticesThatTheDaemonHasGone) {
  const TempDir dir;
  Result<Client> client = fail(ErrorCode::internal, "not connected");
  {
    const FakeDaemon daemon{dir / "d.sock", [](const std::string&) { return answer(200, ""); }};
    client = Client::connect(dir / "d.sock");
    ASSERT_TRUE(client);
    ASSERT_TRUE(client->get("/"));
  }
  const auto reply = client->get("/");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::unavailable);
  EXPECT_THAT(reply.error().hint, HasSubstr("levee serve"));
}

TEST(Client, FindsTheDaemonNamedInTheEnvironment) {
  const TempDir dir;
  const FakeDaemon daemon{dir / "d.sock", [](const std::string&) { return answer(200, ""); }};
  ::setenv("LEVEE_SOCKET", (dir / "d.sock").c_str(), 1);
  const auto found = Client::connect();
  ::setenv("LEVEE_SOCKET", (dir / "other.sock").c_str(), 1);
  const auto missing = Client::connect();
  ::unsetenv("LEVEE_SOCKET");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->socket(), dir / "d.sock");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, Not(HasSubstr("/run/levee"))) << "only the named one counts";
}

TEST(FindDaemon, TakesTheFirstThatAnswers) {
  const TempDir dir;
  const auto ok = [](const std::string&) { return answer(200, ""); };
  {
    const FakeDaemon stale{dir / "stale.sock", ok};
  }
  const FakeDaemon first{dir / "1.sock", ok};
  const FakeDaemon second{dir / "2.sock", ok};
  const auto found = client::find_daemon(
      {dir / "missing.sock", dir / "stale.sock", dir / "1.sock", dir / "2.sock"},
      client::Trust::root_and_me, ::getuid());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, dir / "1.sock");
}

TEST(FindDaemon, SaysWhatIsWrongWithEachPlace) {
  const TempDir dir;
  {
    const FakeDaemon stale{dir / "stale.sock", [](const std::string&) { return ""; }};
  }
  const auto found = client::find_daemon({dir / "missing.sock", dir / "stale.sock"},
                                         client::Trust::anybody, ::getuid());
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message, "no daemon is running: looked at " +
                                       (dir / "missing.sock").native() + " (no socket there), " +
                                       (dir / "stale.sock").native() + " (nobody answers)");
}

TEST(FindDaemon, DoesNotTrustAStrangersDaemonInADefaultPlace) {
  // The kernel notes who called listen(): root borrows another user for that moment, another user
  // pretends that it was looking for a daemon of somebody else.
  const TempDir dir;
  const std::string path = dir / "d.sock";
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const bool root = ::geteuid() == 0;
  ASSERT_TRUE(!root || ::seteuid(4711) == 0);
  ASSERT_EQ(::listen(fd, 16), 0);
  ASSERT_TRUE(!root || ::seteuid(0) == 0);
  const uid_t owner = root ? 4711 : ::geteuid();
  const auto found = client::find_daemon({path}, client::Trust::root_and_me, owner + 1);
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message, HasSubstr("neither root nor you"));
  EXPECT_TRUE(client::find_daemon({path}, client::Trust::root_and_me, owner));
  EXPECT_TRUE(client::find_daemon({path}, client::Trust::anybody, owner + 1));
  ::close(fd);
}

TEST(FindDaemon, RefusesPathsThatCannotBeASocket) {
  for (const auto& path : {std::string{}, std::string(108, 'a'), "/" + std::string(4000, 'a'),
                           std::string("a\0b", 3)}) {
    const auto found = client::find_daemon({path}, client::Trust::anybody, 0);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::invalid_argument);
  }
}

}  // namespace
}  // namespace levee
