#include "sources/holder_advice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::sources {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

UnattributedMemory memory_of(GpuVendor vendor = GpuVendor::nvidia) {
  UnattributedMemory memory;
  memory.gpu.vendor = vendor;
  memory.gpu.index = 2;
  memory.gpu.pci_bus_id = "0000:03:00.0";
  memory.amount = gib(3);
  return memory;
}

DeviceHolder holder_of(pid_t pid, std::string comm, std::string file = "/dev/nvidia2") {
  DeviceHolder holder;
  holder.identity.id.pid = pid;
  holder.identity.comm = std::move(comm);
  holder.identity.user = "ada";
  holder.own = {std::move(file)};
  holder.open = true;
  return holder;
}

/// The whole machine was looked at.
DeviceHolders machine_with(std::vector<DeviceHolder> holders) {
  DeviceHolders found;
  found.holders = std::move(holders);
  found.whole_machine = true;
  return found;
}

auto says(const std::string& part) { return Field(&HolderAdvice::text, HasSubstr(part)); }
auto commands(const std::string& command) { return Field(&HolderAdvice::command, command); }

TEST(HolderAdvice, NamesWhoHoldsTheDeviceThoughTheDriverDoesNot) {
  const auto advice = advise(memory_of(), machine_with({holder_of(1234, "python3")}));
  EXPECT_THAT(advice, ElementsAre(HolderAdvice{
                          "process 1234 (python3, user ada) has /dev/nvidia2 open, but the driver "
                          "names no memory of it",
                          "kill 1234"}));
}

TEST(HolderAdvice, SaysWhereAProcessBelongs) {
  DeviceHolder holder = holder_of(1234, "python3");
  holder.identity.slurm_job = 42;
  holder.identity.pod = "2c48913c-b29f-11e7-9350-020968147796";
  holder.identity.container = std::string(64, 'c');
  EXPECT_THAT(advise(memory_of(), machine_with({holder})),
              ElementsAre(says("user ada, Slurm job 42, pod 2c48913c-b29f-11e7-9350-020968147796, "
                               "container cccccccccccc)")));
}

TEST(HolderAdvice, LeavesOutWhomTheDriverNames) {
  UnattributedMemory memory = memory_of();
  memory.named = {1234};
  EXPECT_THAT(advise(memory, machine_with({holder_of(1234, "a"), holder_of(1235, "b")})),
              ElementsAre(commands("kill 1235")));
}

TEST(HolderAdvice, KillsForGoodWhatIsDeadButForItsThreads) {
  UnattributedMemory memory = memory_of();
  memory.named = {1234};
  DeviceHolder holder = holder_of(1234, "python3");
  holder.half_dead = true;
  EXPECT_THAT(advise(memory, machine_with({holder})),
              ElementsAre(AllOf(says("has ended, but threads of it still hold /dev/nvidia2"),
                                commands("kill -KILL 1234"))));
}

TEST(HolderAdvice, SaysWhatIsMappedOnly) {
  DeviceHolder holder = holder_of(1234, "python3");
  holder.open = false;
  EXPECT_THAT(advise(memory_of(), machine_with({holder})),
              ElementsAre(says("has /dev/nvidia2 mapped, though not open, but")));
}

TEST(HolderAdvice, AsksTheMpsServerToLeave) {
  EXPECT_THAT(advise(memory_of(), machine_with({holder_of(7, "nvidia-cuda-mps")})),
              ElementsAre(AllOf(says("the memory of all MPS clients"),
                                commands("echo quit | nvidia-cuda-mps-control"))));
}

TEST(HolderAdvice, BlamesASharedFileOnlyWhereNobodyHoldsTheDevicesOwn) {
  DeviceHolder shared = holder_of(50, "jupyter");
  shared.shared = {"/dev/nvidia-uvm"};
  shared.own.clear();
  EXPECT_THAT(advise(memory_of(), machine_with({shared, holder_of(1234, "python3")})),
              ElementsAre(commands("kill 1234")));
  EXPECT_THAT(advise(memory_of(), machine_with({shared})),
              ElementsAre(AllOf(says("/dev/nvidia-uvm open, a file that all such GPUs share"),
                                commands("kill 50"))));
}

TEST(HolderAdvice, ResetsAGpuThatNobodyHolds) {
  EXPECT_THAT(advise(memory_of(), machine_with({})),
              ElementsAre(HolderAdvice{"nobody has GPU 2 open, so the driver itself holds 3.00 GiB",
                                       "nvidia-smi --gpu-reset -i 2"}));
  EXPECT_THAT(advise(memory_of(GpuVendor::amd), machine_with({})),
              ElementsAre(commands("amd-smi reset --gpureset --gpu 0000:03:00.0")));
  EXPECT_THAT(advise(memory_of(GpuVendor::intel), machine_with({})),
              ElementsAre(AllOf(says("a reboot frees it"), commands(""))));
}

TEST(HolderAdvice, DoesNotBlameWhoOnlyWatches) {
  const auto advice =
      advise(memory_of(), machine_with({holder_of(812, "nv-hostengine"), holder_of(900, "levee")}));
  EXPECT_THAT(advice,
              ElementsAre(AllOf(says("only nv-hostengine (812), levee (900) have GPU 2 open"),
                                says("stop them before a reset"),
                                commands("nvidia-smi --gpu-reset -i 2"))));
  EXPECT_THAT(advise(memory_of(), machine_with({holder_of(812, "nvidia-persiste")})),
              ElementsAre(says("has GPU 2 open")));
}

TEST(HolderAdvice, NeverAdvisesAResetWhereItDidNotSeeEverything) {
  DeviceHolders found = machine_with({});
  found.hidden = 1;
  EXPECT_THAT(advise(memory_of(), found),
              ElementsAre(AllOf(says("1 process could not be looked at for lack of permission"),
                                commands("sudo levee doctor"))));
  found.as_root = true;
  EXPECT_THAT(advise(memory_of(), found), ElementsAre(AllOf(says("1 process"), commands(""))));
  found.hidden = 70;
  found.whole_machine = false;
  const auto advice = advise(memory_of(), found);
  EXPECT_THAT(advice, ElementsAre(says("70 processes"), says("of this container")));
}

TEST(HolderAdvice, SaysWhatItCouldNotSeeBesideWhatItFound) {
  DeviceHolders found = machine_with({holder_of(1234, "python3")});
  found.hidden = 3;
  EXPECT_THAT(advise(memory_of(), found), ElementsAre(commands("kill 1234"), says("3 processes")));
}

TEST(HolderAdvice, NamesTheParentOfADeadProcessThatTheDriverStillNames) {
  UnattributedMemory memory = memory_of();
  memory.named = {500, 501};
  DeviceHolders found = machine_with({});
  found.zombies = {{.pid = 500, .comm = "python3", .parent = 400, .parent_comm = "launcher"},
                   {.pid = 501, .comm = "python3", .parent = 1, .parent_comm = ""},
                   {.pid = 502, .comm = "sh", .parent = 400, .parent_comm = "launcher"}};
  const auto advice = advise(memory, found);
  ASSERT_THAT(advice, SizeIs(2));  // 502 has nothing to do with the GPU
  EXPECT_THAT(advice[0], AllOf(says("process 500 (python3) is dead, but its parent 400 (launcher)"),
                               commands("kill 400")));
  EXPECT_THAT(advice[1], AllOf(says("parent 1 has not taken note"), commands("")));
  EXPECT_THAT(advice[0], Not(says("reset")));
}

}  // namespace
}  // namespace levee::sources
