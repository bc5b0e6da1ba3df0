// The registry with connections, a clock and measurements of the test's own.
#include "reclaim/registry.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>

namespace levee::reclaim {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using Json = nlohmann::json;

constexpr uid_t kAdministrator = 0;
constexpr const char* kHello =
    R"({"type":"register","name":"t","priority":5,"offers":[
        {"strategy":"clear_cache","device":"host","estimate_bytes":1073741824},
        {"strategy":"offload","device":"GPU-0"}]})";

class RegistryTest : public testing::Test {
 protected:
  /// What one process was sent.
  struct Peer {
    std::uint64_t number = 0;
    std::vector<Json> heard;
    bool is_closed = false;

    [[nodiscard]] const Json& last() const {
      static const Json kNothing;
      return heard.empty() ? kNothing : heard.back();
    }
  };

  static Caller caller(pid_t pid, uid_t uid = 1000) {
    return {.process = {.boot = {}, .pid = pid, .start_ticks = 7},
            .uid = uid,
            .user = "marie",
            .is_administrator = uid == kAdministrator};
  }

  Peer& come(pid_t pid, uid_t uid = 1000) {
    Peer& peer = peers_[pid];
    const auto number = registry.admit(caller(pid, uid));
    EXPECT_TRUE(number) << number.error().message;
    peer = {.number = number.value_or(0), .heard = {}, .is_closed = false};
    registry.begin(
        peer.number,
        {.send = [&peer](const std::string& line) { peer.heard.push_back(Json::parse(line)); },
         .close = [&peer] { peer.is_closed = true; }});
    return peer;
  }
  Peer& join(pid_t pid, uid_t uid = 1000) {
    Peer& peer = come(pid, uid);
    say(peer, Json::parse(kHello).dump());
    EXPECT_EQ(peer.last()["type"], "welcome");
    return peer;
  }
  void say(const Peer& peer, const std::string& line) { registry.hear(peer.number, line); }
  void answer(const Peer& peer, const char* result = "done", std::uint64_t freed = kGiB) {
    say(peer, fmt::format(R"({{"type":"answer","id":{},"result":"{}","freed_bytes":{}}})",
                          peer.last()["id"].get<int>(), result, freed));
  }

  /// Asks, and has the measurement before it taken: the request is on its way.
  void ask(const Peer& peer, Ask wanted = {.strategy = ReclaimStrategy::clear_cache,
                                           .device = "host",
                                           .bytes = gib(1),
                                           .deadline = 5s,
                                           .reason = "a test",
                                           .despite_record = false}) {
    registry.ask(id_of(peer), std::move(wanted),
                 [this](Result<Asked> asked) { results.push_back(std::move(asked)); });
    step();
  }
  static std::string id_of(const Peer& peer) { return fmt::format("r{}", peer.number); }

  void step() {
    registry.step(
        [this](const ProcessId&, const std::string&, MonoTime) -> std::optional<Weight> {
          if (!scale_works) {
            return std::nullopt;
          }
          return Weight{
              .process = uses, .used = gib(10), .read_at = now, .growth_per_second = growth};
        },
        [this](const ProcessId& process) -> std::optional<std::string> {
          return gone == process.pid ? std::nullopt : std::optional<std::string>("lease-1");
        });
  }
  const Client* client(const Peer& peer) {
    roster = registry.roster();
    return roster->find(id_of(peer));
  }

  MonoTime now{1h};
  std::optional<Bytes> uses = gib(4);
  std::optional<double> growth;
  bool scale_works = true;
  pid_t gone = 0;
  int wakes = 0;
  std::vector<Result<Asked>> results;
  std::shared_ptr<const Roster> roster;
  Registry registry{{.limits = {.per_user = 3, .in_all = 8},
                     .tolerance = {},
                     .wake = [this] { ++wakes; },
                     .clock = [this] { return Now{{}, now}; }}};

 private:
  std::map<pid_t, Peer> peers_;
};

// --- who is there

