// What a tick says to the ledger; and who is alive.
#include "engine/ledger_sample.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "sources/process_walk.hpp"
#include "sources/processes.hpp"
#include "support/child.hpp"
#include "support/patience.hpp"
#include "unit/api/gpu_fixture.hpp"
#include "unit/sources/tree.hpp"

namespace levee::engine {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using api::bare_gpu;
using api::example_gpu;
using api::example_instance;
using api::lost;
using api::view_with;
using sources::Root;
using test::Child;
using test::eventually;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;

struct Machine : sources::Tree {
  Machine() {
    write("/proc/sys/kernel/random/boot_id", "4b1c6b66-7e01-4b52-9f0a-1c9d2a7f0e11\n");
    put({.pid = 1, .start = 1, .comm = "init", .uid = 0, .parent = 0});
  }
};

class SampleTest : public testing::Test {
 protected:
  LedgerSample sample(const api::View& view, const api::LedgerView* ledger = nullptr) {
    return ledger_sample(view, ledger, kinship);
  }
  ledger::DeviceSupply device(GpuReading gpu) {
    return sample(*view_with({std::move(gpu)})).supply.devices.at(0);
  }
  [[nodiscard]] ProcessId id(pid_t pid) const {
    return {sources::read_boot_id(tree.root()), pid, 1000 + static_cast<std::uint64_t>(pid)};
  }
  void put(pid_t pid, pid_t parent, std::uint64_t pages) const {
    tree.put({.pid = pid, .pages = pages, .start = id(pid).start_ticks, .parent = parent});
  }
  [[nodiscard]] GpuProcess process_on_gpu(pid_t pid, std::optional<Bytes> memory) const {
    GpuProcess process = api::example_gpu_process();
    auto who = std::make_shared<ProcessIdentity>(*process.identity);
    who->id = id(pid);
    process.pid = pid;
    process.memory = memory;
    process.identity = std::move(who);
    return process;
  }
  [[nodiscard]] api::LeaseReport lease(std::string name, pid_t owner) const {
    api::LeaseReport report;
    report.lease.id = std::move(name);
    report.lease.state = ledger::LeaseState::granted;
    report.lease.owner = id(owner);
    report.lease.uid = 1000;
    return report;
  }

