// How pressed a device is, what could be done about it, and what is done.
#include "engine/recovery.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/remedies.hpp"
#include "unit/api/gpu_fixture.hpp"

namespace levee::engine {
namespace {

using namespace std::chrono_literals;
using api::example_gpu;
using api::example_now;
using api::view_with;
using control::Rung;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kGpu = "GPU-00000000-aaaa";

/// GPU 0 of 100 GiB, of which so many are in use, and so many of those are balloons.
GpuReading gpu_using(std::uint64_t gib_used, std::uint64_t balloons = 0) {
  GpuReading gpu = example_gpu();
  gpu.memory = GpuMemory{gib(100), gib(gib_used), gib(100 - gib_used), {}, gib(balloons)};
  gpu.temperature_celsius = 40;
  return gpu;
}

std::shared_ptr<api::View> with_settings(std::shared_ptr<api::View> view,
                                         std::map<std::string, std::string> settings) {
  config::Inputs inputs;
  inputs.command_line = std::move(settings);
  view->settings =
      std::make_shared<const config::Settings>(config::Settings::load(std::move(inputs)).value());
  return view;
}

PressedDevice look(const std::shared_ptr<api::View>& view, std::vector<Shortage> shortages = {}) {
  for (PressedDevice& device : pressed_devices(*view, shortages, example_now().mono)) {
    if (device.name == kGpu) {
      return std::move(device);
    }
  }
  return {};
}

reclaim::Client client(std::string id, ReclaimStrategy strategy, std::optional<Bytes> estimate) {
  reclaim::Client client;
  client.id = std::move(id);
  client.name = "trainer";
  client.caller.user = "alice";
  client.caller.process.pid = 5204;
  client.offers = {{strategy, kGpu, estimate}};
  return client;
}

void give(api::View& view, std::vector<reclaim::Client> clients) {
  auto roster = std::make_shared<reclaim::Roster>();
  roster->clients = std::move(clients);
  view.daemon.reclaim = std::move(roster);
}

void hold(api::View& view, std::string id, Bytes bytes, bool yieldable) {
  auto ledger = std::make_shared<api::LedgerView>();
  api::LeaseReport report;
  report.lease.id = std::move(id);
  report.lease.demand.kind = ledger::LeaseKind::balloon;
  report.lease.demand.yieldable = yieldable;
  report.lease.state = ledger::LeaseState::granted;
  report.lease.shares = {{kGpu, bytes}};
  report.user = "marie";
  ledger->leases = {std::move(report)};
  view.daemon.ledger = std::move(ledger);
}

std::vector<std::string> texts(const std::vector<control::Remedy>& remedies) {
  std::vector<std::string> all;
  for (const control::Remedy& each : remedies) {
    all.push_back(std::string(to_string(each.rung)) + " " + each.target);
  }
  return all;
}

// --- how pressed

TEST(PressedDevices, GrowMoreSevereWithUse) {
  EXPECT_EQ(look(view_with({gpu_using(85)})).look.pressure, std::nullopt);
  EXPECT_EQ(look(view_with({gpu_using(86)})).look.pressure, Severity::warning);
  EXPECT_EQ(look(view_with({gpu_using(91)})).look.pressure, Severity::critical);
  EXPECT_EQ(look(view_with({gpu_using(99)})).look.pressure, Severity::critical)
      << "the usual state of an inference server";
  EXPECT_EQ(look(with_settings(view_with({gpu_using(96)}), {{"recovery.gpu_emergency", "true"}}))
                .look.pressure,
            Severity::emergency);
}

TEST(PressedDevices, AreNotPressedByBalloons) {
  const PressedDevice device = look(view_with({gpu_using(99, 20)}));
  EXPECT_EQ(device.look.pressure, std::nullopt);
  EXPECT_EQ(device.look.used, gib(79));
  EXPECT_EQ(device.look.line, gib(85));
}

TEST(PressedDevices, WantWhatAnAllocationDidNotGet) {
  const MonoTime now = example_now().mono;
  const std::vector<Shortage> wanted{{kGpu, gib(10), now + 1s}};
  const PressedDevice device = look(view_with({gpu_using(95, 60)}), wanted);
  EXPECT_EQ(device.look.pressure, Severity::critical);
  EXPECT_EQ(device.look.used - device.look.line, gib(5)) << "balloons are in its way, too";
  EXPECT_EQ(look(view_with({gpu_using(97)}), wanted).look.pressure, Severity::emergency);
  EXPECT_EQ(look(view_with({gpu_using(80)}), wanted).look.pressure, std::nullopt) << "it is there";
  EXPECT_EQ(look(view_with({gpu_using(95, 60)}), {{kGpu, gib(10), now}}).look.pressure,
            std::nullopt)
      << "long ago";
  EXPECT_EQ(look(view_with({gpu_using(95, 60)}), {{"host", gib(10), now + 1s}}).look.pressure,
            std::nullopt);
}

TEST(PressedDevices, DoForAUserOnlyWhatCostsOthersNothing) {
  const std::vector<Shortage> wanted{{kGpu, gib(10), example_now().mono + 1s, Severity::warning}};
  EXPECT_EQ(look(view_with({gpu_using(95, 60)}), wanted).look.pressure, Severity::warning);
  const PressedDevice full = look(view_with({gpu_using(97)}), wanted);
  EXPECT_EQ(full.look.pressure, Severity::critical) << "as without the report";
}

TEST(PressedDevices, AreThoseThatCanBeJudgedAndHaveMemoryOfTheirOwn) {
  EXPECT_TRUE(look(view_with({api::lost(gpu_using(99))})).name.empty());
  GpuReading unified = gpu_using(99);
  auto who = *unified.identity;
  who.unified_memory = true;
  unified.identity = std::make_shared<const GpuIdentity>(who);
  EXPECT_TRUE(look(view_with({unified})).name.empty());
  const auto devices = pressed_devices(*view_with({}), {}, example_now().mono);
  ASSERT_THAT(devices, SizeIs(1));
  EXPECT_EQ(devices[0].name, "host");
}

TEST(PressedDevices, KnowTheHost) {
  auto view = api::example_view();
  const auto pressure = [&](std::uint64_t available) {
    auto snapshot = std::make_shared<Snapshot>(*view->snapshot);
    snapshot->host->value.total = gib(100);
    snapshot->host->value.available = mib(available);
    view->snapshot = snapshot;
    return pressed_devices(*view, {}, example_now().mono).at(0).look.pressure;
  };
  EXPECT_EQ(pressure(16 * 1024), std::nullopt);
  EXPECT_EQ(pressure(14 * 1024), Severity::warning);
  EXPECT_EQ(pressure(9 * 1024), Severity::critical);
  EXPECT_EQ(pressure(1 * 1024), Severity::emergency);
}

// --- what could be done

TEST(Remedies, AreWhatWasOfferedForThisDeviceByWhoMayBeAsked) {
  auto view = view_with({gpu_using(96)});
  reclaim::Client busy = client("r2", ReclaimStrategy::clear_cache, gib(1));
  busy.busy = true;
  reclaim::Client elsewhere = client("r3", ReclaimStrategy::clear_cache, gib(1));
  elsewhere.offers[0].device = "host";
  reclaim::Client liar = client("r4", ReclaimStrategy::clear_cache, gib(1));
  liar.record.passed_over_until = example_now().mono + 1s;
  give(*view, {client("r1", ReclaimStrategy::yield_balloon, std::nullopt), busy, elsewhere, liar,
               client("r5", ReclaimStrategy::offload, Bytes{}),
               client("r6", ReclaimStrategy::reduce_batch, gib(2))});
  hold(*view, "idle", gib(3), true);
  EXPECT_THAT(texts(look(view).look.remedies),
              ElementsAre("notify all", "deflate_balloon client r1", "reduce_batch client r6",
                          "deflate_balloon balloon idle", "pause all"));
  hold(*view, "idle", gib(3), false);
  EXPECT_THAT(texts(look(view).look.remedies), SizeIs(4));
}

TEST(Remedies, DoNotPauseWhatIsOnlyWarm) {
  EXPECT_THAT(texts(look(view_with({gpu_using(91)})).look.remedies), ElementsAre("notify all"));
}

TEST(Targets, AreReadAsTheyAreWritten) {
  for (const Target& target :
       {Target{}, Target{TargetKind::client, "r7"}, Target{TargetKind::balloon, "client x"}}) {
    const Target read = parse_target(to_text(target));
    EXPECT_EQ(read.kind, target.kind);
    EXPECT_EQ(read.id, target.id);
  }
}

// --- what is done

/// A recovery whose hands only note what they were to do.
struct Bench {
  Now now = example_now();
  std::vector<std::pair<std::string, reclaim::Ask>> asked;
  std::vector<api::ReclaimPort::Answer> to_answer;
  std::vector<std::string> released;
  Recovery recovery{{.reclaim = port(),
                     .ledger = ledger(),
                     .post = [](auto task) { task(); },
                     .clock = [this] { return now.mono; }}};
  std::vector<Event> events;

