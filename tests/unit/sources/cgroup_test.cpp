#include "sources/cgroup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tree.hpp"

namespace levee::sources {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kId(64, 'a');
const std::string kOther = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

TEST(ParseCgroup, FindsBothHierarchiesOfAHybridMachine) {
  const auto paths = parse_cgroup("9:name=systemd:/\n4:memory:/jobs/a:b\n1:cpu,cpuacct:/\n0::/x\n");
  EXPECT_EQ(paths.v2, "/x");
  EXPECT_EQ(paths.v1_memory, "/jobs/a:b");
}

TEST(ParseCgroup, FindsMemoryAmongMountedTogetherControllers) {
  EXPECT_EQ(parse_cgroup("3:hugetlb,memory:/y").v1_memory, "/y");
  EXPECT_FALSE(parse_cgroup("3:memory2,xmemory:/y").v1_memory);
}

TEST(ParseCgroup, ForgetsThatTheCgroupWasDeleted) {
  EXPECT_EQ(parse_cgroup("0::/gone (deleted)\n").v2, "/gone");
}

TEST(ParseCgroup, SkipsNonsense) {
  for (const char* text :
       {"", "\n", "0", "0:", "0::", "0::relative", "x::/y", "0:memory", "memory:/y"}) {
    const auto paths = parse_cgroup(text);
    EXPECT_FALSE(paths.v2) << text;
    EXPECT_FALSE(paths.v1_memory) << text;
  }
}

TEST(ParseMountinfo, FindsTheMemoryHierarchies) {
  const auto mounts = parse_mountinfo(
      "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu rw shared:1 master:2 - cgroup cgroup rw,cpu\n"
      "35 31 0:32 /docker/x /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,hugetlb,memory\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  ASSERT_TRUE(mounts.v1_memory);
  EXPECT_EQ(mounts.v1_memory->mount_point, "/sys/fs/cgroup/memory");
  EXPECT_EQ(mounts.v1_memory->root, "/docker/x");
  ASSERT_TRUE(mounts.v2);
  EXPECT_EQ(mounts.v2->mount_point, "/sys/fs/cgroup/unified");
}

TEST(ParseMountinfo, DecodesOctalEscapes) {
  const auto mounts = parse_mountinfo("1 2 0:1 /a\\134b /my\\040cgroup\\011x rw - cgroup2 c rw");
  ASSERT_TRUE(mounts.v2);
  EXPECT_EQ(mounts.v2->mount_point, "/my cgroup\tx");
  EXPECT_EQ(mounts.v2->root, "/a\\b");
}

TEST(ParseMountinfo, LeavesBrokenEscapesAsTheyAre) {
  EXPECT_EQ(parse_mountinfo("1 2 0:1 / /a\\04 rw - cgroup2 c rw").v2->mount_point, "/a\\04");
  EXPECT_EQ(parse_mountinfo("1 2 0:1 / /a\\999 rw - cgroup2 c rw").v2->mount_point, "/a\\999");
  EXPECT_EQ(parse_mountinfo("1 2 0:1 / /a\\777 rw - cgroup2 c rw").v2->mount_point, "/a\\777");
}

TEST(ParseMountinfo, PrefersTheUsualPlaceAndTheMountOnTop) {
  const auto elsewhere = parse_mountinfo(
      "1 2 0:1 / /run/other rw - cgroup2 c rw\n1 2 0:1 / /sys/fs/cgroup rw - cgroup2 c rw\n"
      "1 2 0:1 / /run/third rw - cgroup2 c rw\n");
  EXPECT_EQ(elsewhere.v2->mount_point, "/sys/fs/cgroup");
  const auto stacked = parse_mountinfo(
      "1 2 0:1 /below /sys/fs/cgroup rw - cgroup2 c rw\n1 2 0:1 /top /sys/fs/cgroup rw - cgroup2 c "
      "rw\n");
  EXPECT_EQ(stacked.v2->root, "/top");
}

TEST(ParseMountinfo, SkipsNonsense) {
  for (const char* text : {"", "\n", "-", "- cgroup2 c rw", "1 2 3 4 5 6 - cgroup2 c rw",
                           "1 2 0:1 / /x rw cgroup2 c rw", "1 2 0:1 / /x rw - cgroup c rw,cpu",
                           "1 2 0:1 / /x rw - tmpfs memory rw,memory"}) {
    const auto mounts = parse_mountinfo(text);
    EXPECT_FALSE(mounts.v2) << text;
    EXPECT_FALSE(mounts.v1_memory) << text;
  }
}

const std::optional<std::optional<Bytes>> kNoLimit(std::in_place, std::nullopt);

TEST(ParseLimit, TellsLimitsFromNoLimit) {
  EXPECT_EQ(parse_limit("1048576\n"), std::optional(std::optional(mib(1))));
  EXPECT_EQ(parse_limit("0\n"), std::optional(std::optional(Bytes{0})));
  EXPECT_EQ(parse_limit("max\n"), kNoLimit);
  EXPECT_EQ(parse_limit("9223372036854771712\n"), kNoLimit);
  EXPECT_EQ(parse_limit("4611686018427387904"), kNoLimit);
  EXPECT_EQ(parse_limit("4611686018427387903"),
            std::optional(std::optional(Bytes{4611686018427387903ULL})));
}

TEST(ParseLimit, RefusesNonsense) {
  for (const char* text : {"", "\n", "-1", "MAX", "maximum", "1 2", "1k", "0x10", "1.5",
                           "99999999999999999999", "max 1"}) {
    EXPECT_FALSE(parse_limit(text)) << text;
  }
}

TEST(ParseReclaimable, AddsTheFilePagesOfEachVersion) {
  const std::string_view v1 =
      "inactive_file 1\nactive_file 2\ntotal_inactive_file 10\ntotal_active_file 20\n";
  EXPECT_EQ(parse_reclaimable(v1, CgroupVersion::v1), Bytes{30});
  EXPECT_EQ(parse_reclaimable(v1, CgroupVersion::v2), Bytes{3});
}

TEST(ParseReclaimable, IsUnknownWithoutTheLines) {
  for (const char* text :
       {"", "anon 5\n", "inactive_file\n", "inactive_file x\n", "active_file -1\n"}) {
    EXPECT_FALSE(parse_reclaimable(text, CgroupVersion::v2)) << text;
  }
}

TEST(ContainerId, IsFoundInEveryUsualForm) {
  for (const std::string& path :
       {"/docker/" + kId, "/system.slice/docker-" + kId + ".scope",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod5f2d.slice/"
        "cri-containerd-" +
            kId + ".scope",
        "/kubepods/burstable/pod5f2d1c7e-0a0b-4d3f/" + kId,
        "/kubepods.slice/kubepods-pod1.slice/crio-" + kId + ".scope",
        "/machine.slice/libpod-" + kId + ".scope/container", "/ecs/task-1234/" + kId,
        "/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:" + kId,
        "/docker/" + kOther + "/docker/" + kId}) {
    EXPECT_EQ(container_id(path), kId) << path;
  }
}

TEST(ContainerId, IsEmptyElsewhere) {
  for (const std::string& path :
       {std::string(), std::string("/"), std::string("/user.slice/user-1000.slice"),
        "/docker/" + kId.substr(1), "/docker/" + kId + "0", "/docker/" + std::string(64, 'A'),
        "/docker/" + std::string(64, 'g'), "/machine.slice/libpod-conmon-" + kId + ".scope",
        "/x/" + kId + ".service"}) {
    EXPECT_EQ(container_id(path), "") << path;
  }
}

constexpr std::string_view kPod = "2c48913c-b29f-11e7-9350-020968147796";
constexpr std::string_view kPodSlice = "pod2c48913c_b29f_11e7_9350_020968147796.slice";

TEST(PodUid, IsFoundInThePathsOfEveryKubelet) {
  const std::string pod(kPod);
  const std::string slice(kPodSlice);
  for (const std::string& path :
       {"/kubepods/burstable/pod" + pod + "/" + kId, "/kubepods/pod" + pod,
        "/kubepods/pod" + pod + "/",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-" + slice +
            "/cri-containerd-" + kId + ".scope",
        "/kubepods.slice/kubepods-" + slice + "/crio-" + kId + ".scope",
        "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
        "kubelet-kubepods-besteffort-" +
            slice,
        "/kubelet/kubepods/besteffort/pod" + pod + "/" + kId,
        "/system.slice/containerd.service/kubepods-burstable-" + slice + ":cri-containerd:" + kId,
        "/docker/" + kId + "/kubepods/burstable/pod" + pod + "/" + kId}) {
    EXPECT_EQ(pod_uid(path), kPod) << path;
  }
  EXPECT_EQ(pod_uid("/kubepods/burstable/pod5b2e2b1d3f5a4c3e8f7a9b0c1d2e3f40/x"),
            "5b2e2b1d3f5a4c3e8f7a9b0c1d2e3f40");  // a static pod
  EXPECT_EQ(pod_uid("/kubepods/pod" + std::string(32, 'a') + "/kubepods/pod" + pod), kPod);
}

TEST(PodUid, IsEmptyElsewhere) {
  const std::string pod(kPod);
  const std::vector<std::string> paths{std::string(),
                                       std::string("/"),
                                       std::string("/kubepods.slice"),
                                       "/pod" + pod,
                                       "/machine.slice/libpod_pod_" + kId + ".slice",
                                       "/kubepods/burstable/" + pod,
                                       "/kubepods/pod" + pod.substr(1),
                                       "/kubepods/pod" + pod + "0",
                                       "/kubepods/pod",
                                       "/kubepods/podX" + pod.substr(1),
                                       "/kubepods/pod" + std::string(36, '-'),
                                       "/kubepods/pod" + std::string(36, 'a'),
                                       "/kubepods/" + std::string(kPodSlice),
                                       "/kubepods/pod2C48913C-b29f-11e7-9350-020968147796",
                                       std::string("/kubepods/.slice")};
  for (const std::string& path : paths) {
    EXPECT_EQ(pod_uid(path), "") << path;
  }
}

TEST(SlurmJob, IsFoundInThePathsOfEveryVersion) {
  for (const char* text : {"9:memory:/slurm/uid_1000/job_42/step_0/task_0\n",
                           "0::/slurm_node7/uid_0/job_42/step_batch\n",
                           "0::/system.slice/slurmstepd.scope/job_42/step_0/user/task_0\n",
                           "0::/system.slice/node7_slurmstepd.scope/job_42\n",
                           "5:devices:/slurm/uid_1000/job_42/step_0\n4:memory:/user.slice\n0::/\n",
                           "0::/\n1:freezer:/slurm/uid_1000/job_42"}) {
    EXPECT_EQ(slurm_job(text), 42U) << text;
  }
}

TEST(SlurmJob, IsNothingElsewhere) {
  for (const char* text :
       {"", "0::/\n", "0::/job_42\n", "0::/system.slice/slurmd.service\n",
        "0::/system.slice/slurmstepd.scope/system\n", "0::/slurm/uid_1000/job_\n",
        "0::/slurm/uid_1000/job_x\n", "0::/slurm/uid_1000/job_-1\n", "0::/slurm/job_4294967296\n",
        "0::/slurmy/job_42\n", "0::/job_42/slurm\n"}) {
    EXPECT_FALSE(slurm_job(text)) << text;
  }
}

std::vector<std::string> directories(const std::vector<CgroupPlace>& places) {
  std::vector<std::string> names;
  for (const CgroupPlace& place : places) {
    names.push_back(place.directory);
  }
  return names;
}

TEST(PlacesAbove, WalksFromTheOwnCgroupToTheMount) {
  const auto places = places_above({.v2 = "/a/b", .v1_memory = {}},
                                   {.v2 = CgroupMount{"/sys/fs/cgroup", "/"}, .v1_memory = {}});
  EXPECT_THAT(directories(places),
              ElementsAre("/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"));
  EXPECT_EQ(places[1].path, "/a");
  EXPECT_EQ(places[2].path, "/");
}

TEST(PlacesAbove, StripsWhatTheMountShowsAsItsRoot) {
  const CgroupMounts mounts{.v2 = {}, .v1_memory = CgroupMount{"/m", "/docker/x"}};
  EXPECT_THAT(directories(places_above({.v2 = {}, .v1_memory = "/docker/x/y"}, mounts)),
              ElementsAre("/m/y", "/m"));
  EXPECT_THAT(directories(places_above({.v2 = {}, .v1_memory = "/docker/x"}, mounts)),
              ElementsAre("/m"));
}

TEST(PlacesAbove, FallsBackToTheMountWhenThePathLiesElsewhere) {
  const CgroupMounts mounts{.v2 = CgroupMount{"/m", "/docker/x"}, .v1_memory = {}};
  for (const char* own : {"/docker/xy", "/docker", "/", "/../other", "/docker/x/../y"}) {
    EXPECT_THAT(directories(places_above({.v2 = own, .v1_memory = {}}, mounts)), ElementsAre("/m"))
        << own;
  }
}

TEST(PlacesAbove, NeedsBothAPathAndAMount) {
  EXPECT_THAT(places_above({.v2 = "/a", .v1_memory = "/b"}, {}), IsEmpty());
  EXPECT_THAT(places_above({}, {.v2 = CgroupMount{"/m", "/"}, .v1_memory = {}}), IsEmpty());
}

class CgroupTree : public testing::Test {
 protected:
  CgroupTree() {
    tree.write("/proc/self/cgroup", "0::/a/b\n");
    tree.write("/proc/self/mountinfo", "33 25 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    limit("/a/b", "1073741824\n", 536870912, 134217728);
    limit("/a", "max\n", 536870912, 0);
  }
  void limit(const std::string& path, std::string_view max, std::uint64_t used,
             std::uint64_t file) {
    tree.write("/sys/fs/cgroup" + path + "/memory.max", max);
    tree.write("/sys/fs/cgroup" + path + "/memory.current", fmt::format("{}\n", used));
    tree.write("/sys/fs/cgroup" + path + "/memory.stat",
               fmt::format("anon 1\ninactive_file {}\nactive_file 0\n", file));
  }
  Tree tree;
  CgroupSource source{tree.root()};
  std::vector<SourceTrouble> troubles;
};

TEST_F(CgroupTree, ReadsLimitUseAndReclaimable) {
  const auto ceilings = source.read(troubles);
  EXPECT_THAT(troubles, IsEmpty());
  ASSERT_THAT(ceilings, SizeIs(1));
  EXPECT_EQ(ceilings[0], (MemoryCeiling{"/a/b", CgroupVersion::v2, gib(1), mib(512), mib(128)}));
  EXPECT_EQ(ceilings[0].headroom(), mib(640));
}

TEST_F(CgroupTree, SeesALimitThatIsSetLaterOnAParent) {
  ASSERT_THAT(source.read(troubles), SizeIs(1));
  limit("/a", "805306368\n", 536870912, 0);
  const auto ceilings = source.read(troubles);
  ASSERT_THAT(ceilings, SizeIs(2));
  EXPECT_EQ(ceilings[1].path, "/a");
}

TEST_F(CgroupTree, FollowsAMoveToAnotherCgroup) {
  ASSERT_THAT(source.read(troubles), SizeIs(1));
  limit("/c", "4096\n", 0, 0);
  tree.write("/proc/self/cgroup", "0::/c\n");
  const auto ceilings = source.read(troubles);
  ASSERT_THAT(ceilings, SizeIs(1));
  EXPECT_EQ(ceilings[0].path, "/c");
}

TEST_F(CgroupTree, NamesALimitThatMakesNoSenseAndKeepsTheOthers) {
  limit("/a", "plenty\n", 5, 0);
  const auto ceilings = source.read(troubles);
  EXPECT_THAT(ceilings, SizeIs(1));
  ASSERT_THAT(troubles, SizeIs(1));
  EXPECT_EQ(troubles[0].source, "cgroup");
  EXPECT_NE(troubles[0].error.message.find("plenty"), std::string::npos);
}

TEST_F(CgroupTree, NamesAUseThatCannotBeRead) {
  tree.remove("/sys/fs/cgroup/a/b/memory.current");
  EXPECT_THAT(source.read(troubles), IsEmpty());
  EXPECT_THAT(troubles, SizeIs(1));
}

TEST_F(CgroupTree, CountsNothingAsReclaimableWithoutStatistics) {
  tree.remove("/sys/fs/cgroup/a/b/memory.stat");
  const auto ceilings = source.read(troubles);
  ASSERT_THAT(ceilings, SizeIs(1));
  EXPECT_EQ(ceilings[0].headroom(), mib(512));
}

TEST_F(CgroupTree, NamesAMissingMountinfo) {
  tree.remove("/proc/self/mountinfo");
  EXPECT_THAT(source.read(troubles), IsEmpty());
  ASSERT_THAT(troubles, SizeIs(1));
  EXPECT_EQ(troubles[0].error.code, ErrorCode::not_found);
}

TEST(CgroupSource, IsQuietOnAKernelWithoutCgroups) {
  const Tree tree;
  std::vector<SourceTrouble> troubles;
  EXPECT_THAT(CgroupSource(tree.root()).read(troubles), IsEmpty());
  EXPECT_THAT(troubles, IsEmpty());
}

}  // namespace
}  // namespace levee::sources
