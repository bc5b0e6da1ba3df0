// The whole daemon on a machine made of files: real threads, sockets and a real store.
#include "engine/daemon.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "levee/client.hpp"
#include "support/machine.hpp"
#include "support/patience.hpp"

namespace levee::engine {
namespace {

using test::eventually;
using testing::HasSubstr;
using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// A TCP port that takes connections and never answers.
class SilentPort {
 public:
  SilentPort() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(fd_, generic, size), 0);
    EXPECT_EQ(::listen(fd_, 16), 0);
    EXPECT_EQ(::getsockname(fd_, generic, &size), 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/hook";
  }
  SilentPort(const SilentPort&) = delete;
  SilentPort& operator=(const SilentPort&) = delete;
  ~SilentPort() { ::close(fd_); }

  [[nodiscard]] const std::string& url() const { return url_; }
  /// Somebody has connected and waits for an answer.
  [[nodiscard]] bool has_visitor() const {
    pollfd poll{fd_, POLLIN, 0};
    return ::poll(&poll, 1, 0) == 1;
  }

 private:
  int fd_;
  std::string url_;
};

/// A reader of the event stream over the daemon's socket, from the first event on.
class Stream {
 public:
  explicit Stream(const std::filesystem::path& socket)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const std::string request = "GET /api/v1/events?since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    EXPECT_EQ(::send(fd_, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { ::close(fd_); }

  /// Reads until `text` was seen; false when that takes too long or the stream ends.
  bool sees(std::string_view text) {
    const auto deadline = Clock::now() + test::kPatience;
    while (seen_.find(text) == std::string::npos) {
      pollfd poll{fd_, POLLIN, 0};
      if (Clock::now() > deadline || ::poll(&poll, 1, 1000) < 0) {
        return false;
      }
      std::array<char, 4096> part{};
      const ssize_t length = poll.revents != 0 ? ::recv(fd_, part.data(), part.size(), 0) : -1;
      if (length == 0) {
        return false;
      }
      seen_.append(part.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    }
    return true;
  }

 private:
  int fd_;
  std::string seen_;
};

class DaemonTest : public testing::Test {
 protected:
  using Keys = std::map<std::string, std::string>;

  [[nodiscard]] Daemon::Options options(const Keys& keys = {}) const {
    config::Inputs inputs;
    // The process of the tests must not lock its memory or lower its OOM score.
    inputs.command_line = {{"server.listen", "127.0.0.1:0"},
                           {"protect.lock_memory", "false"},
                           {"protect.oom_score_adj", "0"}};
    for (const auto& [key, value] : keys) {
      inputs.command_line[key] = value;
    }
    auto settings = config::Settings::load(std::move(inputs));
    EXPECT_TRUE(settings) << settings.error().message;
    return {.settings = std::move(*settings),
            .state_dir = temp_ / "state",
            .socket = temp_ / "levee.sock",
            .spare_socket = {},
            .root = machine_.root(),
            .gpu_helper = {},
            .gpu_holder = {},
            .log_to_stderr = false};
  }

  /// A running daemon that has looked at the machine once.
  std::unique_ptr<Daemon> start(Daemon::Options options) {
    auto daemon = Daemon::make(std::move(options));
    EXPECT_TRUE(daemon) << daemon.error().message << " " << daemon.error().hint;
    (*daemon)->start();
    EXPECT_TRUE(eventually([&] { return get("/api/v1/monitoring/status").contains("timestamp"); }));
    return std::move(*daemon);
  }

