// The client against a daemon of the test's own, over a real Unix socket.
#include "levee/reclaim.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <future>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "levee/reclaim.h"
#include "support/patience.hpp"
#include "support/temp_dir.hpp"

namespace levee {
namespace {

using namespace std::chrono_literals;
using test::eventually;
using test::kPatience;
using testing::HasSubstr;
using Json = nlohmann::json;

/// One connection of a client, seen from the daemon.
class Guest {
 public:
  explicit Guest(int fd = -1) : fd_(fd) {}
  Guest(Guest&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), text_(std::move(other.text_)) {}
  Guest& operator=(Guest&&) = delete;
  ~Guest() { hang_up(); }

  void hang_up() {
    if (fd_ >= 0) {
      ::close(std::exchange(fd_, -1));
    }
  }
  void send(std::string_view text) const {
    EXPECT_EQ(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  void say(const Json& message) const { send(message.dump() + "\n"); }

  std::string read_to(std::string_view mark) {
    for (;;) {
      if (const auto at = text_.find(mark); at != std::string::npos) {
        std::string front = text_.substr(0, at + mark.size());
        text_.erase(0, front.size());
        return front;
      }
      if (!receive(std::chrono::milliseconds(kPatience))) {
        return {};
      }
    }
  }
  /// The next message; null when the client has hung up instead.
  Json hear() {
    const std::string line = read_to("\n");
    return line.empty() ? Json() : Json::parse(line);
  }
  [[nodiscard]] bool is_silent_for(std::chrono::milliseconds time) {
    return text_.empty() && !receive(time);
  }

 private:
  bool receive(std::chrono::milliseconds time) {
    pollfd entry{fd_, POLLIN, 0};
    char room[4096];
    const ssize_t size = ::poll(&entry, 1, static_cast<int>(time.count())) > 0
                             ? ::recv(fd_, room, sizeof room, 0)
                             : 0;
    if (size > 0) {
      text_.append(room, static_cast<std::size_t>(size));
    }
    return size > 0;
  }

  int fd_;
  std::string text_;
};

/// Listens as a daemon does.
class Host {
 public:
  explicit Host(std::filesystem::path path)
      : path_(std::move(path)), fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_, 16), 0);
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() {
    ::close(fd_);
    std::filesystem::remove(path_);
  }

