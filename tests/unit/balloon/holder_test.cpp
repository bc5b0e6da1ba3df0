// The process that holds memory, and what its parent makes of its troubles.
#include "balloon/holder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "balloon/run_holder.hpp"
#include "support/child.hpp"
#include "support/patience.hpp"
#include "support/simulated_machine.hpp"
#include "support/temp_dir.hpp"

namespace levee::test {
namespace {

using namespace std::chrono_literals;
using balloon::Holder;
using balloon::HolderState;
using testing::HasSubstr;

constexpr std::string_view kTwo =
    "gpu 0 uuid=GPU-aaaa0000-0000-0000-0000-000000000001 mem=11GiB reserved=1GiB ctx=512MiB\n"
    "gpu 1 uuid=GPU-aaaa0000-0000-0000-0000-000000000002 mem=21GiB reserved=1GiB ctx=512MiB\n";
constexpr const char* kFirst = "GPU-aaaa0000-0000-0000-0000-000000000001";
constexpr const char* kSecond = "GPU-aaaa0000-0000-0000-0000-000000000002";

class HolderTest : public testing::Test {
 protected:
  explicit HolderTest(std::string_view scenario = kTwo)
      : machine_(scenario), environment_(machine_.environment()) {}

  static Holder::Settings settings() {
    Holder::Settings settings;
    settings.argv = {LEVEE_GPU_HOLDER};
    settings.grace = 300ms;
    return settings;
  }

  static Holder start(const std::string& gpu = kFirst) {
    auto holder = Holder::start(gpu, settings());
    if (!holder) {
      throw std::runtime_error(holder.error().message);
    }
    return std::move(*holder);
  }

  static Error failed(const Result<HolderState>& result) {
    EXPECT_FALSE(result.has_value());
    return result ? Error{} : result.error();
  }
  static Error refused(const Result<Holder>& result) {
    EXPECT_FALSE(result.has_value());
    return result ? Error{} : result.error();
  }

  /// The holder, the driver and the machine agree.
  void expect_held(const Result<HolderState>& state, Bytes size) {
    ASSERT_TRUE(state.has_value()) << state.error().message;
    EXPECT_EQ(state->requested, size);
    EXPECT_EQ(state->held, size);
    EXPECT_EQ(state->free, gib(10) - size);
    EXPECT_EQ(state->total, gib(11));
    EXPECT_EQ(used(), size);
  }

  [[nodiscard]] Bytes used(std::int32_t gpu = 0) { return Bytes{machine_.account(gpu).used}; }

  SimulatedMachine machine_;