  Machine tree;
  sources::Kinship kinship{tree.root()};
};

// --- devices

TEST_F(SampleTest, TellsWhatADeviceIsAndHas) {
  GpuReading gpu = example_gpu(1);
  gpu.memory =
      GpuMemory{.total = mib(8192), .used = mib(3000), .free = mib(5000), .reserved = mib(5)};
  const auto supply = device(gpu);
  EXPECT_EQ(supply.uuid, "GPU-00000001-aaaa");
  EXPECT_EQ(supply.index, 1);
  EXPECT_EQ(supply.name, "NVIDIA GeForce RTX 4060");
  EXPECT_EQ(supply.total, mib(8192));
  EXPECT_EQ(supply.used, mib(3000));
  // What is neither free nor used is the driver's, whatever it calls it.
  EXPECT_EQ(supply.reserved, mib(192));
  EXPECT_EQ(supply.capability, (ComputeCapability{8, 9}));
  EXPECT_EQ(supply.load_percent, 45.2);
  EXPECT_FALSE(supply.is_instance);
  EXPECT_FALSE(supply.unified);
  EXPECT_EQ(supply.why_not, "");
}

TEST_F(SampleTest, SurvivesFiguresThatDoNotAddUp) {
  GpuReading gpu = example_gpu();
  gpu.memory = GpuMemory{.total = mib(10), .used = mib(8), .free = mib(8), .reserved = {}};
  EXPECT_EQ(device(gpu).reserved, Bytes{});
}

TEST_F(SampleTest, PromisesNothingOnADeviceThatTellsNothing) {
  const auto supply = device(bare_gpu());
  EXPECT_EQ(supply.why_not, "its driver does not tell its memory");
  EXPECT_EQ(supply.total, Bytes{});
  EXPECT_EQ(supply.capability, std::nullopt);
  EXPECT_EQ(supply.load_percent, 0);
}

TEST_F(SampleTest, PromisesNothingOnADeviceThatDoesNotAnswer) {
  EXPECT_EQ(device(lost(example_gpu())).why_not, "it is lost");
  for (const GpuCondition condition : {GpuCondition::reset_required, GpuCondition::unreadable}) {
    GpuReading gpu = example_gpu();
    gpu.condition = condition;
    EXPECT_NE(device(gpu).why_not, "") << to_string(condition);
  }
  GpuReading old = example_gpu();
  old.read_at = api::example_now().mono - 1h;
  EXPECT_EQ(device(old).why_not, "it has not answered for some seconds");
}

TEST_F(SampleTest, PromisesInstancesInsteadOfTheirParent) {
  const auto view = view_with({example_gpu(0), example_instance(), example_gpu(1)});
  const auto devices = sample(*view).supply.devices;
  ASSERT_EQ(devices.size(), 3U);
  EXPECT_THAT(devices[0].why_not, HasSubstr("its instances are promised instead"));
  EXPECT_EQ(devices[1].uuid, "MIG-1234");
  EXPECT_TRUE(devices[1].is_instance);
  EXPECT_EQ(devices[1].why_not, "");
  EXPECT_EQ(devices[2].why_not, "");
  GpuReading without_instances = example_gpu();
  without_instances.mig_enabled = true;
  EXPECT_THAT(device(without_instances).why_not, HasSubstr("in MIG mode"));
}

TEST_F(SampleTest, KnowsMemoryThatIsTheHosts) {
  GpuReading gpu = example_gpu();
  auto who = *gpu.identity;
  who.unified_memory = true;
  gpu.identity = std::make_shared<const GpuIdentity>(std::move(who));
  EXPECT_TRUE(device(gpu).unified);
}

TEST_F(SampleTest, HasNoDevicesOnAMachineWithoutAny) {
  const auto result = sample(*api::example_view());
  EXPECT_THAT(result.supply.devices, IsEmpty());
  EXPECT_THAT(result.supply.uses, IsEmpty());
}

// --- the host

TEST_F(SampleTest, TellsTheHostAsLongAsItIsFresh) {
  auto view = api::example_view();
  const auto host = sample(*view).supply.host;
  ASSERT_TRUE(host);
  EXPECT_EQ(host->total, gib(32));
  EXPECT_EQ(host->available, Bytes{25'340'313'600});
  const auto with_host = [&](std::optional<std::chrono::nanoseconds> age) {
    auto snapshot = std::make_shared<Snapshot>(*view->snapshot);
    snapshot->host.reset();
    if (age) {
      snapshot->host =
          Sampled<HostReading>{.value = api::example_host(), .read_at = snapshot->at.mono - *age};
    }
    view->snapshot = std::move(snapshot);
    return sample(*view).supply.host.has_value();
  };
  const auto limit = view->settings->config().thresholds.stale_after;
  EXPECT_TRUE(with_host(limit));
  EXPECT_FALSE(with_host(limit + 1ns));
  EXPECT_FALSE(with_host(1h));
  EXPECT_FALSE(with_host(std::nullopt));
}

// --- rules

std::shared_ptr<api::View> view_set(std::map<std::string, std::string> settings) {
  auto view = api::example_view();
  config::Inputs inputs;
  inputs.command_line = std::move(settings);
  auto loaded = config::Settings::load(std::move(inputs));
  EXPECT_TRUE(loaded) << loaded.error().message;
  view->settings = std::make_shared<const config::Settings>(std::move(*loaded));
  return view;
}

TEST_F(SampleTest, TakesTheUsualRulesWhereNothingIsSet) {
  const auto rules = sample(*api::example_view()).rules;
  EXPECT_EQ(rules.device_reserve, mib(512));
  EXPECT_EQ(rules.memory_limit, std::nullopt);
  EXPECT_EQ(rules.host_reserve, gib(2));  // The brake line of the example.
  EXPECT_EQ(rules.most_leases_per_user, 256U);
  EXPECT_EQ(rules.most_device_bytes_per_user, std::nullopt);
  EXPECT_EQ(rules.most_host_bytes_per_user, std::nullopt);
}

TEST_F(SampleTest, KeepsTheHostAboveTheBrakeLineWhereverThatIs) {
  auto view = api::example_view();
  view->lines.emergency = gib(3);
  EXPECT_EQ(sample(*view).rules.host_reserve, gib(3));
}

TEST_F(SampleTest, TakesRulesFromTheSettings) {
  const auto view = view_set({{"memory_reserve_mb", "100"},
                              {"memory_limit_mb", "6144"},
                              {"max_balloon_percent", "60"},
                              {"ledger.host_reserve", "0"},
                              {"ledger.user_leases", "3"},
                              {"ledger.user_gpu_memory", "24GB"},
                              {"ledger.user_host_memory", "48GB"}});
  const auto rules = sample(*view).rules;
  EXPECT_EQ(rules.device_reserve, mib(100));
  EXPECT_EQ(rules.memory_limit, mib(6144));
  EXPECT_EQ(rules.max_balloon_percent, 60);
  EXPECT_EQ(rules.host_reserve, Bytes{});  // 0 is 0, and not "auto".
  EXPECT_EQ(rules.most_leases_per_user, 3U);
  EXPECT_EQ(rules.most_device_bytes_per_user, gib(24));
  EXPECT_EQ(rules.most_host_bytes_per_user, gib(48));
}

// --- who uses what

TEST_F(SampleTest, CountsWhatEachAccountUses) {
  put(10, 1, 100);
  put(11, 10, 50);
  put(20, 1, 7);
  GpuReading first = example_gpu(0);
  first.processes = {process_on_gpu(10, gib(1)), process_on_gpu(11, gib(2)),
                     process_on_gpu(20, gib(4))};
  GpuReading second = example_gpu(1);
  second.processes = {process_on_gpu(11, gib(8))};
  api::LedgerView ledger;
  ledger.leases = {lease("job", 10)};
  const auto uses = sample(*view_with({first, second}), &ledger).supply.uses;
  ASSERT_THAT(uses, ElementsAre(Key("job")));
  const ledger::Use& job = uses.at("job");
  EXPECT_THAT(job.devices, ElementsAre(ledger::DeviceShare{"GPU-00000000-aaaa", gib(3)},
                                       ledger::DeviceShare{"GPU-00000001-aaaa", gib(8)}));
  EXPECT_EQ(job.host, Bytes{150 * sources::page_size()});
}

TEST_F(SampleTest, CountsNothingThatIsNotKnown) {
  put(10, 1, 100);
  GpuReading gpu = example_gpu();
  GpuProcess stranger = process_on_gpu(10, gib(2));
  stranger.identity = nullptr;  // A pid that cannot be seen from here.
  gpu.processes = {process_on_gpu(10, std::nullopt), stranger};
  GpuReading silent = example_gpu(1);
  silent.processes.reset();
  api::LedgerView ledger;
  ledger.leases = {lease("job", 10)};
  const auto uses = sample(*view_with({gpu, silent}), &ledger).supply.uses;
  EXPECT_THAT(uses.at("job").devices, IsEmpty());
}

TEST_F(SampleTest, MakesAccountsOfGrantedLeasesOfTheirOwnOnly) {
  put(10, 1, 100);
  put(20, 1, 100);
  put(30, 1, 100);
  api::LeaseReport waits = lease("waits", 20);
  waits.lease.state = ledger::LeaseState::waiting;
  api::LeaseReport within = lease("within", 30);
  within.lease.demand.within = "job";
  api::LedgerView ledger;
  ledger.leases = {lease("job", 10), waits, within};
  EXPECT_THAT(sample(*api::example_view(), &ledger).supply.uses, ElementsAre(Key("job")));
  // One that is gone has no use any more.
  ledger.leases.clear();
  EXPECT_THAT(sample(*api::example_view(), &ledger).supply.uses, IsEmpty());
}

// --- who is alive

ProcessId real_id(pid_t pid) {
  const auto stat = sources::read_pid_stat(sources::open_proc(Root{}).get(), pid);
  return {sources::read_boot_id(Root{}), pid, stat ? stat->start_ticks : 0};
}

bool is_alive_here(const ProcessId& process) {
  return is_alive(Root{}, sources::read_boot_id(Root{}), process);
}

TEST(IsAlive, IsTrueUntilTheProcessEnds) {
  Child child([] { return ""s; });
  const ProcessId id = real_id(child.pid());
  EXPECT_TRUE(is_alive_here(id));
  child.end();
  EXPECT_FALSE(is_alive_here(id));
}

TEST(IsAlive, DoesNotTakeAZombieForAlive) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::pause();
    ::_exit(0);
  }
  const ProcessId id = real_id(pid);
  EXPECT_TRUE(is_alive_here(id));
  ::kill(pid, SIGKILL);
  EXPECT_TRUE(eventually([&] { return !is_alive_here(id); }));
  EXPECT_EQ(::kill(pid, 0), 0);  // It is there still.
  EXPECT_EQ(find_process(Root{}, id.boot, pid), std::nullopt);
  ::waitpid(pid, nullptr, 0);
}

TEST(IsAlive, KnowsTheNextProcessOfThatPid) {
  const Child child([] { return ""s; });
  for (const std::uint64_t ticks : {std::uint64_t{0}, real_id(child.pid()).start_ticks + 1}) {
    ProcessId other = real_id(child.pid());
    other.start_ticks = ticks;
    EXPECT_FALSE(is_alive_here(other)) << ticks;
  }
}

TEST(IsAlive, IsFalseAfterAnotherBoot) {
  const Child child([] { return ""s; });
  ProcessId other = real_id(child.pid());
  other.boot.low ^= 1U;
  EXPECT_FALSE(is_alive_here(other));
  EXPECT_FALSE(is_alive_here({.boot = other.boot, .pid = 0, .start_ticks = 0}));
}

TEST(IsAlive, TakesNobodyForTheBoot) {
  EXPECT_TRUE(is_alive_here({sources::read_boot_id(Root{}), 0, 0}));
}

TEST(IsAlive, IsFalseOnlyWhereThatIsCertain) {
  const sources::Tree tree;
  const BootId boot{1, 2};
  const ProcessId process{boot, 10, 1000};
  EXPECT_TRUE(is_alive(tree.root(), boot, process));  // There is no /proc at all.
  tree.put({.pid = 11});
  EXPECT_FALSE(is_alive(tree.root(), boot, process));
  tree.put({.pid = 10});
  EXPECT_TRUE(is_alive(tree.root(), boot, process));
  for (const char state : {'Z', 'X'}) {
    tree.put({.pid = 10, .state = state});
    EXPECT_FALSE(is_alive(tree.root(), boot, process)) << state;
    EXPECT_EQ(find_process(tree.root(), boot, 10), std::nullopt) << state;
  }
  tree.write("/proc/10/stat", "nonsense");
  EXPECT_TRUE(is_alive(tree.root(), boot, process));
  EXPECT_EQ(find_process(tree.root(), boot, 10), std::nullopt);
}

TEST(FindProcess, SaysWhoItIs) {
  const Child child([] { return ""s; });
  const ProcessId id = real_id(child.pid());
  const auto owner = find_process(Root{}, id.boot, child.pid());
  ASSERT_TRUE(owner);
  EXPECT_EQ(owner->id, id);
  EXPECT_EQ(owner->uid, ::geteuid());
}

TEST(FindProcess, KnowsWhoseItIs) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  constexpr uid_t kStranger = 65534;
  const Child child([] { return ""s; }, kStranger);
  const auto owner = find_process(Root{}, {}, child.pid());
  ASSERT_TRUE(owner);
  EXPECT_EQ(owner->uid, kStranger);
}

