// Connections that leave HTTP for a dialogue, over real sockets.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <mutex>
#include <vector>

#include "api/dialogue.hpp"
#include "harness.hpp"
#include "support/patience.hpp"

namespace levee::server {
namespace {

using namespace testing;
using test::eventually;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kUpgrade =
    "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: "
    "echo/1\r\n\r\n";

/// What the dialogues of a test saw.
struct Log {
  std::mutex mutex;
  std::vector<std::string> lines;
  std::shared_ptr<api::Dialogue::Outlet> outlet;
  int too_much = 0;
  int nothing = 0;
  int ended = 0;

  template <class T>
  T read(T Log::* member) {
    const std::lock_guard lock(mutex);
    return this->*member;
  }
};

/// Says every line back, and goes when it hears "bye".
class Echo final : public api::Dialogue {
 public:
  explicit Echo(Log& log) : log_(log) {}
  [[nodiscard]] std::string protocol() const override { return "echo/1"; }
  [[nodiscard]] std::size_t longest_line() const override { return 64; }
  void begin(std::shared_ptr<Outlet> outlet) override {
    const std::lock_guard lock(log_.mutex);
    outlet_ = log_.outlet = std::move(outlet);
  }
  void heard(std::string_view line) override {
    const std::lock_guard lock(log_.mutex);  // As the registry does: sends under its lock.
    log_.lines.emplace_back(line);
    outlet_->send(std::string(line) + "\n");
    if (line == "bye") {
      outlet_->close();
    }
  }
  void heard_too_much() override { count(log_.too_much, "too much\n"); }
  void heard_nothing() override { count(log_.nothing, "nothing\n"); }
  void ended() override {
    const std::lock_guard lock(log_.mutex);
    ++log_.ended;
  }

 private:
  void count(int& what, const char* say) {
    const std::lock_guard lock(log_.mutex);
    ++what;
    outlet_->send(say);
    outlet_->close();
  }

  Log& log_;
  std::shared_ptr<Outlet> outlet_;
};

class ServerTalk : public ::testing::Test {
 protected:
  explicit ServerTalk(Limits limits = {})
      : server({.listen = "off", .socket = dir / "levee.sock", .limits = limits},
               [this](const api::Request& request, const api::Responder& respond) {
                 if (request.upgrade != "echo/1") {
                   respond(page("upgrade: " + request.upgrade));
                   return;
                 }
                 api::Response response = page("");
                 response.status = 101;
                 response.dialogue = std::make_shared<Echo>(log);
                 respond(std::move(response));
               }) {}

  [[nodiscard]] Wire connect() const { return Wire::unix_socket(dir / "levee.sock"); }
  [[nodiscard]] Wire upgraded() const {
    Wire wire = connect();
    wire.send(kUpgrade);
    EXPECT_EQ(wire.read_to("\r\n\r\n"),
              "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n");
    return wire;
  }