TEST_F(RegistryTest, ShowsWhoHasSaidWhatItOffers) {
  Peer& silent = come(1);
  Peer& peer = join(2);
  step();
  EXPECT_EQ(client(silent), nullptr);
  const Client* const shown = client(peer);
  ASSERT_NE(shown, nullptr);
  EXPECT_EQ(peer.last()["client"], shown->id);
  EXPECT_EQ(shown->name, "t");
  EXPECT_EQ(shown->caller.process.pid, 2);
  EXPECT_EQ(shown->account, "lease-1");
  EXPECT_TRUE(shown->is_ready(now));
  ASSERT_NE(shown->offer(ReclaimStrategy::clear_cache, "host"), nullptr);
  EXPECT_EQ(shown->offer(ReclaimStrategy::clear_cache, "host")->estimate, gib(1));
  EXPECT_EQ(shown->offer(ReclaimStrategy::clear_cache, "GPU-0"), nullptr);
}

TEST_F(RegistryTest, ListsTheLowestPriorityFirst) {
  for (const auto& [pid, priority] : {std::pair{1, -1}, {2, -3}, {3, -2}}) {
    say(come(pid), fmt::format(R"({{"type":"register","priority":{},"offers":[]}})", priority));
  }
  std::vector<pid_t> order;
  for (const Client& each : registry.roster()->clients) {
    order.push_back(each.caller.process.pid);
  }
  EXPECT_EQ(order, (std::vector<pid_t>{2, 3, 1}));
  EXPECT_EQ(registry.roster()->clients.front().name, "pid 2") << "without a name";
}

TEST_F(RegistryTest, OnlyAnAdministratorPutsSomebodyAfterTheOthers) {
  Peer& user = join(1);
  Peer& administrator = join(2, kAdministrator);
  EXPECT_EQ(client(user)->priority, 0) << "it said 5";
  EXPECT_EQ(client(administrator)->priority, 5);
}

TEST_F(RegistryTest, AnUpdateReplacesAllOffers) {
  Peer& peer = join(1);
  say(peer, R"({"type":"update","offers":[{"strategy":"offload","device":"GPU-0"}]})");
  EXPECT_EQ(client(peer)->offers.size(), 1U);
  EXPECT_FALSE(peer.is_closed);
}

TEST_F(RegistryTest, ARosterThatWasHandedOutDoesNotChange) {
  Peer& peer = join(1);
  const auto before = registry.roster();
  EXPECT_EQ(registry.roster(), before) << "nothing has happened";
  registry.end(peer.number);
  EXPECT_EQ(before->clients.size(), 1U);
  EXPECT_TRUE(registry.roster()->clients.empty());
}

TEST_F(RegistryTest, TurnsAwayTheSameProcessTwice) {
  join(1);
  const auto again = registry.admit(caller(1));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::already_exists);
  EXPECT_THAT(again.error().message, HasSubstr("r1"));
  Caller reused = caller(1);
  reused.process.start_ticks = 8;
  EXPECT_TRUE(registry.admit(reused)) << "another process with the same pid";
}