  /// The next one that wants something; probes that only look whether somebody is there do not.
  Guest accept() const {
    for (;;) {
      pollfd entry{fd_, POLLIN, 0};
      if (::poll(&entry, 1, 10'000) <= 0) {
        ADD_FAILURE() << "nobody came";
        return Guest{};
      }
      Guest guest(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
      request_ = guest.read_to("\r\n\r\n");
      if (!request_.empty()) {
        return guest;
      }
    }
  }
  /// One that has left HTTP, registered and was welcomed; what it registered is `hello`.
  Guest welcome() const {
    Guest guest = accept();
    guest.send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
        "Upgrade: levee-reclaim/1\r\n\r\n");
    hello_ = guest.hear();
    guest.say({{"type", "welcome"}, {"client", "r1"}});
    return guest;
  }
  [[nodiscard]] const std::string& request() const { return request_; }
  [[nodiscard]] const Json& hello() const { return hello_; }

 private:
  std::filesystem::path path_;
  int fd_;
  mutable std::string request_;
  mutable Json hello_;
};

Json request(int id, const char* strategy = "clear_cache", const char* device = "host") {
  return {
      {"type", "request"},      {"id", id},           {"strategy", strategy}, {"device", device},
      {"bytes", 1'073'741'824}, {"deadline_ms", 500}, {"reason", "a test"}};
}

class ReclaimClientTest : public testing::Test {
 protected:
  /// Starts `client` while the host welcomes it.
  Guest started(ReclaimClient& client, const Host& host) {
    auto starting = std::async(std::launch::async, [&] { return client.start(socket); });
    Guest guest = host.welcome();
    const auto status = starting.get();
    EXPECT_TRUE(status && status->is_registered);
    return guest;
  }
  static void offer(ReclaimClient& client, ReclaimClient::Callback callback) {
    EXPECT_TRUE(client.on(ReclaimStrategy::clear_cache, "host", std::move(callback), gib(2)));
  }
  static ReclaimAnswer free_all(const ReclaimRequest& asked) {
    return ReclaimAnswer::freed(asked.bytes);
  }

  test::TempDir dir;
  std::filesystem::path socket = dir / "levee.sock";
};

TEST_F(ReclaimClientTest, RegistersAndAnswers) {
  const Host host(socket);
  ReclaimClient client({.name = "trainer", .priority = -7});
  std::promise<ReclaimRequest> asked;
  offer(client, [&](const ReclaimRequest& what) {
    asked.set_value(what);
    return ReclaimAnswer::freed(mib(900), "two caches");
  });
  Guest guest = started(client, host);
  EXPECT_THAT(host.request(), HasSubstr("Upgrade: levee-reclaim/1\r\n"));
  EXPECT_EQ(host.hello(),
            Json::parse(R"({"type":"register","name":"trainer","priority":-7,"offers":[
      {"strategy":"clear_cache","device":"host","estimate_bytes":2147483648}]})"));
  const auto before = std::chrono::steady_clock::now();
  guest.say(request(7));
  EXPECT_EQ(guest.hear(), Json::parse(R"({"type":"answer","id":7,"result":"done",
      "freed_bytes":943718400,"message":"two caches"})"));
  const ReclaimRequest heard = asked.get_future().get();
  EXPECT_EQ(heard.bytes, gib(1));
  EXPECT_EQ(heard.reason, "a test");
  EXPECT_GE(heard.deadline, before + 500ms);
  EXPECT_EQ(client.status().client, "r1");
  EXPECT_EQ(client.status().answered, 1U);
}

TEST_F(ReclaimClientTest, SaysGoodbye) {
  const Host host(socket);
  auto client = std::make_unique<ReclaimClient>();
  Guest guest = started(*client, host);
  EXPECT_NE(host.hello()["name"], "") << "the program's name";
  client.reset();
  EXPECT_EQ(guest.hear()["type"], "goodbye");
  EXPECT_EQ(guest.hear(), Json());
}

TEST_F(ReclaimClientTest, SaysWhatChanges) {
  const Host host(socket);
  ReclaimClient client;
  Guest guest = started(client, host);
  EXPECT_EQ(host.hello()["offers"], Json::array());
  offer(client, free_all);
  EXPECT_EQ(guest.hear()["offers"][0]["estimate_bytes"], 2 * kGiB);
  EXPECT_TRUE(client.estimate(ReclaimStrategy::clear_cache, "host", mib(5)));
  EXPECT_EQ(guest.hear()["offers"][0]["estimate_bytes"], 5 * kMiB);
  EXPECT_TRUE(client.estimate(ReclaimStrategy::clear_cache, "host", mib(5)));
  client.off(ReclaimStrategy::clear_cache, "host");
  EXPECT_EQ(guest.hear()["offers"], Json::array()) << "an estimate that is the same is not told";
  guest.say(request(1));
  EXPECT_EQ(guest.hear()["result"], "refused");
}

TEST_F(ReclaimClientTest, ACallbackThatThrowsHasFailed) {
  const Host host(socket);
  ReclaimClient client;
  offer(client, [](const auto&) -> ReclaimAnswer { throw std::runtime_error("no cache here"); });
  EXPECT_TRUE(
      client.on(ReclaimStrategy::offload, "GPU-0", [](const auto&) -> ReclaimAnswer { throw 7; }));
  Guest guest = started(client, host);
  guest.say(request(1));
  Json answer = guest.hear();
  EXPECT_EQ(answer["result"], "failed");
  EXPECT_EQ(answer["message"], "no cache here");
  guest.say(request(2, "offload", "GPU-0"));
  answer = guest.hear();
  EXPECT_EQ(answer["result"], "failed");
  EXPECT_EQ(answer["freed_bytes"], 0);
}

TEST_F(ReclaimClientTest, CallbacksRunOneAtATime) {
  const Host host(socket);
  ReclaimClient client;
  std::promise<void> go;
  offer(client, [&, wait = go.get_future().share()](const ReclaimRequest& asked) {
    wait.wait();
    return free_all(asked);
  });
  Guest guest = started(client, host);
  guest.say(request(1));
  ASSERT_TRUE(eventually([&] { return client.status().asked == 1; }));
  guest.say(request(2));
  const Json refused = guest.hear();
  EXPECT_EQ(refused["id"], 2);
  EXPECT_EQ(refused["result"], "refused");
  EXPECT_THAT(refused["message"].get<std::string>(), HasSubstr("earlier request"));
  go.set_value();
  EXPECT_EQ(guest.hear()["id"], 1);
}

TEST_F(ReclaimClientTest, SaysWhyThereIsNoDaemonAndFindsItLater) {
  ReclaimClient client;
  offer(client, free_all);
  const auto status = client.start(socket);
  ASSERT_TRUE(status) << "the program goes on";
  EXPECT_FALSE(status->is_registered);
  EXPECT_EQ(status->trouble->code, ErrorCode::unavailable);
  EXPECT_THAT(status->trouble->message, HasSubstr(socket.string()));
  const Host host(socket);
  Guest guest = host.welcome();
  EXPECT_TRUE(eventually([&] { return client.status().is_registered; }));
  EXPECT_FALSE(client.status().trouble);
  guest.say(request(1));
  EXPECT_EQ(guest.hear()["result"], "done");
}

TEST_F(ReclaimClientTest, RegistersAgainWhenTheDaemonRestarts) {
  ReclaimClient client;
  offer(client, free_all);
  {
    const Host host(socket);
    started(client, host).hang_up();
  }
  EXPECT_TRUE(eventually([&] { return !client.status().is_registered; }));
  EXPECT_TRUE(client.status().trouble);
  EXPECT_TRUE(client.estimate(ReclaimStrategy::clear_cache, "host", mib(3))) << "told when back";
  const Host host(socket);
  Guest guest = host.welcome();
  EXPECT_EQ(host.hello()["offers"][0]["estimate_bytes"], 3 * kMiB);
  guest.say(request(1));
  EXPECT_EQ(guest.hear()["result"], "done");
}

TEST_F(ReclaimClientTest, AnAnswerIsNotForTheNextDaemon) {
  std::promise<void> go;
  ReclaimClient client;
  offer(client, [&, wait = go.get_future().share()](const ReclaimRequest& asked) {
    wait.wait();
    return free_all(asked);
  });
  {
    const Host host(socket);
    Guest guest = started(client, host);
    guest.say(request(1));
    ASSERT_TRUE(eventually([&] { return client.status().asked == 1; }));
  }
  const Host host(socket);
  Guest guest = host.welcome();
  guest.say(request(1));
  EXPECT_EQ(guest.hear()["result"], "refused") << "it is still busy with the first";
  go.set_value();
  ASSERT_TRUE(eventually([&] { return client.status().answered == 2; }));
  EXPECT_TRUE(guest.is_silent_for(100ms)) << "this daemon did not ask that";
}

TEST_F(ReclaimClientTest, TellsWhyTheDaemonRefused) {
  const Host host(socket);
  ReclaimClient client;
  auto starting = std::async(std::launch::async, [&] { return client.start(socket); });
  const std::string body =
      R"({"detail":"64 processes of user marie are here already","hint":"end some","code":"resource_exhausted"})";
  Guest guest = host.accept();
  guest.send(
      fmt::format("HTTP/1.1 429 Too Many Requests\r\nContent-Length: {}\r\n\r\n", body.size()));
  guest.send(body.substr(0, 5));
  guest.send(body.substr(5));
  const auto status = starting.get();
  ASSERT_TRUE(status && status->trouble);
  EXPECT_EQ(status->trouble->code, ErrorCode::resource_exhausted);
  EXPECT_THAT(status->trouble->message, HasSubstr("64 processes"));
}

TEST_F(ReclaimClientTest, TellsWhatTheDaemonComplainedOf) {
  const Host host(socket);
  ReclaimClient client;
  Guest guest = started(client, host);
  guest.say({{"type", "error"}, {"code", "timed_out"}, {"message", "too slow"}, {"hint", ""}});
  EXPECT_TRUE(eventually([&] {
    const auto trouble = client.status().trouble;
    return trouble && trouble->message == "too slow";
  }));
}

TEST_F(ReclaimClientTest, HangsUpOnADaemonThatMakesNoSense) {
  for (const char* nonsense : {"garbage\n", "{\"type\":\"goodbye\"}\n", "{}\n"}) {
    const Host host(socket);
    ReclaimClient client;
    Guest guest = started(client, host);
    guest.send(nonsense);
    EXPECT_TRUE(eventually([&] { return client.status().trouble.has_value(); })) << nonsense;
    EXPECT_EQ(guest.hear(), Json()) << nonsense;
  }
}

TEST_F(ReclaimClientTest, RefusesOffersThatAreNone) {
  ReclaimClient client;
  const auto on = [&](std::string_view device, ReclaimClient::Callback callback) {
    const auto done = client.on(ReclaimStrategy::offload, device, std::move(callback));
    return done ? ErrorCode::internal : done.error().code;
  };
  EXPECT_EQ(on("", free_all), ErrorCode::invalid_argument);
  EXPECT_EQ(on("GPU 0", free_all), ErrorCode::invalid_argument);
  EXPECT_EQ(on(std::string(129, 'x'), free_all), ErrorCode::invalid_argument);
  EXPECT_EQ(on("host", {}), ErrorCode::invalid_argument);
  EXPECT_EQ(client.estimate(ReclaimStrategy::offload, "host", {}).error().code,
            ErrorCode::not_found);
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(on(fmt::format("GPU-{}", i), free_all), ErrorCode::internal) << i;
  }
  EXPECT_EQ(on("GPU-64", free_all), ErrorCode::resource_exhausted);
}

TEST_F(ReclaimClientTest, StartsOnce) {
  ReclaimClient client;
  EXPECT_TRUE(client.start(socket));
  EXPECT_EQ(client.start(socket).error().code, ErrorCode::already_exists);
}

TEST_F(ReclaimClientTest, StopsPromptlyWhileACallbackHangs) {
  const Host host(socket);
  const auto go = std::make_shared<std::promise<void>>();
  auto client = std::make_unique<ReclaimClient>(ReclaimOptions{.stop_patience = 50ms});
  const auto began = std::make_shared<std::atomic<bool>>(false);
  const auto over = std::make_shared<std::atomic<bool>>(false);
  offer(*client, [go, began, over](const ReclaimRequest& asked) {
    *began = true;
    go->get_future().wait();
    *over = true;
    return free_all(asked);
  });
  Guest guest = started(*client, host);
  guest.say(request(1));
  ASSERT_TRUE(eventually([&] { return began->load(); }));
  const auto before = std::chrono::steady_clock::now();
  client.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
  EXPECT_EQ(guest.hear()["type"], "goodbye");
  EXPECT_FALSE(*over);
  go->set_value();
  EXPECT_TRUE(eventually([&] { return over->load(); })) << "it ends by itself, and harms nobody";
}

TEST_F(ReclaimClientTest, WaitsForACallbackThatIsAboutToEnd) {
  const Host host(socket);
  auto client = std::make_unique<ReclaimClient>(ReclaimOptions{.stop_patience = kPatience});
  std::promise<void> began;
  std::atomic<bool> over = false;
  offer(*client, [&](const ReclaimRequest& asked) {
    began.set_value();
    std::this_thread::sleep_for(50ms);
    over = true;
    return free_all(asked);
  });
  Guest guest = started(*client, host);
  guest.say(request(1));
  began.get_future().wait();
  client.reset();
  EXPECT_TRUE(over);
}

TEST_F(ReclaimClientTest, MayBeDestroyedByItsOwnCallback) {
  const Host host(socket);
  auto client = std::make_unique<ReclaimClient>(ReclaimOptions{.stop_patience = kPatience});
  std::promise<void> gone;
  offer(*client, [&](const ReclaimRequest& asked) {
    client.reset();
    gone.set_value();
    return free_all(asked);
  });
  Guest guest = started(*client, host);
  guest.say(request(1));
  EXPECT_EQ(gone.get_future().wait_for(kPatience), std::future_status::ready);
}

TEST_F(ReclaimClientTest, StopsPromptlyWhileTheDaemonSaysNothing) {
  const Host host(socket);
  auto client = std::make_unique<ReclaimClient>();
  const auto before = std::chrono::steady_clock::now();
  const auto status = client->start(socket);
  ASSERT_TRUE(status);
  EXPECT_FALSE(status->is_registered);
  client.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 8s);
}

TEST_F(ReclaimClientTest, AChildHasNoClientAndHoldsNothingOpen) {
  const Host host(socket);
  auto client = std::make_unique<ReclaimClient>();
  offer(*client, free_all);
  Guest guest = started(*client, host);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool good = !client->on(ReclaimStrategy::offload, "host", free_all) && !client->start() &&
                      !client->status().is_registered && client->status().trouble &&
                      !client->estimate(ReclaimStrategy::clear_cache, "host", {});
    client->off(ReclaimStrategy::clear_cache, "host");
    client.reset();
    ReclaimClient own;
    const bool own_works = own.on(ReclaimStrategy::offload, "host", free_all).has_value();
    ::_exit(good && own_works ? 0 : 1);
  }
  int how = -1;
  ASSERT_EQ(::waitpid(child, &how, 0), child);
  EXPECT_EQ(how, 0);
  guest.say(request(1));
  EXPECT_EQ(guest.hear()["result"], "done") << "the parent's is as it was";

