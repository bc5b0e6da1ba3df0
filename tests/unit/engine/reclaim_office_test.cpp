// The office on this very machine: a real server and its Api, real clients, and ticks of the test's
// own.
#include "engine/reclaim_office.hpp"

#include <gmock/gmock.h>
#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <future>
#include <thread>

#include "api/api.hpp"
#include "engine/clock.hpp"
#include "levee/client.hpp"
#include "levee/reclaim.hpp"
#include "server/server.hpp"
#include "support/patience.hpp"
#include "support/temp_dir.hpp"

namespace levee::engine {
namespace {

using namespace std::chrono_literals;
using reclaim::Asked;
using reclaim::Outcome;
using reclaim::Verdict;
using test::eventually;
using testing::HasSubstr;

/// Memory of this process that is really there, and really goes.
class Ballast {
 public:
  explicit Ballast(std::size_t bytes)
      : bytes_(bytes),
        memory_(
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    std::memset(memory_, 1, bytes);
  }
  Ballast(const Ballast&) = delete;
  Ballast& operator=(const Ballast&) = delete;
  ~Ballast() { ::munmap(memory_, bytes_); }
  void drop() const { ::madvise(memory_, bytes_, MADV_DONTNEED); }

 private:
  std::size_t bytes_;
  void* memory_;
};

class ReclaimOfficeTest : public testing::Test {
 protected:
  ReclaimOfficeTest() {
    auto made = server::Server::make({.listen = "off", .socket = socket, .limits = {}},
                                     [this](const api::Request& request, api::Responder respond) {
                                       api.handle(request, std::move(respond));
                                     });
    EXPECT_TRUE(made) << made.error().message;
    server = std::move(*made);
    thread = std::thread([this] { server->run(); });
  }
  ~ReclaimOfficeTest() override {
    server->stop();
    thread.join();
  }

  /// One look at the machine, as the engine's tick has.
  void tick() {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->at = read_clock();
    HostReading host;
    host.total = gib(8);
    host.available = gib(6);
    snapshot->host = Sampled<HostReading>{host, snapshot->at.mono};
    snapshot->gpus = gpus;
    api::View view;
    for (const GpuReading& gpu : snapshot->gpus) {
      view.gpus.push_back(
          {.reading = &gpu, .levels = {}, .advice = {}, .fresh = true, .past = {}, .xids = {}});
    }
    view.snapshot = snapshot;
    office.observe(view);
  }

  /// Asks the one client that is there, and ticks until it is over.
  Result<Asked> ask(reclaim::Ask wanted) {
    std::optional<Result<Asked>> result;
    office.port().ask(office.roster()->clients.at(0).id, std::move(wanted),
                      [&](Result<Asked> asked) { result = std::move(asked); });
    EXPECT_TRUE(eventually([&] {
      tick();
      return result.has_value();
    }));
    return result.value_or(fail(ErrorCode::internal, "no answer"));
  }
  static reclaim::Ask for_host() {
    return {.strategy = ReclaimStrategy::clear_cache,
            .device = "host",
            .bytes = mib(256),
            .deadline = 5s,
            .reason = "a test",
            .despite_record = true};
  }
  GpuReading gpu(Bytes used, std::optional<Bytes> ours, MonoTime read_at) const {
    auto identity = std::make_shared<GpuIdentity>();
    identity->uuid = "GPU-0";
    GpuReading reading;
    reading.identity = std::move(identity);
    reading.memory =
        GpuMemory{.total = gib(16), .used = used, .free = gib(16) - used, .reserved = {}};
    if (ours) {
      GpuProcess process;
      process.pid = ::getpid();
      process.memory = ours;
      reading.processes = {process};
    }
    reading.read_at = read_at;
    return reading;
  }