TEST_F(RegistryTest, TurnsAwayThousandsOfOneUserAndStillTakesOthers) {
  for (pid_t pid = 1; pid <= 3; ++pid) {
    join(pid);
  }
  for (pid_t pid = 100; pid < 5100; ++pid) {
    const auto more = registry.admit(caller(pid));
    ASSERT_FALSE(more);
    ASSERT_EQ(more.error().code, ErrorCode::resource_exhausted);
  }
  EXPECT_EQ(registry.roster()->turned_away, 5000U);
  join(10'000, 1001);
  EXPECT_EQ(registry.roster()->clients.size(), 4U);
  registry.set_limit_per_user(4);
  join(4);
}

TEST_F(RegistryTest, TurnsAwayUsersTogetherBeyondTheLastPlace) {
  for (pid_t pid = 1; pid <= 8; ++pid) {
    come(pid, 1000 + static_cast<uid_t>(pid));
  }
  EXPECT_EQ(registry.admit(caller(9, 2000)).error().code, ErrorCode::resource_exhausted);
}

TEST_F(RegistryTest, HangsUpOnAProcessThatHasEndedAndWhoseChildHoldsTheConnection) {
  Peer& peer = join(1);
  gone = 1;
  step();
  EXPECT_TRUE(peer.is_closed);
  EXPECT_EQ(client(peer), nullptr);
  registry.end(peer.number);
  EXPECT_THAT(registry.collect().happenings.back().why, HasSubstr("has ended"));
}

TEST_F(RegistryTest, LooksAtEverybodyInTurn) {
  registry.set_limit_per_user(8);
  for (pid_t pid = 1; pid <= 8; ++pid) {
    join(pid);
  }
  Registry many{{.limits = {.per_user = 100, .in_all = 100},
                 .tolerance = {},
                 .wake = [] {},
                 .clock = [this] { return Now{{}, now}; }}};
  for (pid_t pid = 1; pid <= 20; ++pid) {
    ASSERT_TRUE(many.admit(caller(pid)));
  }
  std::map<pid_t, int> looks;
  for (int i = 0; i < 5; ++i) {
    many.step([](const auto&, const auto&, MonoTime) { return std::nullopt; },
              [&](const ProcessId& process) {
                ++looks[process.pid];
                return std::optional<std::string>("");
              });
  }
  EXPECT_EQ(looks.size(), 20U);
  for (const auto& [pid, count] : looks) {
    EXPECT_EQ(count, 2) << pid;
  }
}

// --- what breaks the protocol

TEST_F(RegistryTest, TellsWhoBreaksTheProtocolWhyAndHangsUp) {
  struct Row {
    std::vector<std::string> lines;
    const char* complaint;
  };
  const Row rows[] = {
      {{"garbage"}, "no JSON object"},
      {{R"({"type":"update","offers":[]})"}, "not register"},
      {{R"({"type":"answer","id":1,"result":"done"})"}, "not register"},
      {{kHello, kHello}, "register came twice"},
      {{kHello, R"({"type":"answer","id":1,"result":"done"})"}, "request 1 is not open"},
      {{kHello, R"({"type":"welcome","client":"r1"})"}, "only the daemon says that"},
      {{kHello, R"({"type":"register","offers":7})"}, "\"offers\" is 7"},
  };
  pid_t pid = 1;
  for (const Row& row : rows) {
    Peer& peer = come(++pid);
    for (std::string line : row.lines) {
      std::erase(line, '\n');
      say(peer, line);
    }
    EXPECT_EQ(peer.last()["type"], "error");
    EXPECT_THAT(peer.last()["message"].get<std::string>(), HasSubstr(row.complaint));
    EXPECT_NE(peer.last()["hint"], "");
    EXPECT_TRUE(peer.is_closed);
    EXPECT_EQ(client(peer), nullptr) << "it is not shown any more";
    const auto heard = peer.heard.size();
    say(peer, "more garbage");
    EXPECT_EQ(peer.heard.size(), heard) << "nothing is said after the end";
    registry.end(peer.number);
  }
}

TEST_F(RegistryTest, AGoodbyeIsNoFault) {
  Peer& peer = join(1);
  say(peer, R"({"type":"goodbye"})");
  EXPECT_TRUE(peer.is_closed);
  EXPECT_EQ(peer.last()["type"], "welcome");
  registry.end(peer.number);
  EXPECT_EQ(registry.roster()->turned_away, 0U);
  EXPECT_EQ(registry.collect().happenings.back().why, "it said goodbye");
}

// --- asking

TEST_F(RegistryTest, AsksAndMeasuresBeforeAndAfter) {
  Peer& peer = join(1);
  ask(peer);
  EXPECT_EQ(peer.last()["type"], "request");
  EXPECT_EQ(peer.last()["strategy"], "clear_cache");
  EXPECT_EQ(peer.last()["device"], "host");
  EXPECT_EQ(peer.last()["bytes"], kGiB);
  EXPECT_EQ(peer.last()["deadline_ms"], 5000);
  EXPECT_EQ(peer.last()["reason"], "a test");
  EXPECT_TRUE(client(peer)->busy);
  now += 70ms;
  answer(peer);
  EXPECT_TRUE(results.empty()) << "it is yet to be measured";
  uses = gib(3);
  step();
  ASSERT_EQ(results.size(), 1U);
  ASSERT_TRUE(results[0]);
  EXPECT_EQ(results[0]->outcome, Outcome::done);
  EXPECT_EQ(results[0]->said, gib(1));
  EXPECT_EQ(results[0]->measured(), static_cast<std::int64_t>(kGiB));
  EXPECT_EQ(results[0]->took, 70ms);
  EXPECT_EQ(results[0]->verdict, Verdict::honest);
  EXPECT_FALSE(client(peer)->busy);
  EXPECT_EQ(roster->totals.done, 1U);
  EXPECT_EQ(roster->totals.freed, gib(1));
  EXPECT_GE(wakes, 2) << "for the request and for the answer";
}

TEST_F(RegistryTest, ALiarIsFoundOutAndPassedOverForAWhile) {
  Peer& peer = join(1);
  ask(peer);
  answer(peer);
  step();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0]->verdict, Verdict::lied);
  EXPECT_EQ(results[0]->passed_over_until, now + 60s);
  EXPECT_FALSE(client(peer)->is_ready(now));
  EXPECT_EQ(roster->totals.freed, Bytes{}) << "what is said does not count";
  now += 59s;
  ask(peer);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[1].error().code, ErrorCode::unavailable);
  EXPECT_THAT(results[1].error().message, HasSubstr("1s"));
  now += 1s;
  ask(peer);
  EXPECT_EQ(results.size(), 2U);
  EXPECT_EQ(peer.last()["id"], 2);
}