 private:
  ScopedEnvironment environment_;
};

TEST_F(HolderTest, GrowsAndShrinksAndTellsWhatItHolds) {
  Holder holder = start();
  expect_held(holder.status(kPatience), Bytes{});
  expect_held(holder.resize(mib(4000), kPatience), mib(4000));
  EXPECT_EQ(holder.held().chunks, 40U);
  expect_held(holder.resize(mib(6000), kPatience), mib(6000));
  expect_held(holder.resize(mib(1024), kPatience), mib(1024));
  expect_held(holder.status(kPatience), mib(1024));
  EXPECT_EQ(holder.held().requested, mib(1024));
  expect_held(holder.resize(Bytes{}, kPatience), Bytes{});
  EXPECT_TRUE(holder.is_running());
}

TEST_F(HolderTest, HoldsOnTheGpuThatIsNamedWhateverTheEnvironmentShows) {
  using Variables = std::map<std::string, std::string>;
  const ScopedEnvironment hidden(Variables{{"CUDA_VISIBLE_DEVICES", "0"}});
  Holder holder = start(kSecond);
  ASSERT_TRUE(holder.resize(mib(500), kPatience));
  EXPECT_EQ(used(0), Bytes{});
  EXPECT_EQ(used(1), mib(500));
  EXPECT_EQ(holder.gpu_uuid(), kSecond);
}

TEST_F(HolderTest, TellsItsGrowthAndMayBeStopped) {
  Holder holder = start();
  ASSERT_TRUE(holder.resize(mib(100), kPatience));
  machine_.fault("gpu 0 slow cuMemCreate 15ms");
  Bytes last;
  const Error error = failed(holder.resize(mib(8000), kPatience, [&](Bytes held, Bytes wanted) {
    EXPECT_GT(held, last);
    EXPECT_EQ(wanted, mib(8000));
    last = held;
    return held < mib(500);
  }));
  EXPECT_EQ(error.code, ErrorCode::timed_out);
  EXPECT_GE(last, mib(500));
  expect_held(holder.status(kPatience), mib(100));
}

TEST_F(HolderTest, KeepsWhatItHeldWhenMemoryIsShort) {
  Holder holder = start();
  ASSERT_TRUE(holder.resize(mib(2000), kPatience));
  const Error error = failed(holder.resize(mib(20000), kPatience));
  EXPECT_EQ(error.code, ErrorCode::resource_exhausted);
  EXPECT_THAT(error.message, HasSubstr("CUDA out of memory"));
  EXPECT_THAT(error.message, HasSubstr("18000 MB"));
  EXPECT_FALSE(error.hint.empty());
  expect_held(holder.status(kPatience), mib(2000));
}

TEST_F(HolderTest, KeepsWhatItHeldWhenMemoryEndsInTheMiddleOfGrowth) {
  Holder holder = start();
  ASSERT_TRUE(holder.resize(mib(2000), kPatience));
  machine_.fault("gpu 0 return 2 from cuMemCreate after 7 calls");
  EXPECT_EQ(failed(holder.resize(mib(4000), kPatience)).code, ErrorCode::resource_exhausted);
  EXPECT_EQ(holder.held().requested, mib(2000));
  expect_held(holder.status(kPatience), mib(2000));
  machine_.fault("gpu 0 clear");
  expect_held(holder.resize(mib(4000), kPatience), mib(4000));
}

TEST_F(HolderTest, UndoesAGrowthThatIsTooSlowAndGoesOn) {
  Holder holder = start();
  ASSERT_TRUE(holder.resize(mib(1000), kPatience));
  machine_.fault("gpu 0 slow cuMemCreate 20ms");
  const Error error = failed(holder.resize(mib(9000), 100ms));
  EXPECT_EQ(error.code, ErrorCode::timed_out);
  EXPECT_THAT(error.message, HasSubstr("was stopped at"));
  EXPECT_TRUE(holder.is_running());
  machine_.fault("gpu 0 clear");
  expect_held(holder.status(kPatience), mib(1000));
}

TEST_F(HolderTest, IsKilledWhenTheDriverHangs) {
  Holder holder = start();
  ASSERT_TRUE(holder.resize(mib(1000), kPatience));
  machine_.fault("gpu 0 hang cuMemCreate after 3 calls");
  const auto began = std::chrono::steady_clock::now();
  const Error error = failed(holder.resize(mib(2000), 200ms));
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  EXPECT_EQ(error.code, ErrorCode::timed_out);
  EXPECT_THAT(error.message, HasSubstr(kFirst));
  EXPECT_THAT(error.message, HasSubstr("hangs"));
  EXPECT_THAT(error.message, HasSubstr("killed, and what it held is free"));
  EXPECT_EQ(used(), Bytes{});
  EXPECT_EQ(holder.held(), HolderState{});
  EXPECT_FALSE(holder.is_running());
  const Error after = failed(holder.resize(mib(1), kPatience));
  EXPECT_EQ(after.code, ErrorCode::unavailable);
  EXPECT_THAT(after.message, HasSubstr("did not answer"));
  machine_.fault("gpu 0 clear");
  Holder next = start();
  expect_held(next.resize(mib(1000), kPatience), mib(1000));
}

TEST_F(HolderTest, StatusDoesNotWaitForADriverThatHangs) {
  Holder holder = start();
  machine_.fault("gpu 0 hang nvmlDeviceGetMemoryInfo*");
  EXPECT_EQ(failed(holder.status(200ms)).code, ErrorCode::timed_out);
  EXPECT_FALSE(holder.is_running());
}

TEST_F(HolderTest, IsNotReadyWhileTheDriverHangs) {
  machine_.fault("driver hang cuInit");
  Holder::Settings hasty = settings();
  hasty.start_deadline = 200ms;
  const Error error = refused(Holder::start(kFirst, hasty));
  EXPECT_EQ(error.code, ErrorCode::timed_out);
}

TEST_F(HolderTest, ItsDeathGivesEverythingBack) {
  Holder holder = start();
  ASSERT_TRUE(holder.resize(mib(3000), kPatience));
  ASSERT_TRUE(holder.pid().has_value());
  ::kill(*holder.pid(), SIGKILL);
  ASSERT_TRUE(eventually([&] { return !holder.is_running(); }));
  EXPECT_EQ(used(), Bytes{});
  EXPECT_EQ(holder.held(), HolderState{});
  EXPECT_EQ(holder.line(), -1);
  const Error error = failed(holder.status(kPatience));
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_THAT(error.message, HasSubstr("signal 9"));
}

TEST_F(HolderTest, ADeathDuringAGrowthIsToldAsWhatItIs) {
  Holder holder = start();
  machine_.fault("gpu 0 slow cuMemCreate 20ms");
  const Error error = failed(holder.resize(mib(9000), kPatience, [&](Bytes, Bytes) {
    ::kill(*holder.pid(), SIGABRT);
    return true;
  }));
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_THAT(error.message, HasSubstr("signal 6"));
  EXPECT_EQ(used(), Bytes{});
}

/// Gone, but for its parent's reading of how.
bool has_ended(pid_t pid) {
  const std::string status = contents("/proc/" + std::to_string(pid) + "/stat");
  const auto bracket = status.rfind(')');
  return bracket == std::string::npos || status.substr(bracket + 2, 1) == "Z";
}

TEST_F(HolderTest, EndsWithItsOwner) {
  pid_t pid = 0;
  {
    Holder first = start();
    ASSERT_TRUE(first.resize(mib(1000), kPatience));
    Holder moved = std::move(first);
    pid = *moved.pid();
    EXPECT_EQ(first.pid(), std::nullopt);
    expect_held(moved.status(kPatience), mib(1000));
  }
  EXPECT_EQ(used(), Bytes{});
  EXPECT_TRUE(has_ended(pid));
}

TEST_F(HolderTest, StopIsAtOnceAlsoInTheMiddleOfAHang) {
  Holder holder = start();
  machine_.fault("gpu 0 hang cuMemCreate");
  std::jthread killer([pid = *holder.pid()] {
    // In the middle of the hang, usually; before or after it the outcome is the same.
    std::this_thread::sleep_for(50ms);
    ::kill(pid, SIGSTOP);  // a stopped one cannot even close its line
  });
  EXPECT_EQ(failed(holder.resize(mib(100), 200ms)).code, ErrorCode::timed_out);
  EXPECT_TRUE(holder.stop());
  EXPECT_EQ(used(), Bytes{});
}

std::vector<pid_t> pids(const std::string& said) {
  std::istringstream words(said);
  return {std::istream_iterator<pid_t>(words), {}};
}

/// A parent that starts a holder, has it hold 2000 MB and says its pid.
std::string hold_as_a_parent(Holder*& kept) {
  Holder::Settings settings;
  settings.argv = {LEVEE_GPU_HOLDER};
  auto holder = Holder::start(kFirst, settings);
  if (!holder || !holder->resize(mib(2000), kPatience)) {
    return "no holder";
  }
  static Holder owned = std::move(*holder);
  kept = &owned;
  return std::to_string(*owned.pid());
}

TEST_F(HolderTest, EndsWhenItsParentIsKilled) {
  Holder* kept = nullptr;
  Child parent([&] { return hold_as_a_parent(kept); });
  const auto holder = pids(parent.said());
  ASSERT_EQ(holder.size(), 1U) << parent.said();
  EXPECT_EQ(used(), mib(2000));
  parent.end();
  EXPECT_TRUE(eventually([&] { return has_ended(holder.at(0)); }));
  EXPECT_TRUE(eventually([&] { return used() == Bytes{}; }));
}

TEST_F(HolderTest, EndsWithItsParentThoughTheDriverHangs) {
  machine_.fault("gpu 0 hang cuMemCreate after 26 calls");
  Holder* kept = nullptr;
  Child parent([&] {
    const std::string said = hold_as_a_parent(kept);
    std::thread([kept] { static_cast<void>(kept->resize(mib(5000), 60s)); }).detach();
    return said;
  });
  const auto holder = pids(parent.said());
  ASSERT_EQ(holder.size(), 1U) << parent.said();
  // A trial, 20 chunks, and five more.
  ASSERT_TRUE(eventually([&] { return used() == mib(2500); }));
  parent.end();
  EXPECT_TRUE(eventually([&] { return has_ended(holder.at(0)); }));
  EXPECT_TRUE(eventually([&] { return used() == Bytes{}; }));
}

TEST_F(HolderTest, EndsWithItsParentThoughSomebodyElseHasItsLine) {
  Holder* kept = nullptr;
  Child parent([&] {
    const std::string said = hold_as_a_parent(kept);
    const pid_t heir = ::fork();
    if (heir == 0) {
      for (;;) {
        ::pause();  // with a copy of the parent's descriptors
      }
    }
    return said + " " + std::to_string(heir);
  });
  const auto both = pids(parent.said());
  ASSERT_EQ(both.size(), 2U) << parent.said();
  parent.end();
  EXPECT_TRUE(eventually([&] { return has_ended(both.at(0)); }));
  EXPECT_TRUE(eventually([&] { return used() == Bytes{}; }));
  EXPECT_FALSE(has_ended(both.at(1)));
  ::kill(both.at(1), SIGKILL);
}

TEST_F(HolderTest, OutlivesTheThreadThatStartedIt) {
  std::optional<Holder> holder;
  std::jthread([&] { holder.emplace(start()); }).join();
  EXPECT_TRUE(holder->resize(mib(100), kPatience));
  EXPECT_TRUE(holder->is_running());
}

TEST_F(HolderTest, IsRefusedForGpusAndProgramsThatAreNotThere) {
  const Error gpu = refused(Holder::start("GPU-ffff", settings()));
  EXPECT_EQ(gpu.code, ErrorCode::not_found);
  EXPECT_THAT(gpu.hint, HasSubstr(kFirst));
  Holder::Settings nowhere = settings();
  nowhere.argv = {"/nowhere/levee"};
  EXPECT_EQ(refused(Holder::start(kFirst, nowhere)).code, ErrorCode::not_found);
  Holder::Settings silent = settings();
  silent.argv = {"/bin/true"};
  EXPECT_THAT(refused(Holder::start(kFirst, silent)).message, HasSubstr("exited with code 0"));
  Holder::Settings babbling = settings();
  babbling.argv = {"/bin/echo", "hello, who is there?"};
  EXPECT_EQ(refused(Holder::start(kFirst, babbling)).code, ErrorCode::corrupt);
}

TEST_F(HolderTest, IsRefusedWithoutADriver) {
  machine_.fault("driver init 18");
  const Error error = refused(Holder::start(kFirst, settings()));
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_THAT(error.hint, HasSubstr("upgraded"));
}

class ComputeMode : public HolderTest {
 protected:
  ~ComputeMode() override { ::unsetenv("CUDA_MPS_PIPE_DIRECTORY"); }

