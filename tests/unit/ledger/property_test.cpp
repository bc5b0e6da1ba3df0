// What must hold whatever happens, tried by chance and, for small cases, exhaustively.
#include <gtest/gtest.h>

#include "unit/ledger/random_day.hpp"

namespace levee::ledger {
namespace {

using namespace levee::test;

TEST(AnyDay, PromisesNothingTwiceAndLosesNothing) {
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    MemoryStore store;
    RandomDay day(store, seed);
    for (int i = 0; i < 200; ++i) {
      day.step();
      ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << '\n' << day.transcript();
    }
    day.close();
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
  }
}

/// One GPU of 3 GB, and jobs of 1, 2 and 3 GB that come, wait, go and die in every order.
class SmallWorld {
 public:
  static constexpr int kMoves = 10;
  static constexpr int kDepth = 6;

  std::uint64_t explore() {
    Office office(machine({gpu(0, 3)}));
    go(office, kDepth);
    return visited_;
  }

 private:
  void go(const Office& before, int depth) {
    ++visited_;
    if (depth == 0) {
      return;
    }
    for (int move = 0; move < kMoves; ++move) {
      Office office = before;
      office.now.mono += 1s;
      make(office, move);
      check(office);
      if (testing::Test::HasFailure()) {
        return;
      }
      go(office, depth - 1);
    }
  }

  static void make(Office& office, int move) {
    const std::array ids{"one", "two", "three"};
    const int job = move % 3;
    if (move < 3) {
      office.dead.erase(job);
      Request request =
          any_gpu(ids.at(static_cast<unsigned>(job)), static_cast<unsigned>(job) + 1, job);
      request.wait = job == 1 ? 1000s : 2s;
      office.ask(request);
    } else if (move < 6) {
      static_cast<void>(office.release(ids.at(static_cast<unsigned>(job))));
    } else if (move < 9) {
      office.dead.insert(job);
    }
    office.settle();
  }

  static void check(const Office& office) {
    std::uint64_t promised = 0;
    for (const auto& [id, lease] : office.book.leases()) {
      for (const DeviceShare& share : lease.shares) {
        promised += share.bytes.count;
      }
      EXPECT_FALSE(office.dead.contains(lease.owner.pid)) << id << " outlives its owner";
    }
    EXPECT_LE(promised, gib(3).count);
    // The first in line waits only because it does not fit.
    const auto line = office.book.queue();
    if (!line.empty()) {
      EXPECT_LT(office.available(0), line.front()->demand.bytes_each);
    }
  }

  std::uint64_t visited_ = 0;
};

TEST(EveryDay, OfASmallWorldKeepsItsPromises) { EXPECT_EQ(SmallWorld().explore(), 1'111'111U); }

/// Two GPUs that small jobs keep nearly full, one every few seconds for 20 to 59 seconds, and a
/// large one that needs a whole GPU. Without a place in line it would wait for a lucky moment.
class BusyDays {
 public:
  explicit BusyDays(std::uint32_t seed) : random_(seed) {}

  void live(int second) {
    office_.now = at(std::chrono::seconds{second});
    for (const std::string& id : ends_[second]) {
      static_cast<void>(office_.release(id));
    }
    for (const std::string& told : office_.settle()) {
      begin(told.substr(told.find(' ') + 1), second);
    }
    if (second % 3 == 0) {
      const std::string id = "small-" + std::to_string(second);
      if (office_.ask(waiting(any_gpu(id, 10))).outcome == Outcome::granted) {
        begin(id, second);
      }
    }
  }

  bool large_comes() {
    for (const auto& [id, lease] : office_.book.leases()) {
      earlier_.insert(id);
      earlier_ended_ = std::max(earlier_ended_, ends_of_[id]);
    }
    return office_.ask(waiting(any_gpu("large", 80), 1000s)).outcome == Outcome::waiting;
  }

  [[nodiscard]] std::optional<int> large_began() const { return large_began_; }
  /// When the last of those ended who were there before the large one.
  [[nodiscard]] int earlier_ended() const { return earlier_ended_; }

 private:
  void begin(const std::string& id, int second) {
    if (id == "large") {
      large_began_ = second;
      return;
    }
    const int end = second + 20 + static_cast<int>(random_() % 40);
    ends_[end].push_back(id);
    earlier_ended_ = earlier_.contains(id) ? std::max(earlier_ended_, end) : earlier_ended_;
    ends_of_[id] = end;
  }

  std::mt19937 random_;
  Office office_{machine({gpu(0), gpu(1)})};
  std::map<int, std::vector<std::string>> ends_;  ///< By second.
  std::map<std::string, int> ends_of_;
  std::set<std::string> earlier_;
  int earlier_ended_ = 0;
  std::optional<int> large_began_;
};

TEST(Starvation, DoesNotBefallALargeRequest) {
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    BusyDays days(seed);
    int second = 0;
    for (; second < 100; ++second) {
      days.live(second);
    }
    ASSERT_TRUE(days.large_comes()) << "seed " << seed << ": nothing to wait for";
    while (!days.large_began() && second < 1000) {
      days.live(second++);
    }
    ASSERT_TRUE(days.large_began()) << "seed " << seed << ": it starved";
    EXPECT_LE(*days.large_began(), days.earlier_ended()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace levee::ledger