  TempDir dir;
  Log log;
  RunningServer server;
};

class ImpatientServerTalk : public ServerTalk {
 protected:
  ImpatientServerTalk() : ServerTalk({.request_time = 100ms, .write_time = 200ms}) {}
};

TEST_F(ServerTalk, LeavesHttpAndTalksInLines) {
  Wire wire = upgraded();
  wire.send("one\ntwo\r\n");
  EXPECT_EQ(wire.read_to("two\n"), "one\ntwo\n");
  wire.send("bye\n");
  EXPECT_EQ(wire.read_to_end(), "bye\n");
  EXPECT_TRUE(eventually([&] { return log.read(&Log::ended) == 1; }));
  EXPECT_TRUE(server.reaches([](auto counts) { return counts.open_connections == 0; }));
}

TEST_F(ServerTalk, HearsWhatCameWithTheRequest) {
  Wire wire = connect();
  wire.send(std::string(kUpgrade) + "early\nha");
  wire.read_to("\r\n\r\n");
  EXPECT_EQ(wire.read_to("\n"), "early\n");
  wire.send("lf\n");
  EXPECT_EQ(wire.read_to("\n"), "half\n");
}

TEST_F(ServerTalk, HearsLinesThatComeByteByByte) {
  Wire wire = upgraded();
  for (const char c : std::string_view("slowly\n")) {
    wire.send({&c, 1});
  }
  EXPECT_EQ(wire.read_to("\n"), "slowly\n");
}

TEST_F(ServerTalk, AnUpgradeThatConnectionDoesNotNameIsNone) {
  Wire wire = connect();
  EXPECT_EQ(wire.ask("GET / HTTP/1.1\r\nUpgrade: echo/1\r\n\r\n").body, "upgrade: ");
  EXPECT_EQ(wire.ask("GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x/1\r\n\r\n").body,
            "upgrade: x/1")
      << "the connection stays HTTP";
}

TEST_F(ServerTalk, StopsHearingALineThatIsTooLong) {
  Wire wire = upgraded();
  wire.send("fine\n" + std::string(65, 'x') + "\nafter\n");
  EXPECT_EQ(wire.read_to_end(), "fine\ntoo much\n");
  EXPECT_THAT(log.read(&Log::lines), ElementsAre("fine"));
}

TEST_F(ServerTalk, StopsHearingALineWithoutEnd) {
  Wire wire = upgraded();
  wire.send(std::string(65, 'x'));
  EXPECT_EQ(wire.read_to_end(), "too much\n");
}

TEST_F(ServerTalk, NoticesAtOnceWhoIsGone) {
  upgraded().close();
  EXPECT_TRUE(eventually([&] { return log.read(&Log::ended) == 1; }));
  log.read(&Log::outlet)->send("into the void\n");
  log.read(&Log::outlet)->close();
  EXPECT_EQ(connect().ask("GET / HTTP/1.1\r\n\r\n").status, 200) << "the server lives";
}

TEST_F(ServerTalk, SendsFromOtherThreadsInOrder) {
  Wire wire = upgraded();
  ASSERT_TRUE(eventually([&] { return log.read(&Log::outlet) != nullptr; }));
  const auto outlet = log.read(&Log::outlet);
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    outlet->send(fmt::format("{}\n", i));
    expected += fmt::format("{}\n", i);
  }
  outlet->close();
  EXPECT_EQ(wire.read_to_end(), expected);
}

TEST_F(ServerTalk, CutsOffWhoDoesNotRead) {
  const Wire wire = upgraded();
  ASSERT_TRUE(eventually([&] { return log.read(&Log::outlet) != nullptr; }));
  for (int i = 0; i < 1000; ++i) {
    log.read(&Log::outlet)->send(std::string(4096, 'x') + "\n");
  }
  EXPECT_TRUE(eventually([&] { return log.read(&Log::ended) == 1; }));
}

TEST_F(ServerTalk, EndsWithTheServer) {
  Wire wire = upgraded();
  server.destroy();
  EXPECT_EQ(wire.read_to_end(), "");
  EXPECT_EQ(log.read(&Log::ended), 1);
  log.read(&Log::outlet)->send("too late\n");
}

TEST_F(ImpatientServerTalk, DoesNotWaitForAFirstWordForEver) {
  EXPECT_EQ(upgraded().read_to_end(), "nothing\n");
}

TEST_F(ImpatientServerTalk, DoesNotWaitForTheRestOfALineForEver) {
  Wire wire = upgraded();
  wire.send("whole\npa");
  EXPECT_EQ(wire.read_to_end(), "whole\nnothing\n");
}

TEST_F(ImpatientServerTalk, WaitsForEverBetweenLines) {
  Wire wire = upgraded();
  wire.send("one\n");
  EXPECT_EQ(wire.read_to("\n"), "one\n");
  EXPECT_FALSE(wire.stirs_within(300ms));
  wire.send("two\n");
  EXPECT_EQ(wire.read_to("\n"), "two\n");
}

}  // namespace
}  // namespace levee::server
