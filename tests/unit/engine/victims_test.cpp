#include "engine/victims.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "sources/proc_text.hpp"
#include "sources/processes.hpp"
#include "support/child.hpp"
#include "support/temp_dir.hpp"
#include "support/values.hpp"

namespace levee::engine {
namespace {

/// The real process `pid` as the sources would read it.
ProcessReading reading_of(pid_t pid, uid_t uid = ::geteuid()) {
  const sources::Root root;
  const auto text = root.read("/proc/" + std::to_string(pid) + "/stat");
  const auto stat = sources::parse_pid_stat(text.value());
  ProcessReading reading = test::process_of(pid, "child", mib(10));
  ProcessIdentity who = *reading.identity;
  who.id = {sources::read_boot_id(root), pid, stat.value().start_ticks};
  who.uid = uid;
  reading.identity = std::make_shared<const ProcessIdentity>(std::move(who));
  return reading;
}

ProcessReading with_start(ProcessReading reading, std::uint64_t start_ticks) {
  ProcessIdentity who = *reading.identity;
  who.id.start_ticks = start_ticks;
  reading.identity = std::make_shared<const ProcessIdentity>(std::move(who));
  return reading;
}

std::string nothing() { return {}; }

bool has_ended(const PidFd& handle) {
  pollfd poll{handle.fd(), POLLIN, 0};
  return ::poll(&poll, 1, 0) == 1;
}

TEST(Victims, HandleMeansTheLivingChild) {
  test::Child child(nothing);
  const std::vector processes{reading_of(child.pid())};
  const auto table = prepare_victims(processes, nullptr, sources::Root{});
  ASSERT_EQ(table->size(), 1U);
  EXPECT_EQ(table->at(0).id, processes[0].identity->id);
  EXPECT_EQ(table->at(0).rss, mib(10));
  EXPECT_FALSE(has_ended(*table->at(0).handle));
  child.end();
  EXPECT_TRUE(has_ended(*table->at(0).handle));
}

TEST(Victims, PidOfSomebodyElseByNowIsRefused) {
  const test::Child child(nothing);
  const ProcessReading reading = reading_of(child.pid());
  const std::uint64_t start = reading.identity->id.start_ticks;
  for (const std::uint64_t wrong : {start - 1, start + 1, std::uint64_t{0}}) {
    const std::vector processes{with_start(reading, wrong)};
    EXPECT_TRUE(prepare_victims(processes, nullptr, sources::Root{})->empty()) << wrong;
  }
}

TEST(Victims, DeadProcessIsRefused) {
  test::Child child(nothing);
  const std::vector processes{reading_of(child.pid())};
  child.end();
  EXPECT_TRUE(prepare_victims(processes, nullptr, sources::Root{})->empty());
}

TEST(Victims, HandlesAreTakenOverAndOldOnesStayValidWithTheirTable) {
  const test::Child one(nothing);
  const test::Child two(nothing);
  const std::vector first_seen{reading_of(one.pid())};
  std::vector then_seen{reading_of(one.pid()), reading_of(two.pid())};
  then_seen[0].rss = mib(99);
  const auto first = prepare_victims(first_seen, nullptr, sources::Root{});
  const auto second = prepare_victims(then_seen, first.get(), sources::Root{});
  ASSERT_EQ(second->size(), 2U);
  EXPECT_EQ(second->at(0).handle, first->at(0).handle) << "not opened again";
  EXPECT_EQ(second->at(0).rss, mib(99));
  const auto third = prepare_victims({}, second.get(), sources::Root{});
  EXPECT_TRUE(third->empty());
  EXPECT_FALSE(has_ended(*second->at(1).handle));
}

TEST(Victims, ADifferentProcessWithThePidDoesNotInheritTheHandle) {
  const test::Child child(nothing);
  const std::vector seen{reading_of(child.pid())};
  const auto table = prepare_victims(seen, nullptr, sources::Root{});
  const std::vector impostor{with_start(seen[0], seen[0].identity->id.start_ticks + 1)};
  EXPECT_TRUE(prepare_victims(impostor, table.get(), sources::Root{})->empty());
}

TEST(Victims, NeverOneselfNeverInitNeverWithoutMemory) {
  const test::Child child(nothing);
  std::vector processes{reading_of(::getpid()), reading_of(1), reading_of(child.pid())};
  processes[2].rss = Bytes{0};
  EXPECT_TRUE(prepare_victims(processes, nullptr, sources::Root{})->empty());
}

TEST(Victims, AtMostEightTheFirstOfTheList) {
  std::vector<std::unique_ptr<test::Child>> children;
  std::vector<ProcessReading> processes;
  for (std::size_t i = 0; i < kMostVictims + 2; ++i) {
    children.push_back(std::make_unique<test::Child>(nothing));
    processes.push_back(reading_of(children.back()->pid()));
  }
  const auto table = prepare_victims(processes, nullptr, sources::Root{});
  ASSERT_EQ(table->size(), kMostVictims);
  for (std::size_t i = 0; i < kMostVictims; ++i) {
    EXPECT_EQ(table->at(i).id, processes[i].identity->id);
  }
}

TEST(Victims, ProcessesOfOthersOnlyForRoot) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root to become another user";
  }
  const test::Child roots(nothing);
  const std::vector processes{reading_of(roots.pid())};
  const test::Child other(
      [&] { return std::to_string(prepare_victims(processes, nullptr, sources::Root{})->size()); },
      65534);
  EXPECT_EQ(other.said(), "0");
  EXPECT_EQ(prepare_victims(processes, nullptr, sources::Root{})->size(), 1U);
}

TEST(Victims, ARecordedMachineHasNone) {
  const test::TempDir temp;
  const test::Child child(nothing);
  const std::vector processes{reading_of(child.pid())};
  EXPECT_TRUE(prepare_victims(processes, nullptr, sources::Root{temp.path()})->empty())
      << "its pids mean nothing here";
}

}  // namespace
}  // namespace levee::engine