  test::TempDir dir;
  std::filesystem::path socket = dir / "levee.sock";
  std::atomic<int> looks = 0;
  std::vector<GpuReading> gpus;
  ReclaimOffice office{{.root = sources::Root{},
                        .most_per_user = 8,
                        .most_in_all = 8,
                        .look_again = [this] { ++looks; },
                        .account_of = [](const ProcessId&) { return std::string("lease-1"); }}};
  api::Api api{api::Ports{.view = [] { return std::shared_ptr<const api::View>(); },
                          .command = {},
                          .stored_history = {},
                          .stored_events = {},
                          .ledger = {},
                          .reclaim = office.port(),
                          .now = read_clock,
                          .authority = {.daemon_uid = ::geteuid()}}};
  std::unique_ptr<server::Server> server;
  std::thread thread;
};

TEST_F(ReclaimOfficeTest, KnowsAClientByItsSocketAndMeasuresWhatItFrees) {
  const Ballast ballast(mib(256).count);
  ReclaimClient client({.name = "me"});
  ASSERT_TRUE(client.on(ReclaimStrategy::clear_cache, "host", [&](const auto&) {
    ballast.drop();
    return ReclaimAnswer::freed(mib(256));
  }));
  ASSERT_TRUE(client.start(socket)->is_registered);
  tick();
  const auto roster = office.roster();
  ASSERT_EQ(roster->clients.size(), 1U);
  EXPECT_EQ(roster->clients[0].caller.process.pid, ::getpid());
  EXPECT_EQ(roster->clients[0].caller.uid, ::getuid());
  EXPECT_EQ(roster->clients[0].account, "lease-1");

  const auto honest = ask(for_host());
  ASSERT_TRUE(honest) << honest.error().message;
  EXPECT_EQ(honest->outcome, Outcome::done);
  EXPECT_EQ(honest->verdict, Verdict::honest);
  EXPECT_NEAR(static_cast<double>(honest->measured().value_or(0)),
              static_cast<double>(mib(256).count), static_cast<double>(mib(16).count));
  EXPECT_EQ(honest->before->used, gib(2));
  EXPECT_GE(looks, 2);

  const auto lie = ask(for_host());  // There is nothing left.
  EXPECT_EQ(lie->verdict, Verdict::lied);
  std::string told;
  for (const Event& event : office.events({})) {
    told += event.message + "\n";
  }
  EXPECT_THAT(told, HasSubstr("can be asked for memory"));
  EXPECT_THAT(told, HasSubstr("passed over for 1m 0s"));
}

TEST_F(ReclaimOfficeTest, TakesNoFigureOfAGpuThatIsOlderThanTheAnswer) {
  ReclaimClient client;
  std::promise<void> freed;
  ASSERT_TRUE(client.on(ReclaimStrategy::offload, "GPU-0", [&](const auto&) {
    freed.set_value();
    return ReclaimAnswer::freed(gib(1));
  }));
  ASSERT_TRUE(client.start(socket)->is_registered);
  std::optional<Result<Asked>> result;
  office.port().ask(office.roster()->clients.at(0).id,
                    {.strategy = ReclaimStrategy::offload,
                     .device = "GPU-0",
                     .bytes = gib(1),
                     .deadline = 5s,
                     .reason = {},
                     .despite_record = false},
                    [&](Result<Asked> asked) { result = std::move(asked); });
  gpus = {gpu(gib(8), gib(4), read_clock().mono)};
  tick();
  freed.get_future().wait();
  ASSERT_TRUE(eventually([&] { return client.status().answered == 1; }));
  tick();
  EXPECT_FALSE(result) << "the figures are those from before";
  ASSERT_TRUE(eventually([&] {
    gpus = {gpu(gib(7), gib(3), read_clock().mono)};
    tick();
    return result.has_value();
  }));
  EXPECT_EQ((*result)->verdict, Verdict::honest);
  EXPECT_EQ((*result)->measured(), static_cast<std::int64_t>(kGiB));
  EXPECT_EQ((*result)->after->used, gib(7));
}

TEST_F(ReclaimOfficeTest, CallsNobodyALiarWhoseUseTheDriverDoesNotTell) {
  ReclaimClient client;
  ASSERT_TRUE(client.on(ReclaimStrategy::offload, "GPU-0",
                        [](const auto&) { return ReclaimAnswer::freed(gib(1)); }));
  ASSERT_TRUE(client.start(socket)->is_registered);
  std::optional<Result<Asked>> result;
  office.port().ask(office.roster()->clients.at(0).id,
                    {.strategy = ReclaimStrategy::offload,
                     .device = "GPU-0",
                     .bytes = gib(1),
                     .deadline = 5s,
                     .reason = {},
                     .despite_record = false},
                    [&](Result<Asked> asked) { result = std::move(asked); });
  ASSERT_TRUE(eventually([&] {
    gpus = {gpu(gib(8), std::nullopt, read_clock().mono)};
    tick();
    return result.has_value();
  }));
  EXPECT_EQ((*result)->verdict, Verdict::unclear);
}

TEST_F(ReclaimOfficeTest, TurnsAwayASecondClientOfAProcess) {
  ReclaimClient first;
  ReclaimClient second;
  ASSERT_TRUE(first.start(socket)->is_registered);
  const auto status = second.start(socket);
  ASSERT_TRUE(status->trouble);
  EXPECT_EQ(status->trouble->code, ErrorCode::already_exists);
}

TEST_F(ReclaimOfficeTest, AnswersWhoWaitsWhenItStops) {
  ReclaimClient client;
  ASSERT_TRUE(client.on(ReclaimStrategy::clear_cache, "host",
                        [](const auto&) { return ReclaimAnswer::refused("no"); }));
  ASSERT_TRUE(client.start(socket)->is_registered);
  std::optional<Result<Asked>> result;
  office.port().ask(office.roster()->clients.at(0).id, for_host(),
                    [&](Result<Asked> asked) { result = std::move(asked); });
  office.stop();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace levee::engine