TEST(FindProcess, TakesNoThreadForAProcess) {
  std::promise<pid_t> tid;
  std::promise<void> over;
  std::thread thread([&] {
    tid.set_value(::gettid());
    over.get_future().wait();
  });
  EXPECT_TRUE(find_process(Root{}, {}, ::getpid()));
  EXPECT_EQ(find_process(Root{}, {}, tid.get_future().get()), std::nullopt);
  over.set_value();
  thread.join();
}

TEST(FindProcess, FindsNobodyWhereNobodyIs) {
  Child child([] { return ""s; });
  const pid_t gone = child.pid();
  child.end();
  for (const pid_t pid : {gone, 0, -1, std::numeric_limits<pid_t>::max()}) {
    EXPECT_EQ(find_process(Root{}, {}, pid), std::nullopt) << pid;
  }
}

TEST_F(SampleTest, CountsAHoldersMemoryAsItsBalloons) {
  put(50, 1, 10);
  put(60, 1, 10);
  api::LedgerView ledger;
  ledger.leases = {lease("job", 50), lease("balloon", 0)};
  GpuReading gpu = example_gpu();
  gpu.processes = {process_on_gpu(50, gib(1)), process_on_gpu(60, gib(4))};
  const auto view = view_with({gpu});
  std::vector<api::Holding> holdings(1);
  holdings[0].account = "balloon";
  holdings[0].pid = 60;
  const auto uses = ledger_sample(*view, &ledger, kinship, holdings).supply.uses;
  EXPECT_EQ(uses.at("balloon").devices.at(0).bytes, gib(4));
  EXPECT_EQ(uses.at("job").devices.at(0).bytes, gib(1));
}

}  // namespace
}  // namespace levee::engine