  api::ReclaimPort port() {
    api::ReclaimPort made;
    made.ask = [this](std::string id, reclaim::Ask ask, api::ReclaimPort::Answer answer) {
      asked.emplace_back(std::move(id), std::move(ask));
      to_answer.push_back(std::move(answer));
    };
    return made;
  }
  api::LedgerPort ledger() {
    api::LedgerPort made;
    made.release = [this](std::string id, const ledger::Requester& who, const auto& answer) {
      EXPECT_TRUE(who.is_administrator);
      released.push_back(std::move(id));
      answer(api::LeaseReport{});
    };
    return made;
  }
  /// The next second of this GPU.
  void tick(std::shared_ptr<api::View> view) {
    now.mono += 1s;
    now.wall += 1s;
    auto snapshot = std::make_shared<Snapshot>(*view->snapshot);
    snapshot->at = now;
    snapshot->host->read_at = now.mono;
    for (GpuReading& gpu : snapshot->gpus) {
      gpu.read_at = now.mono;
    }
    for (std::size_t i = 0; i < view->gpus.size(); ++i) {
      view->gpus[i].reading = &snapshot->gpus[i];
    }
    view->snapshot = snapshot;
    recovery.observe(*view, now);
    for (Event& event : recovery.events()) {
      events.push_back(std::move(event));
    }
  }
  void answer(Bytes freed) {
    reclaim::Asked answer;
    answer.outcome = reclaim::Outcome::done;
    answer.said = freed;
    std::exchange(to_answer, {}).at(0)(answer);
  }
};

std::shared_ptr<api::View> pressed_view(std::uint64_t used = 92) {
  auto view = view_with({gpu_using(used)});
  give(*view, {client("r1", ReclaimStrategy::clear_cache, gib(20))});
  return view;
}

TEST(Recovery, TellsThenAsksThenSaysWhatItBrought) {
  Bench at;
  at.tick(pressed_view());
  EXPECT_THAT(at.asked, IsEmpty());
  at.tick(pressed_view());
  ASSERT_THAT(at.events, SizeIs(1));
  EXPECT_EQ(at.events[0].details[1].second, "notify");
  ASSERT_THAT(at.asked, SizeIs(1));
  EXPECT_EQ(at.asked[0].first, "r1");
  EXPECT_EQ(at.asked[0].second.device, kGpu);
  EXPECT_EQ(at.asked[0].second.bytes, gib(7));
  EXPECT_THAT(at.asked[0].second.reason, HasSubstr("critical"));
  at.answer(gib(8));
  at.tick(pressed_view(84));
  ASSERT_THAT(at.events, SizeIs(2));
  EXPECT_EQ(at.events[1].kind, EventKind::recovery_step);
  EXPECT_EQ(at.events[1].severity, Severity::critical);
  EXPECT_THAT(at.events[1].message, HasSubstr("trainer (r1, alice, pid 5204) was asked to "
                                              "clear_cache: 8.00 GiB freed, 8.00 GiB said"));
  at.tick(pressed_view(84));
  EXPECT_THAT(at.asked, SizeIs(1));
  EXPECT_THAT(at.recovery.view()->recent, SizeIs(2));
}

TEST(Recovery, ADryRunDecidesTheSameAndAsksNobody) {
  Bench real;
  Bench dry;
  for (int second = 0; second < 200; ++second) {
    real.tick(pressed_view());
    if (!real.to_answer.empty()) {
      real.answer({});
    }
    dry.tick(with_settings(pressed_view(), {{"recovery.mode", "dry-run"}}));
  }
  EXPECT_THAT(dry.asked, IsEmpty());
  EXPECT_THAT(real.asked, testing::Not(IsEmpty()));
  ASSERT_EQ(real.events.size(), dry.events.size());
  for (std::size_t i = 0; i < real.events.size(); ++i) {
    EXPECT_EQ(real.events[i].details[1], dry.events[i].details[1]);
    EXPECT_EQ(real.events[i].at, dry.events[i].at);
    EXPECT_EQ(dry.events[i].details.back().second, "true");
  }
  EXPECT_THAT(dry.events.back().message, HasSubstr("would be"));
}

TEST(Recovery, ThatIsOffActsByHandOnly) {
  Bench at;
  const auto view = [] { return with_settings(pressed_view(), {{"recovery.mode", "off"}}); };
  at.tick(view());
  at.tick(view());
  EXPECT_THAT(at.events, IsEmpty());
  std::vector<api::CleanedUp> done;
  at.recovery.clean_up(false, [&](const api::CleanedUp& freed) { done.push_back(freed); });
  at.tick(view());
  ASSERT_THAT(at.asked, SizeIs(1));
  EXPECT_EQ(at.asked[0].second.bytes, gib(92)) << "all there is";
  at.answer(gib(20));
  at.tick(with_settings(pressed_view(72), {{"recovery.mode", "off"}}));
  EXPECT_THAT(done, IsEmpty()) << "what a reader sees does not show it yet";
  at.tick(with_settings(pressed_view(72), {{"recovery.mode", "off"}}));
  ASSERT_THAT(done, SizeIs(1));
  EXPECT_EQ(done[0].gpu_freed, gib(20));
  EXPECT_EQ(done[0].cpu_freed, Bytes{});
  EXPECT_TRUE(done[0].message.empty());
}

TEST(Recovery, ACleanupOfNothingAndOneThatIsCutOffAreAnswered) {
  Bench at;
  std::vector<std::string> said;
  const auto note = [&](const api::CleanedUp& freed) { said.push_back(freed.message); };
  at.recovery.clean_up(true, note);
  at.tick(view_with({gpu_using(10)}));
  at.tick(view_with({gpu_using(10)}));
  EXPECT_THAT(said, ElementsAre(HasSubstr("Nothing was freed")));
  at.recovery.clean_up(true, note);
  at.recovery.stop();
  at.recovery.stop();
  EXPECT_THAT(said, ElementsAre(HasSubstr("Nothing was freed"), HasSubstr("stops")));
}

TEST(Recovery, LetsABalloonGo) {
  Bench at;
  auto view = view_with({gpu_using(99, 3)});
  hold(*view, "idle", gib(3), true);
  at.tick(view);
  at.tick(view);
  EXPECT_THAT(at.released, ElementsAre("idle"));
}

TEST(Recovery, PausesAndLiftsThePause) {
  Bench at;
  const auto full = [] { return view_with({gpu_using(99)}); };
  for (int second = 0; second < 4; ++second) {
    at.tick(full());
  }
  EXPECT_TRUE(at.recovery.view()->is_paused(kGpu));
  EXPECT_FALSE(at.recovery.view()->is_paused("host"));
  for (int second = 0; second < 32; ++second) {
    at.tick(view_with({gpu_using(50)}));
  }
  EXPECT_FALSE(at.recovery.view()->is_paused(kGpu));
  EXPECT_EQ(at.events.back().kind, EventKind::recovery_lifted);
}

}  // namespace
}  // namespace levee::engine