  const pid_t idle = ::fork();
  if (idle == 0) {
    for (;;) {
      ::pause();
    }
  }
  client.reset();
  EXPECT_EQ(guest.hear()["type"], "goodbye");
  EXPECT_EQ(guest.hear(), Json()) << "the child does not hold the connection open";
  ::kill(idle, SIGKILL);
  ::waitpid(idle, nullptr, 0);
}

// --- the C interface

extern "C" void free_half(const levee_reclaim_request* asked, levee_reclaim_answer* answer,
                          void* user_data) {
  *static_cast<std::string*>(user_data) =
      fmt::format("{} {} {} {}", asked->strategy, asked->device, asked->bytes, asked->reason);
  answer->freed_bytes = asked->bytes / 2;
  std::strcpy(answer->message, "half of it");
}

TEST_F(ReclaimClientTest, WorksThroughTheCInterface) {
  const Host host(socket);
  levee_reclaim* const client = levee_reclaim_new("c", 3);
  ASSERT_NE(client, nullptr);
  std::string heard;
  EXPECT_EQ(levee_reclaim_on(client, LEVEE_CLEAR_CACHE, nullptr, free_half, &heard, LEVEE_UNKNOWN),
            LEVEE_OK);
  EXPECT_EQ(levee_reclaim_state(client), LEVEE_WAITING);
  auto starting =
      std::async(std::launch::async, [&] { return levee_reclaim_start(client, socket.c_str()); });
  Guest guest = host.welcome();
  EXPECT_EQ(starting.get(), LEVEE_OK);
  EXPECT_EQ(levee_reclaim_state(client), LEVEE_OK);
  EXPECT_EQ(levee_reclaim_start(client, nullptr), LEVEE_BUSY);
  EXPECT_FALSE(host.hello()["offers"][0].contains("estimate_bytes"));
  EXPECT_EQ(levee_reclaim_estimate(client, LEVEE_CLEAR_CACHE, nullptr, 5), LEVEE_OK);
  EXPECT_EQ(guest.hear()["offers"][0]["estimate_bytes"], 5);
  guest.say(request(9));
  const Json answer = guest.hear();
  EXPECT_EQ(answer["freed_bytes"], kGiB / 2);
  EXPECT_EQ(answer["message"], "half of it");
  EXPECT_EQ(heard, "0 host 1073741824 a test");
  EXPECT_EQ(levee_reclaim_off(client, LEVEE_CLEAR_CACHE, "host"), LEVEE_OK);
  EXPECT_EQ(guest.hear()["offers"], Json::array());
  levee_reclaim_free(client);
  EXPECT_EQ(guest.hear()["type"], "goodbye");
}

TEST_F(ReclaimClientTest, TheCInterfaceRefusesNonsenseAndSaysWhy) {
  levee_reclaim* const client = levee_reclaim_new(nullptr, 0);
  EXPECT_EQ(levee_reclaim_on(nullptr, LEVEE_OFFLOAD, nullptr, free_half, nullptr, 0),
            LEVEE_INVALID);
  EXPECT_STREQ(levee_reclaim_last_error(), "the client is NULL");
  EXPECT_EQ(levee_reclaim_on(client, LEVEE_OFFLOAD, nullptr, nullptr, nullptr, 0), LEVEE_INVALID);
  EXPECT_STREQ(levee_reclaim_last_error(), "the callback is NULL");
  for (const int strategy : {-1, 4, 1000}) {
    EXPECT_EQ(levee_reclaim_on(client, strategy, nullptr, free_half, nullptr, 0), LEVEE_INVALID);
    EXPECT_EQ(levee_reclaim_off(client, strategy, nullptr), LEVEE_INVALID);
    EXPECT_EQ(levee_reclaim_estimate(client, strategy, nullptr, 0), LEVEE_INVALID);
  }
  EXPECT_EQ(levee_reclaim_on(client, LEVEE_OFFLOAD, "", free_half, nullptr, 0), LEVEE_INVALID);
  EXPECT_THAT(levee_reclaim_last_error(), HasSubstr("UUID"));
  EXPECT_EQ(levee_reclaim_estimate(client, LEVEE_OFFLOAD, nullptr, 0), LEVEE_NOT_FOUND);
  EXPECT_EQ(levee_reclaim_start(nullptr, nullptr), LEVEE_INVALID);
  EXPECT_EQ(levee_reclaim_state(nullptr), LEVEE_INVALID);
  EXPECT_EQ(levee_reclaim_start(client, (dir / "none.sock").c_str()), LEVEE_WAITING);
  EXPECT_THAT(levee_reclaim_last_error(), HasSubstr("none.sock"));
  levee_reclaim_free(client);
  levee_reclaim_free(nullptr);
  EXPECT_EQ(levee_reclaim_api_version(), LEVEE_RECLAIM_API_VERSION);
}

}  // namespace
}  // namespace levee