  void use_mps_folder(const TempDir& folder) {
    ::setenv("CUDA_MPS_PIPE_DIRECTORY", std::filesystem::path(folder / "").c_str(), 1);
  }
};

TEST_F(ComputeMode, ExclusiveIsRefusedUnlessMpsRuns) {
  const TempDir pipes;
  use_mps_folder(pipes);
  machine_.set("gpu 0 compute-mode exclusive");
  const Error error = refused(Holder::start(kFirst, settings()));
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_THAT(error.message, HasSubstr("exclusive-process mode"));
  EXPECT_THAT(error.message, HasSubstr("error 46"));
  EXPECT_THAT(error.hint, HasSubstr("nvidia-smi -i 0 -c DEFAULT"));
  EXPECT_THAT(error.hint, HasSubstr("nvidia-cuda-mps-control"));
  EXPECT_EQ(used(), Bytes{});
  std::ofstream(pipes / "control").put('\n');
  Holder holder = start();
  EXPECT_TRUE(holder.resize(mib(100), kPatience));
}

TEST_F(ComputeMode, ProhibitedIsRefusedAlways) {
  EXPECT_TRUE(balloon::check_compute_mode(0, 0, false).has_value());
  for (const bool has_mps : {false, true}) {
    const auto checked = balloon::check_compute_mode(3, 2, has_mps);
    ASSERT_FALSE(checked.has_value());
    EXPECT_THAT(checked.error().message, HasSubstr("prohibited"));
    EXPECT_THAT(checked.error().hint, HasSubstr("-i 3"));
  }
}

class PlainHolder : public HolderTest {
 protected:
  PlainHolder()
      : HolderTest(
            "gpu 0 uuid=GPU-aaaa0000-0000-0000-0000-000000000001 mem=11GiB reserved=1GiB "
            "ctx=512MiB vmm=off") {}
};

TEST_F(PlainHolder, CountsItsContext) {
  Holder holder = start();
  const auto state = holder.resize(mib(1000), kPatience);
  ASSERT_TRUE(state.has_value()) << state.error().message;
  EXPECT_EQ(state->requested, mib(1000));
  EXPECT_EQ(state->held, mib(1512));
  EXPECT_EQ(used(), mib(1512));
}

TEST_F(PlainHolder, SaysErrorFortySixWhereTheContextIsRefused) {
  Holder holder = start();
  machine_.set("gpu 0 context-failure 46");
  const Error error = failed(holder.resize(mib(1000), kPatience));
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_THAT(error.message, HasSubstr("CUDA error 46"));
  EXPECT_THAT(error.hint, HasSubstr("nvidia-smi -c DEFAULT"));
  EXPECT_EQ(used(), Bytes{});
}

}  // namespace
}  // namespace levee::test