  /// The JSON at `path`; null when there is none.
  [[nodiscard]] Json get(std::string_view path) const {
    auto client = Client::connect(temp_ / "levee.sock");
    const auto reply = client ? client->get(path) : std::unexpected(client.error());
    return reply ? Json::parse(reply->body) : Json();
  }
  [[nodiscard]] Result<Client::Reply> put_config(std::string_view json) const {
    auto client = Client::connect(temp_ / "levee.sock");
    return client ? client->send("PUT", "/api/v1/config", json) : std::unexpected(client.error());
  }
  /// The newest alert of `type`; null when there is none.
  [[nodiscard]] Json alert(std::string_view type) const {
    for (const Json& alert : get("/api/v1/monitoring/alerts").value("alerts", Json::array())) {
      if (alert["type"] == type) {
        return alert;
      }
    }
    return {};
  }
  [[nodiscard]] bool has_active(std::string_view type, std::string_view severity) const {
    const Json found = alert(type);
    return found.is_object() && found["severity"] == severity && found["resolved_at"].is_null();
  }
  [[nodiscard]] bool has_resolved(std::string_view type) const {
    const Json found = alert(type);
    return found.is_object() && !found["resolved_at"].is_null();
  }

  test::TempDir temp_;
  test::Machine machine_{gib(64), gib(40)};
  /// An interval so long that within a test nothing happens by it.
  const Keys slow_{{"monitoring_interval", "60"}, {"stale_seconds", "60"}};
};

TEST_F(DaemonTest, AnswersWhatItMeasured) {
  const auto daemon = start(options());
  EXPECT_NE(daemon->port(), 0);
  const Json health = get("/healthz");
  EXPECT_EQ(health["health"], "healthy");
  const Json status = get("/api/v1/monitoring/status");
  EXPECT_EQ(status["daemon"]["pid"], ::getpid());
  ASSERT_TRUE(eventually([&] { return get("/healthz")["store"]["durable"] == true; }));
  EXPECT_TRUE(std::filesystem::exists(temp_ / "state/history.db"));
}

TEST_F(DaemonTest, EmergencyIsToldAtOnceNotAtTheNextTick) {
  machine_.set_available(gib(2) + mib(128));  // near the line the guard looks every 10 ms or so
  const auto daemon = start(options(slow_));
  Stream stream(temp_ / "levee.sock");
  ASSERT_TRUE(stream.sees(": connected"));
  machine_.set_available(gib(1));
  const auto began = Clock::now();
  ASSERT_TRUE(stream.sees(R"("severity":"emergency")"));
  const auto heard = Clock::now() - began;
  EXPECT_LT(heard, 1s) << "the tick would come in a minute";
  RecordProperty("milliseconds", static_cast<int>(heard / 1ms));
  EXPECT_TRUE(has_active("host_available", "emergency"));
}

TEST_F(DaemonTest, AlarmsInQuickSuccessionAreDelayedNeverLost) {
  const auto daemon = start(options(slow_));
  machine_.set_available(gib(1));
  ASSERT_TRUE(eventually([&] { return has_active("host_available", "emergency"); }));
  machine_.set_available(gib(40));  // within the gap that extra ticks keep
  ASSERT_TRUE(eventually([&] { return has_resolved("host_available"); }));
}

TEST_F(DaemonTest, RunTimeSettingsCountAtOnceAndAreShownInTheAnswer) {
  const auto daemon = start(options(slow_));
  EXPECT_TRUE(alert("cpu_memory").is_null());
  const auto reply = put_config(R"({"cpu_memory_warning": 30, "cpu_memory_critical": 50})");
  ASSERT_TRUE(reply) << reply.error().message;
  const Json body = Json::parse(reply->body);
  EXPECT_EQ(body["changed"].size(), 2U);
  EXPECT_EQ(body["needs_restart"].size(), 0U);
  EXPECT_EQ(body["config"], get("/api/v1/config")["config"]);
  // 24 of 64 GiB are 37.5 %; the tick that follows a command judges by the new threshold.
  EXPECT_TRUE(eventually([&] { return has_active("cpu_memory", "warning"); }));
  EXPECT_EQ(alert("cpu_memory")["threshold"], 30);
}

TEST_F(DaemonTest, KeyThatNeedsARestartIsNamed) {
  const auto daemon = start(options());
  const auto reply = put_config(R"({"server.max_connections": 77})");
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(Json::parse(reply->body)["needs_restart"], Json::array({"server.max_connections"}));
}

TEST_F(DaemonTest, RefusedSettingsChangeNothing) {
  const auto daemon = start(options());
  const Json before = get("/api/v1/config")["config"];
  for (const char* bad : {
           R"({"cpu_memory_warning": 95})",  // above critical
           R"({"cpu_memory_warning": 50, "cpu_memory_critical": 40})",
           R"({"cpu_memory_warning": 50, "memory_optimal": 101})",  // one good, one bad
           R"({"cpu_memory_warning": "high"})",
           R"({"cpu_memory_wraning": 50})",
           R"({"monitoring_interval": -1})",
           R"({"cpu_memory_warning": null})",
           R"([1, 2])",
           R"({"cpu_memory_warning": )",
       }) {
    const auto reply = put_config(bad);
    ASSERT_FALSE(reply) << bad;
    EXPECT_EQ(reply.error().code, ErrorCode::invalid_argument) << bad;
    EXPECT_EQ(get("/api/v1/config")["config"], before) << bad;
  }
}

TEST_F(DaemonTest, SecondDaemonIsRefusedWithTheNameOfTheFirst) {
  const auto first = start(options());
  const auto same_state = Daemon::make(options());
  ASSERT_FALSE(same_state);
  EXPECT_EQ(same_state.error().code, ErrorCode::already_exists);
  EXPECT_THAT(same_state.error().message, HasSubstr("pid " + std::to_string(::getpid())));

  Daemon::Options other = options();
  other.state_dir = temp_ / "elsewhere";
  const auto same_socket = Daemon::make(std::move(other));
  ASSERT_FALSE(same_socket);
  EXPECT_EQ(same_socket.error().code, ErrorCode::already_exists);
  EXPECT_THAT(same_socket.error().message, HasSubstr((temp_ / "levee.sock").string()));
  EXPECT_EQ(get("/healthz")["health"], "healthy") << "the first one goes on";
}

TEST_F(DaemonTest, AfterItsEndAnotherMayStart) {
  start(options()).reset();
  EXPECT_TRUE(get("/healthz").is_null());
  const auto again = start(options());
  EXPECT_EQ(get("/healthz")["health"], "healthy");
}

TEST_F(DaemonTest, StopsInTimeWhileAWebhookHangs) {
  const SilentPort silent;
  const auto daemon = start(options({{"webhook.urls", silent.url()}}));
  machine_.set_available(gib(1));
  ASSERT_TRUE(eventually([&] { return silent.has_visitor(); }));
  const auto began = Clock::now();
  daemon->stop();
  const auto took = Clock::now() - began;
  RecordProperty("milliseconds", static_cast<int>(took / 1ms));
  EXPECT_LT(took, 3s) << "of which 0.7 s are granted to the webhook";
  daemon->stop();  // once more does no harm
}

TEST_F(DaemonTest, StopsInTimeWhileAReplacedWebhookHangs) {
  const SilentPort silent;
  auto daemon = start(options({{"webhook.urls", silent.url()}}));
  machine_.set_available(gib(1));
  ASSERT_TRUE(eventually([&] { return silent.has_visitor(); }));
  ASSERT_TRUE(put_config(R"({"webhook.timeout_seconds": 20})"));
  const auto began = Clock::now();
  daemon.reset();
  EXPECT_LT(Clock::now() - began, 3s);
}

TEST_F(DaemonTest, HangingWebhookDelaysNoTick) {
  const SilentPort silent;
  const auto daemon =
      start(options({{"webhook.urls", silent.url()}, {"monitoring_interval", "0.1"}}));
  machine_.set_available(gib(1));
  ASSERT_TRUE(eventually([&] { return silent.has_visitor(); }));
  const auto ticks = [&] { return get("/api/v1/monitoring/status")["daemon"]["ticks"].get<int>(); };
  const int before = ticks();
  EXPECT_TRUE(eventually([&] { return ticks() >= before + 10; }));
}

TEST_F(DaemonTest, WithoutAStateDirectoryItRunsAndSaysSo) {
  Daemon::Options wanted = options();
  wanted.state_dir = "/sys/levee-state";  // not even root may make a directory there
  const auto daemon = start(std::move(wanted));
  const Json health = get("/healthz");
  EXPECT_EQ(health["status"], "degraded");
  EXPECT_EQ(health["store"]["durable"], false);
  EXPECT_THAT(health["store"]["reason"].get<std::string>(), HasSubstr("/sys/levee-state"));
  EXPECT_THAT(health["reasons"].dump(), HasSubstr("memory only"));
  Stream stream(temp_ / "levee.sock");
  EXPECT_TRUE(stream.sees("store_lost"));
  machine_.set_available(gib(1));
  EXPECT_TRUE(eventually([&] { return has_active("host_available", "emergency"); }));
}

TEST_F(DaemonTest, StateDirectoryThatIsAFileIsRefused) {
  temp_.write("state", "not a directory");
  const auto daemon = Daemon::make(options());
  ASSERT_FALSE(daemon);
  EXPECT_EQ(daemon.error().code, ErrorCode::invalid_argument);
}

TEST_F(DaemonTest, LostMemoryReadingIsToldAndRecovers) {
  const auto daemon = start(options({{"monitoring_interval", "0.1"}, {"stale_seconds", "1"}}));
  machine_.break_meminfo();
  ASSERT_TRUE(eventually([&] { return get("/healthz")["health"] == "unknown"; }));
  EXPECT_EQ(get("/healthz")["status"], "degraded");
  machine_.set_available(gib(40));
  EXPECT_TRUE(eventually([&] { return get("/healthz")["health"] == "healthy"; }));
}

TEST_F(DaemonTest, GuardStartsAsSoonAsThereIsSomethingToLookAt) {
  machine_.break_meminfo();
  const auto daemon = start(options({{"monitoring_interval", "0.1"}, {"stale_seconds", "1"}}));
  EXPECT_THAT(get("/healthz")["reasons"].dump(), HasSubstr("guard"));
  machine_.set_available(gib(40));
  EXPECT_TRUE(eventually(
      [&] { return get("/api/v1/monitoring/status")["guard"]["available_bytes"].is_number(); }));
}

TEST_F(DaemonTest, ReloadReadsTheFileAgainOrSaysWhyNot) {
  const auto file = temp_ / "levee.toml";
  temp_.write("levee.toml", "cpu_memory_warning = 70\n");
  Daemon::Options wanted = options(slow_);
  config::Inputs inputs;
  inputs.file = file;
  inputs.command_line = {{"server.listen", "127.0.0.1:0"},
                         {"protect.lock_memory", "false"},
                         {"protect.oom_score_adj", "0"}};
  wanted.settings = config::Settings::load(inputs).value();
  const auto daemon = start(std::move(wanted));
  Stream stream(temp_ / "levee.sock");
  ASSERT_TRUE(stream.sees(": connected"));
  temp_.write("levee.toml", "cpu_memory_warning = 30\n");
  daemon->reload();
  EXPECT_TRUE(stream.sees("Configuration changed: cpu_memory_warning"));
  EXPECT_TRUE(eventually([&] { return has_active("cpu_memory", "warning"); }));
  temp_.write("levee.toml", "cpu_memory_warning = 300\n");
  daemon->reload();
  EXPECT_TRUE(stream.sees("config_rejected"));
  EXPECT_TRUE(has_active("cpu_memory", "warning")) << "the old settings stay";
}

TEST_F(DaemonTest, ManyClientsAndChangesAtOnceAreAllAnswered) {
  const auto daemon = start(options());
  std::atomic<int> answered = 0;
  {
    std::vector<std::jthread> clients;
    for (int c = 0; c < 4; ++c) {
      clients.emplace_back([&, c] {
        for (int i = 0; i < 10; ++i) {
          const bool ok =
              c % 2 == 0 ? !get("/api/v1/monitoring/report").is_null()
                         : put_config(R"({"cpu_memory_warning": 6)" + std::to_string(i % 10) + "}")
                               .has_value();
          answered += ok ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(answered, 40);
}

}  // namespace
}  // namespace levee::engine
