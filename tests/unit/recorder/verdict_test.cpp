#include "recorder/verdict.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/recorder/items.hpp"

namespace levee::recorder {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using namespace std::chrono_literals;

constexpr std::string_view kUuid = "GPU-0";

GpuProcess on_gpu(pid_t pid, Bytes memory, const ProcessReading& process) {
  GpuProcess made;
  made.pid = pid;
  made.memory = memory;
  made.identity = process.identity;
  return made;
}

/// Four minutes in which `hog` fills GPU 0 from 20 % to `peak`, at a rate that never changes.
std::vector<Item> gpu_story(double peak, std::shared_ptr<const api::LedgerView> ledger = nullptr) {
  std::vector<Item> items{opening_of()};
  const ProcessReading hog = test::process_of(77, "hog", gib(1));
  const ProcessReading quiet = test::process_of(80, "quiet", gib(1));
  for (int second = 0; second <= 240; ++second) {
    const double percent = 20 + (peak - 20) * second / 240;
    GpuReading gpu = test::gpu_with(0, 50, percent, test::at(std::chrono::seconds{second}).mono);
    const Bytes used = gpu.memory->total - gpu.memory->free;
    gpu.processes = {on_gpu(80, gib(10), quiet), on_gpu(77, used - gib(11), hog)};
    TickItem tick =
        tick_of(std::chrono::seconds{second}, test::host_using(30), {hog, quiet}, {gpu});
    tick.daemon.ledger = ledger;
    items.emplace_back(std::move(tick));
  }
  return items;
}

TEST(Verdict, SaysWhichGpuFilledFromWhenAndHowFast) {
  const Verdict verdict = judge(gpu_story(98));
  ASSERT_FALSE(verdict.filled.empty());
  const Filled& filled = verdict.filled.front();
  EXPECT_EQ(filled.key, kUuid);
  EXPECT_NEAR(percent_of(filled.peak, filled.total), 98, 0.1);
  EXPECT_NEAR(percent_of(*filled.before, filled.total), 20, 5);
  EXPECT_NEAR(*filled.bytes_per_second / static_cast<double>(kMiB), 78.0 * 1024 / 240, 8);
  EXPECT_EQ(filled.peak_at, test::at(240s).wall);
}

TEST(Verdict, NamesWhoGrewAndLeavesOutWhoDidNot) {
  const Verdict verdict = judge(gpu_story(98));
  ASSERT_EQ(verdict.growers.size(), 1U);
  EXPECT_EQ(verdict.growers[0].pid, 77);
  EXPECT_EQ(verdict.growers[0].gpu, "GPU 0");
  EXPECT_NEAR(to_gb(verdict.growers[0].grown()), 78, 0.5);
  ASSERT_EQ(verdict.users.size(), 1U);
  EXPECT_EQ(verdict.users[0].user, "ada");
}

TEST(Verdict, AnEarlierWarningIsReckonedFromTheRecordedRise) {
  // 78 points in 240 s: from 80 to 85 percent takes 15 s, from 75 it takes 31 s.
  const Verdict verdict = judge(gpu_story(98));
  const config::Config usual;
  const double candidate = usual.thresholds.gpu_memory_warning - 10;
  EXPECT_THAT(verdict.helps,
              Contains(AllOf(HasSubstr(fmt::format("gpu_memory_warning = {:g} would", candidate)),
                             HasSubstr("earlier than"))));
}

TEST(Verdict, WhoHeldNoPromiseIsToldWhichWouldHaveDone) {
  EXPECT_THAT(judge(gpu_story(98)).helps, Contains(AllOf(HasSubstr("process 77 held no promise"),
                                                         HasSubstr("--gpu-mem 87.0GB"))));
}

std::shared_ptr<api::LedgerView> ledger_with(pid_t owner, Bytes promised, Bytes used) {
  auto ledger = std::make_shared<api::LedgerView>();
  ledger::Lease lease;
  lease.id = "job-1";
  lease.state = ledger::LeaseState::granted;
  lease.shares = {{std::string(kUuid), promised}};
  lease.owner = {BootId{1, 2}, owner, 1000 + static_cast<std::uint64_t>(owner)};
  ledger->leases = {{.lease = lease,
                     .place = 0,
                     .user = "ada",
                     .used = {{{std::string(kUuid), used}}, {}},
                     .peak = {}}};
  return ledger;
}

TEST(Verdict, APromiseThatWasTooSmallIsNamedWithTheRightOne) {
  const Verdict verdict = judge(gpu_story(98, ledger_with(77, gib(40), gib(87))));
  ASSERT_EQ(verdict.over.size(), 1U);
  EXPECT_EQ(verdict.over[0].used, gib(87));
  EXPECT_THAT(verdict.helps, Contains(AllOf(HasSubstr("lease job-1"), HasSubstr("40.0 GiB"),
                                            HasSubstr("used 87.0 GiB"))));
  EXPECT_THAT(verdict.helps, Not(Contains(HasSubstr("held no promise"))));
  EXPECT_EQ(verdict.growers[0].lease, "job-1");
}

TEST(Verdict, APromiseThatOthersTookCallsForABalloon) {
  const Verdict verdict = judge(gpu_story(98, ledger_with(80, gib(30), gib(10))));
  EXPECT_THAT(verdict.helps, Contains(AllOf(HasSubstr("lease job-1 had 10.0 GiB of the 30.0 GiB"),
                                            HasSubstr("--hold"))));
  EXPECT_THAT(judge(gpu_story(98, ledger_with(80, gib(10), gib(10)))).helps,
              Not(Contains(HasSubstr("--hold"))));
}

Incident kill_in(const std::string& cgroup, std::optional<Bytes> limit, pid_t pid = 77) {
  Incident incident;
  incident.kind = IncidentKind::oom_kill;
  incident.at = test::at(20s);
  incident.victims = {{.pid = pid,
                       .comm = "hog",
                       .uid = 1000,
                       .rss = gib(2),
                       .cgroup = cgroup,
                       .own_cgroup = cgroup,
                       .limit = limit}};
  return incident;
}

ProcessReading process_in(const std::string& cgroup, pid_t pid, Bytes rss) {
  ProcessReading reading = test::process_of(pid, "hog", rss);
  auto who = std::make_shared<ProcessIdentity>(*reading.identity);
  who->cgroup = cgroup;
  reading.identity = std::move(who);
  return reading;
}

TEST(Verdict, AnOomKillInACgroupBlamesItsLimitAndTheVictim) {
  std::vector<Item> items{kill_in("/job", gib(2)), opening_of()};
  const ProcessReading other = process_in("/other", 90, gib(30));
  const auto hog = process_in("/job/a", 77, Bytes{});
  for (int second = 0; second < 20; ++second) {
    ProcessReading now = hog;
    now.rss = mib(100 * static_cast<std::uint64_t>(second));
    items.emplace_back(tick_of(std::chrono::seconds{second}, test::host_using(40), {other, now}));
  }
  items.emplace_back(tick_of(21s, test::host_using(40), {other}));
  const Verdict verdict = judge(items);
  ASSERT_FALSE(verdict.filled.empty());
  EXPECT_EQ(verdict.filled[0].kind, Filled::Kind::cgroup);
  EXPECT_EQ(verdict.filled[0].key, "/job");
  EXPECT_EQ(verdict.filled[0].total, gib(2));
  EXPECT_EQ(verdict.filled[0].peak, gib(2));
  ASSERT_EQ(verdict.growers.size(), 1U);
  EXPECT_EQ(verdict.growers[0].pid, 77);
  EXPECT_TRUE(verdict.growers[0].killed);
  EXPECT_TRUE(verdict.growers[0].ended);
  EXPECT_EQ(verdict.growers[0].peak, gib(2)) << "the kernel saw more of it than we did";
  EXPECT_THAT(verdict.helps, Contains(AllOf(HasSubstr("limit of cgroup /job is 2.00 GiB"),
                                            HasSubstr("the machine itself had"))));
}

TEST(Verdict, AVictimThatNobodySawAliveIsNamedAllTheSame) {
  const Verdict verdict =
      judge({kill_in("/job", gib(2), 99), opening_of(), tick_of(0s, test::host_using(40)),
             tick_of(1s, test::host_using(40))});
  ASSERT_EQ(verdict.growers.size(), 1U);
  EXPECT_EQ(verdict.growers[0].pid, 99);
  EXPECT_EQ(verdict.growers[0].command, "hog");
  EXPECT_EQ(verdict.growers[0].user, "uid 1000");
  EXPECT_EQ(verdict.filled[0].key, "/job");
}

TEST(Verdict, AMachineWhoseMemoryIsGoneBlamesTheHost) {
  std::vector<Item> items{kill_in("", {}), opening_of()};
  for (int second = 0; second < 20; ++second) {
    items.emplace_back(
        tick_of(std::chrono::seconds{second}, test::host_using(40 + 3 * second),
                {test::process_of(77, "hog", gib(3 * static_cast<std::uint64_t>(second)))}));
  }
  const Verdict verdict = judge(items);
  ASSERT_FALSE(verdict.filled.empty());
  EXPECT_EQ(verdict.filled[0].kind, Filled::Kind::host);
  EXPECT_EQ(verdict.growers[0].pid, 77);
  EXPECT_THAT(verdict.helps, Contains(HasSubstr("--host-mem")));
}

TEST(Verdict, QuietMinutesBlameNobody) {
  std::vector<Item> items{opening_of()};
  for (int second = 0; second < 60; ++second) {
    items.emplace_back(tick_of(std::chrono::seconds{second}, test::host_using(40),
                               {test::process_of(77, "calm", gib(3))}));
  }
  const Verdict verdict = judge(items);
  EXPECT_THAT(verdict.filled, IsEmpty());
  EXPECT_THAT(verdict.growers, IsEmpty());
  EXPECT_THAT(verdict.helps, IsEmpty());
}

TEST(Verdict, OfNothingSaysNothing) {
  const Verdict verdict = judge({});
  EXPECT_FALSE(verdict.from);
  EXPECT_THAT(verdict.filled, IsEmpty());
  EXPECT_THAT(to_json(verdict), HasSubstr("\"filled\":[]"));
}

TEST(Verdict, EventsOfAnyKindAreListedAndBounded) {
  std::vector<Item> items{opening_of()};
  for (int i = 0; i < 250; ++i) {
    EventItem item;
    item.told = fmt::format(R"({{"timestamp":"2026-01-31T08:05:09.123Z","kind":"recovery_step",)"
                            R"("severity":null,"message":"step {}"}})",
                            i);
    items.emplace_back(item);
  }
  items.emplace_back(EventItem{.event = {}, .told = "no json"});
  const Verdict verdict = judge(items);
  EXPECT_EQ(verdict.happened.size(), kMostHappened);
  EXPECT_EQ(verdict.left_out, 50U);
  EXPECT_EQ(verdict.happened.back().message, "step 249");
  EXPECT_EQ(verdict.happened.back().kind, "recovery_step");
}

}  // namespace
}  // namespace levee::recorder