TEST_F(RegistryTest, CallsNobodyALiarWhoWasGrowingAnyway) {
  Peer& peer = join(1);
  growth = 512.0 * kMiB;
  ask(peer);
  now += 2s;
  answer(peer);  // Frees 1 GiB, and takes 1 GiB again.
  step();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0]->verdict, Verdict::unclear);
  growth = 256.0 * kMiB;
  ask(peer);
  now += 2s;
  answer(peer);
  step();
  EXPECT_EQ(results[1]->verdict, Verdict::lied) << "that much it cannot have grown";
}

TEST_F(RegistryTest, AsksOneThatIsPassedOverWhenThatIsWanted) {
  Peer& peer = join(1);
  ask(peer);
  answer(peer);
  step();
  ask(peer, {.strategy = ReclaimStrategy::clear_cache,
             .device = "host",
             .bytes = gib(1),
             .deadline = 5s,
             .reason = {},
             .despite_record = true});
  EXPECT_EQ(peer.last()["id"], 2);
}

TEST_F(RegistryTest, ComingBackMakesNobodyHonest) {
  Peer& peer = join(1);
  ask(peer);
  answer(peer);
  registry.end(peer.number);  // Before it was weighed.
  step();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0]->verdict, Verdict::lied);
  Peer& again = join(1);
  EXPECT_TRUE(client(again)->record.is_passed_over(now));
  EXPECT_EQ(client(again)->record.lied, 1U);
}

TEST_F(RegistryTest, WhoDoesNotAnswerInTimeStaysBusyUntilItDoes) {
  Peer& peer = join(1);
  ask(peer);
  EXPECT_EQ(registry.next_due(), now + 5s);
  now += 5s;
  step();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0]->outcome, Outcome::timed_out);
  EXPECT_EQ(registry.next_due(), MonoTime::max());
  EXPECT_TRUE(client(peer)->busy);
  EXPECT_EQ(client(peer)->record.hung, 1U);
  now += 1h;
  ask(peer);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[1].error().code, ErrorCode::already_exists);
  answer(peer);
  EXPECT_FALSE(peer.is_closed) << "a late answer breaks nothing";
  EXPECT_FALSE(client(peer)->busy);
  EXPECT_EQ(client(peer)->record.late, 1U);
  ask(peer);
  EXPECT_EQ(peer.last()["id"], 2);
}

TEST_F(RegistryTest, TwoAnswersToOneRequestBreakTheProtocol) {
  Peer& peer = join(1);
  ask(peer);
  const std::string twice = R"({"type":"answer","id":1,"result":"refused"})";
  say(peer, twice);
  say(peer, twice);
  EXPECT_TRUE(peer.is_closed);
  step();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0]->outcome, Outcome::refused);
}

TEST_F(RegistryTest, WhoDiesInTheMiddleIsGone) {
  Peer& peer = join(1);
  ask(peer);
  registry.end(peer.number);
  step();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0]->outcome, Outcome::gone);
  EXPECT_EQ(registry.roster()->totals.gone, 1U);
}

TEST_F(RegistryTest, WhoDiesBeforeItIsAskedIsGone) {
  Peer& peer = join(1);
  scale_works = false;
  ask(peer);
  EXPECT_EQ(peer.last()["type"], "welcome");
  registry.end(peer.number);
  step();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0]->outcome, Outcome::gone);
}

