#include "sources/kinship.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "sources/own_cgroup.hpp"
#include "sources/processes.hpp"
#include "unit/sources/kinship_tree.hpp"

namespace levee::sources {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using testing::Optional;

class KinshipInCgroups : public KinshipTree {
 protected:
  KinshipInCgroups() {
    tree.write("/proc/self/mountinfo",
               "25 20 0:22 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n");
  }
  void enclose(const std::string& cgroup, const std::vector<pid_t>& pids) const {
    std::string list;
    for (const pid_t pid : pids) {
      tree.write(fmt::format("/proc/{}/cgroup", pid), "0::" + cgroup + "\n");
      list += fmt::format("{}\n", pid);
    }
    tree.write("/sys/fs/cgroup" + cgroup + "/cgroup.procs", list);
  }
  const std::string container_ = "/system.slice/docker-" + std::string(64, 'a') + ".scope";
};

TEST_F(KinshipInCgroups, TheCgroupThatTheOwnerLeadsIsItsOwn) {
  for (const std::string& cgroup :
       {container_, "/system.slice/train.service"s, "/user.slice/run-r1.scope"s,
        "/system.slice/slurmstepd.scope/job_42/step_0/user/task_0"s}) {
    put({.pid = 10});
    put({.pid = 11});  // docker exec
    put({.pid = 12});
    enclose(cgroup, {10, 11});
    Kinship fresh(tree.root());
    fresh.set_accounts({kin("a", 10)});
    ASSERT_TRUE(fresh.refresh(now));
    EXPECT_THAT(fresh.account_of(id(11), now), Optional("a"s)) << cgroup;
    EXPECT_EQ(fresh.account_of(id(12), now), kNobody) << cgroup;
  }
}

TEST_F(KinshipInCgroups, NeighboursInASharedCgroupAreNoKin) {
  for (const std::string& cgroup :
       {"/"s, "/user.slice"s, "/user.slice/user-1000.slice/session-3.scope"s, "/init.scope"s,
        "/user.slice/user-1000.slice/user@1000.service"s, "/jobs"s, "/system.slice/a.service/b"s}) {
    put({.pid = 10});
    put({.pid = 11});
    enclose(cgroup, {10, 11});
    Kinship fresh(tree.root());
    fresh.set_accounts({kin("a", 10)});
    ASSERT_TRUE(fresh.refresh(now));
    EXPECT_EQ(fresh.account_of(id(11), now), kNobody) << cgroup;
  }
}

TEST_F(KinshipInCgroups, AnOwnerWhoCameLaterLeadsNobody) {
  put({.pid = 9, .comm = "bash"});
  put({.pid = 10, .parent = 9});
  put({.pid = 11, .parent = 9});
  enclose(container_, {9, 10, 11});
  kinship.set_accounts({kin("a", 10)});
  refresh();
  EXPECT_EQ(account_of(9), kNobody);
  EXPECT_EQ(account_of(11), kNobody);
}

TEST_F(KinshipInCgroups, ItsOwnStarterMayBeOlder) {
  put({.pid = 9, .comm = "levee"});
  put({.pid = 10, .parent = 9});
  put({.pid = 11});
  enclose(container_, {9, 10, 11});
  kinship.set_accounts({kin("a", 10)});
  refresh();
  EXPECT_EQ(account_of(9), kNobody);
  EXPECT_THAT(account_of(11), Optional("a"s));
}

TEST_F(KinshipInCgroups, AnAccountOfItsOwnCountsForMoreThanTheCgroup) {
  put({.pid = 10});
  put({.pid = 11});
  put({.pid = 12, .tag = "c"});
  enclose(container_, {10, 11, 12});
  kinship.set_accounts({kin("a", 10), kin("b", 11), kin("c", 0)});
  refresh();
  refresh();
  EXPECT_THAT(account_of(11), Optional("b"s));
  EXPECT_THAT(account_of(12), Optional("c"s));
}

TEST_F(KinshipInCgroups, FindsWhoJoinsLater) {
  put({.pid = 10});
  enclose(container_, {10});
  kinship.set_accounts({kin("a", 10)});
  refresh();
  put({.pid = 11});
  enclose(container_, {10, 11});
  now += 5s;
  refresh();
  EXPECT_THAT(account_of(11), Optional("a"s));
}

TEST(OwnCgroup, LooksBelowTheMounts) {
  const CgroupMounts mounts{.v2 = CgroupMount{"/sys/fs/cgroup/unified", "/"},
                            .v1_memory = CgroupMount{"/sys/fs/cgroup/memory", "/"}};
  EXPECT_THAT(own_cgroup("4:memory:/system.slice/a.service\n0::/\n", mounts),
              Optional("/sys/fs/cgroup/memory/system.slice/a.service"s));
  EXPECT_THAT(own_cgroup("4:memory:/\n0::/system.slice/a.service\n", mounts),
              Optional("/sys/fs/cgroup/unified/system.slice/a.service"s));
  const CgroupMounts elsewhere{.v2 = CgroupMount{"/sys/fs/cgroup", "/docker/x"}, .v1_memory = {}};
  EXPECT_EQ(own_cgroup("0::/system.slice/a.service\n", elsewhere), kNobody);
  EXPECT_EQ(own_cgroup("0::/../a.service\n", mounts), kNobody);
  EXPECT_EQ(own_cgroup("0::/system.slice/a.service\n", CgroupMounts{}), kNobody);
  EXPECT_EQ(own_cgroup("", mounts), kNobody);
  EXPECT_EQ(own_cgroup("nonsense", mounts), kNobody);
}

}  // namespace
}  // namespace levee::sources
