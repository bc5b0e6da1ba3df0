// Random days of a balloon: whatever is done to it, the balloon, the driver and the machine agree
// on what is held.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <string>

#include "levee/balloon.hpp"
#include "unit/balloon/simulated_driver.hpp"

namespace levee::test {
namespace {

constexpr int kSteps = 150;

/// A balloon, and somebody else on the GPU.
class RandomDay {
 public:
  RandomDay(std::uint32_t seed, const std::string& keys)
      : random_(seed),
        sim_(std::string(kTenGib) + keys),
        is_plain_(keys.find("vmm=off") != std::string::npos),
        balloon_(sim_.balloon({.mb = 777})) {}

  void run() {
    for (int step = 0; step < kSteps && !testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      if (pick(8) == 0) {
        change_the_neighbour();
      }
      const bool is_bad_hour = pick(4) == 0;
      if (is_bad_hour) {
        break_something();
      }
      act();
      if (is_bad_hour) {
        sim_.machine.fault("gpu 0 clear max-allocation 0");
      }
      check();
    }
    balloon_.deflate();
    EXPECT_EQ(sim_.used(), neighbour_);
  }

 private:
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }

  void change_the_neighbour() {
    const Bytes room = sim_.free() + neighbour_;
    neighbour_ = mib(1 + pick(room.count / kMiB / 2 + 1));
    neighbour_ = std::min(neighbour_, room);
    sim_.machine.set("gpu 0 foreign pid=42 mem=" + std::to_string(neighbour_.count / kMiB) + "MiB");
  }

  void break_something() {
    const std::string after = " after " + std::to_string(1 + pick(15)) + " calls";
    const std::array<std::string, 5> faults{
        "return 2 from cuMemCreate" + after, "return 999 from cuMemCreate" + after,
        "return 2 from cuMemAlloc_v2" + after, "max-allocation 20MiB",
        "return 2 from cuDevicePrimaryCtxRetain"};
    sim_.machine.fault("gpu 0 " + faults.at(pick(faults.size())));
  }

  [[nodiscard]] MemorySpec amount() {
    switch (pick(4)) {
      case 0:
        return std::to_string(1 + pick(100)) + "%";
      case 1:
        return Bytes{1 + pick(3 * kGiB)};
      case 2:
        return 0.01 * static_cast<double>(1 + pick(100));
      default:
        return 1 + pick(6000);
    }
  }

  /// What was done says what it left, and a failure leaves what was there.
  void act() {
    const Bytes before = balloon_.allocated();
    switch (pick(8)) {
      case 0:
        return expect(balloon_.inflate(), before);
      case 1:
        EXPECT_EQ(balloon_.deflate(), before);
        EXPECT_EQ(balloon_.allocated(), Bytes{});
        return;
      case 2: {
        const auto inflated = balloon_.inflate_if_not_inflated();
        EXPECT_TRUE(before == Bytes{} || inflated == Bytes{});
        return;
      }
      case 3:
        return expect(balloon_.resize({.mb = amount()}), before);
      case 4:
        return expect(balloon_.allocate_additional(amount()), before);
      case 5:
        return expect(balloon_.allocate_memory(amount()), before);
      case 6:
        EXPECT_TRUE(balloon_.set_chunk_size(static_cast<std::int64_t>(1 + pick(400))).has_value());
        return;
      default:
        return expect(balloon_.allocate_to_target(amount()), before);
    }
  }

  void expect(const Result<Bytes>& done, Bytes before) {
    if (done) {
      EXPECT_EQ(*done, balloon_.allocated());
      return;
    }
    EXPECT_FALSE(done.error().message.empty());
    // Only a shrink that could not be finished leaves something else, and that is less.
    EXPECT_LE(balloon_.allocated(), before) << done.error().message;
    if (done.error().message.find("while a chunk was split") == std::string::npos &&
        done.error().code == ErrorCode::resource_exhausted) {
      EXPECT_EQ(balloon_.allocated(), before) << done.error().message;
    }
  }

  void check() {
    const auto status = balloon_.status();
    ASSERT_TRUE(status.has_value()) << status.error().message;
    const Bytes allocated = balloon_.allocated();
    const Bytes context = allocated > Bytes{} && is_plain_ ? kContext : Bytes{};
    EXPECT_EQ(status->allocated, allocated);
    EXPECT_EQ(status->is_inflated, allocated > Bytes{});
    EXPECT_EQ(status->num_chunks > 0, allocated > Bytes{});
    EXPECT_EQ(status->held, sim_.used() - neighbour_) << "the machine's account";
    EXPECT_EQ(status->held, sim_.used_by_chunks() + context) << "this process's";
    EXPECT_EQ(status->free_memory, gib(10) - neighbour_ - status->held) << "the driver's";
    EXPECT_GE(status->held, allocated + context);
    EXPECT_LT(status->held, allocated + context + mib(2));
  }

  std::mt19937 random_;
  SimulatedDriver sim_;
  const bool is_plain_;
  Balloon balloon_;
  Bytes neighbour_;
};

class RandomDays : public testing::TestWithParam<std::uint32_t> {};

TEST_P(RandomDays, AllAgreeOnWhatUnmappedMemoryIsHeld) { RandomDay(GetParam(), "").run(); }

TEST_P(RandomDays, AllAgreeOnWhatPlainMemoryIsHeld) { RandomDay(GetParam(), " vmm=off").run(); }

INSTANTIATE_TEST_SUITE_P(Seeds, RandomDays, testing::Range(1U, 13U));

}  // namespace
}  // namespace levee::test