TEST_F(RegistryTest, GoesOnWithoutAMeasurementThatDoesNotCome) {
  Peer& peer = join(1);
  scale_works = false;
  ask(peer);
  EXPECT_EQ(registry.next_due(), now + 50ms);
  now += 3s;
  step();
  EXPECT_EQ(peer.last()["type"], "request");
  answer(peer);
  now += 3s;
  step();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0]->verdict, Verdict::unclear);
  EXPECT_EQ(results[0]->measured(), std::nullopt);
  EXPECT_TRUE(client(peer)->is_ready(now)) << "what cannot be measured is no fault";
}

TEST_F(RegistryTest, RefusalsAndFailuresAreNoFaults) {
  Peer& peer = join(1);
  for (const char* result : {"refused", "failed"}) {
    ask(peer);
    answer(peer, result);
    step();
    EXPECT_EQ(to_string(results.back()->outcome), result);
    EXPECT_EQ(results.back()->said, Bytes{}) << "bytes of what was not done do not count";
    EXPECT_TRUE(client(peer)->is_ready(now));
  }
}

TEST_F(RegistryTest, RefusesToAskForWhatMakesNoSense) {
  Peer& peer = join(1);
  const Ask good{.strategy = ReclaimStrategy::clear_cache,
                 .device = "host",
                 .bytes = gib(1),
                 .deadline = 5s,
                 .reason = {},
                 .despite_record = false};
  const auto with = [&](auto change) {
    Ask bad = good;
    change(bad);
    ask(peer, bad);
    return results.back() ? ErrorCode::internal : results.back().error().code;
  };
  EXPECT_EQ(with([](Ask& ask) { ask.device = "GPU-0"; }), ErrorCode::invalid_argument);
  EXPECT_EQ(with([](Ask& ask) { ask.strategy = ReclaimStrategy::reduce_batch; }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(with([](Ask& ask) { ask.bytes = {}; }), ErrorCode::invalid_argument);
  EXPECT_EQ(with([](Ask& ask) { ask.deadline = 9ms; }), ErrorCode::invalid_argument);
  EXPECT_EQ(with([](Ask& ask) { ask.deadline = 11min; }), ErrorCode::invalid_argument);
  registry.ask("r77", good, [&](Result<Asked> asked) { results.push_back(std::move(asked)); });
  EXPECT_EQ(results.back().error().code, ErrorCode::not_found);
  ask(peer, good);
  ask(peer, good);
  EXPECT_EQ(results.back().error().code, ErrorCode::already_exists);
  EXPECT_EQ(peer.heard.size(), 2U) << "one welcome, one request";
}

TEST_F(RegistryTest, TellsEverybodyWhoWaitsThatItStops) {
  Peer& peer = join(1);
  ask(peer);
  registry.stop();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].error().code, ErrorCode::unavailable);
  ask(peer);
  EXPECT_EQ(results.back().error().code, ErrorCode::unavailable);
  EXPECT_FALSE(registry.admit(caller(2)));
  registry.end(peer.number);
  step();
  EXPECT_EQ(results.size(), 2U);
}

TEST_F(RegistryTest, TellsWhoCameAndWentAndCountsWhatItHasNoRoomFor) {
  for (pid_t pid = 1; pid <= 100; ++pid) {
    registry.end(join(pid).number);
  }
  const auto news = registry.collect();
  EXPECT_EQ(news.happenings.size(), 64U);
  EXPECT_EQ(news.lost, 136U);
  EXPECT_EQ(news.happenings[0].kind, Happening::Kind::joined);
  EXPECT_EQ(news.happenings[1].kind, Happening::Kind::left);
  EXPECT_TRUE(registry.collect().happenings.empty());
}

TEST_F(RegistryTest, AnAnswerMayAskAgain) {
  Peer& peer = join(1);
  int rounds = 0;
  std::function<void(Result<Asked>)> again = [&](const Result<Asked>& asked) {
    if (++rounds < 3 && asked) {
      registry.ask(id_of(peer), asked->ask, again);
    }
  };
  registry.ask(id_of(peer),
               {.strategy = ReclaimStrategy::clear_cache,
                .device = "host",
                .bytes = gib(1),
                .deadline = 5s,
                .reason = {},
                .despite_record = true},
               again);
  for (int i = 0; i < 3; ++i) {
    step();
    answer(peer, "refused");
    step();
  }
  EXPECT_EQ(rounds, 3);
}

}  // namespace
}  // namespace levee::reclaim
