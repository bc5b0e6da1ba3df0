// One suite over every recorded machine: what must hold on any of them, and what is true of each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "sources/fast_counters.hpp"
#include "sources/host.hpp"
#include "sources/processes.hpp"

namespace levee::sources {
namespace {

struct Machine {
  const char* name;
  Bytes total;
  Bytes available;
  const char* ceiling;  ///< Path, or "" where nothing limits us.
  const char* largest;  ///< Name of the largest process.
  const char* user;     ///< And its user.
  std::set<std::string> troubles;
};

void PrintTo(const Machine& machine, std::ostream* out) { *out << machine.name; }

const Machine kMachines[] = {
    {"bare-v2", kib(131919104), kib(98566144), "", "python3", "marie", {}},
    {"docker-v2", gib(16), gib(16 - 12 + 3), "/", "vllm", "root", {}},
    // The pod's own limit, one level above ours, is the one that binds.
    {"kubernetes-v1", gib(32), mib(1536), "/", "tritonserver", "1337", {"pressure"}},
    {"hybrid", gib(8), mib(6344), "/jobs", "init", "root", {}},
    // MemFree + Cached + Buffers + SReclaimable - Shmem; a kernel without memory cgroups and PSI.
    {"small-4gb",
     kib(3981404),
     kib(120000 + 900000 + 40000 + 60000 - 300000),
     "",
     "a) R (b c",
     "pi",
     {"pressure"}},
};

class RecordedMachine : public testing::TestWithParam<Machine> {
 protected:
  Root root{std::string(LEVEE_FIXTURES "/machines/") + GetParam().name};
};

TEST_P(RecordedMachine, HasTheMemoryThatItsLimitsLeave) {
  std::vector<SourceTrouble> troubles;
  const auto host = HostSource(root).read(troubles);
  ASSERT_TRUE(host) << host.error().message;
  EXPECT_EQ(host->total, GetParam().total);
  EXPECT_EQ(host->available, GetParam().available);
  EXPECT_EQ(host->ceiling ? host->ceiling->path : "", GetParam().ceiling);
  std::set<std::string> names;
  for (const SourceTrouble& trouble : troubles) {
    names.insert(trouble.source);
  }
  EXPECT_EQ(names, GetParam().troubles);
}

TEST_P(RecordedMachine, KeepsTheInvariants) {
  std::vector<SourceTrouble> troubles;
  const auto host = HostSource(root).read(troubles);
  ASSERT_TRUE(host);
  EXPECT_LE(host->available, host->total);
  EXPECT_LE(host->total, host->mem_total);
  EXPECT_LE(host->available, host->mem_available);
  EXPECT_EQ(host->used(), host->total - host->available);
  EXPECT_GE(host->used_percent(), 0);
  EXPECT_LE(host->used_percent(), 100);
  EXPECT_GT(host->cores, 0U);
  if (host->ceiling) {
    EXPECT_LE(host->available, host->ceiling->headroom());
  }
}

TEST_P(RecordedMachine, LooksTheSameThroughTheFastCounters) {
  std::vector<SourceTrouble> troubles;
  const auto host = HostSource(root).read(troubles);
  auto counters = FastCounters::open(root);
  ASSERT_TRUE(host && counters);
  const auto look = counters->look();
  ASSERT_TRUE(look);
  EXPECT_EQ(look->total, host->total);
  EXPECT_EQ(look->available, host->available);
}

TEST_P(RecordedMachine, NamesItsProcesses) {
  ProcessSource source(root, {}, std::make_shared<UserNames>(root));
  const auto scan = source.scan(Thoroughness::routine, MonoTime{} + std::chrono::seconds(5));
  ASSERT_TRUE(scan);
  ASSERT_FALSE(scan->processes.empty());
  EXPECT_GE(scan->seen, scan->processes.size());
  EXPECT_TRUE(
      std::ranges::is_sorted(scan->processes, std::ranges::greater{}, &ProcessReading::rss));
  const ProcessReading& largest = scan->processes.front();
  EXPECT_EQ(largest.identity->comm, GetParam().largest);
  EXPECT_EQ(largest.identity->user, GetParam().user);
  EXPECT_NE(largest.identity->id.boot, BootId{});
  for (const ProcessReading& process : scan->processes) {
    EXPECT_FALSE(process.identity->command.empty());
    EXPECT_FALSE(process.growth_per_second);
  }
  const auto pss = read_pss(root, largest.identity->id);
  ASSERT_TRUE(pss);
  EXPECT_LT(*pss, largest.rss);
}

INSTANTIATE_TEST_SUITE_P(All, RecordedMachine, testing::ValuesIn(kMachines),
                         [](const auto& machine) {
                           std::string name = machine.param.name;
                           std::erase(name, '-');
                           return name;
                         });

TEST(RecordedKubernetesPod, FindsTheContainerAndThePod) {
  const Root root(LEVEE_FIXTURES "/machines/kubernetes-v1");
  ProcessSource source(root, {}, std::make_shared<UserNames>(root));
  const auto scan = source.scan(Thoroughness::thorough, MonoTime{});
  ASSERT_TRUE(scan);
  EXPECT_EQ(scan->processes.front().identity->container.substr(0, 8), "9c0f9c0f");
  EXPECT_EQ(scan->processes.front().identity->pod, "5f2d1c7e-0a0b-4d3f-9f0e-2f6f2f1d9a77");
  EXPECT_EQ(scan->processes.front().identity->oom_score_adj, 985);
}

}  // namespace
}  // namespace levee::sources
