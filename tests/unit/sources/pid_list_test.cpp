#include "sources/pid_list.hpp"

#include <gmock/gmock.h>

#include "unit/sources/tree.hpp"

namespace levee::sources {
namespace {

using testing::ElementsAre;

class PidListTest : public testing::Test {
 protected:
  PidListTest() {
    set_marker("1/89 6367");
    for (const char* name : {"77", "4", "1000", "self", "0", "-5", "12a", "99999999999"}) {
      tree.write(std::string("/proc/") + name + "/stat", "");
    }
  }

  void set_marker(const std::string& marker) {
    tree.write("/proc/loadavg", "0.12 0.05 0.01 " + marker + "\n");
  }

  /// The pids listed; empty when it saw no need.
  std::vector<pid_t> pids(bool anyway = false) {
    std::vector<pid_t> found;
    if (const auto entries = list.changes(anyway).value()) {
      for (const PidList::Entry& entry : *entries) {
        found.push_back(entry.pid);
      }
    }
    return found;
  }

  Tree tree;
  PidList list{tree.root()};
};

TEST_F(PidListTest, ListsWhatIsAProcessByRisingNumber) {
  EXPECT_THAT(pids(), ElementsAre(4, 77, 1000));
}

TEST_F(PidListTest, ListsAgainOnlyWhenSomebodyCameOrWent) {
  (void)pids();
  EXPECT_THAT(pids(), ElementsAre());
  tree.remove("/proc/77");
  EXPECT_THAT(pids(), ElementsAre());
  set_marker("1/88 6367");
  EXPECT_THAT(pids(), ElementsAre(4, 1000));
}

TEST_F(PidListTest, ListsAnywayWhenAskedToOrWhenTheMarkerIsDistrusted) {
  (void)pids();
  EXPECT_THAT(pids(true), ElementsAre(4, 77, 1000));
  list.distrust();
  EXPECT_THAT(pids(), ElementsAre(4, 77, 1000));
  EXPECT_THAT(pids(), ElementsAre());
}

TEST_F(PidListTest, DoesNotBelieveAMarkerForEver) {
  (void)pids();
  int calls = 1;
  while (pids().empty() && calls < 100) {
    ++calls;
  }
  EXPECT_EQ(calls, 5);
}

TEST_F(PidListTest, ListsEveryTimeWithoutAMarker) {
  for (const char* useless : {"", "no slash"}) {
    tree.write("/proc/loadavg", useless);
    EXPECT_THAT(pids(), ElementsAre(4, 77, 1000));
    EXPECT_THAT(pids(), ElementsAre(4, 77, 1000));
  }
}

TEST_F(PidListTest, SaysThatThereIsNothingToList) {
  tree.remove("/proc");
  const auto entries = list.changes(false);
  ASSERT_FALSE(entries);
  EXPECT_EQ(entries.error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace levee::sources
