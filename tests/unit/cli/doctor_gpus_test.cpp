#include "cli/doctor_gpus.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/temp_dir.hpp"

namespace levee::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Json gpu(Json more) {
  Json json{{"gpu_id", 0},
            {"name", "Sim H200"},
            {"condition", "ok"},
            {"memory_total_bytes", 85'899'345'920},
            {"memory_unattributed_bytes", 0},
            {"sample_age_seconds", 0.3}};
  if (more.is_object()) {
    json.update(more);
  }
  return json;
}

Check only(const GpuFacts& facts) {
  const auto checks = examine_gpus(facts);
  EXPECT_THAT(checks, SizeIs(1));
  return checks.front();
}

Check of(Json more) {
  GpuFacts facts;
  facts.gpus.push_back(gpu(std::move(more)));
  return only(facts);
}

TEST(ExamineGpus, NoCardIsNoFault) {
  const Check check = only({});
  EXPECT_EQ(check.grade, Grade::info);
  EXPECT_THAT(check.detail, HasSubstr("no graphics or compute card"));
}

TEST(ExamineGpus, SaysWhyACardThatIsThereIsNotSeen) {
  GpuFacts facts;
  facts.cards = {"NVIDIA at 0000:1b:00.0"};
  EXPECT_THAT(only(facts).detail, HasSubstr("driver is not loaded"));
  EXPECT_THAT(only(facts).hint, HasSubstr("install the NVIDIA driver"));

  facts.nvidia_module = true;
  EXPECT_THAT(only(facts).hint, HasSubstr("libnvidia-ml.so.1"));

  facts.troubles = {{"nvml", Error{ErrorCode::unavailable, "nvmlInit_v2: version mismatch",
                                   "reboot after the upgrade"}}};
  EXPECT_EQ(only(facts).grade, Grade::warn);
  EXPECT_THAT(only(facts).detail, HasSubstr("version mismatch"));
  EXPECT_EQ(only(facts).hint, "reboot after the upgrade");

  facts.wanted = false;
  EXPECT_THAT(only(facts).detail, HasSubstr("gpu.enabled is false"));
}

TEST(ExamineGpus, AHealthyOneIsNamed) {
  const Check check = of({});
  EXPECT_EQ(check.grade, Grade::ok);
  EXPECT_EQ(check.what, "GPU 0");
  EXPECT_EQ(check.detail, "Sim H200, 80.0 GiB");
  EXPECT_THAT(check.hint, IsEmpty());
}

TEST(ExamineGpus, TellsWhatIsWrongAndWhatToDo) {
  EXPECT_EQ(of({{"condition", "lost"}}).grade, Grade::fail);
  EXPECT_EQ(of({{"condition", "reset_required"}}).grade, Grade::fail);
  EXPECT_EQ(of({{"condition", "unreadable"}, {"condition_detail", "error 999"}}).grade,
            Grade::warn);
  EXPECT_THAT(of({{"sample_age_seconds", 31.0}}).detail, HasSubstr("not answered for 31 s"));
  EXPECT_EQ(of({{"health", {{"remap_failed", true}}}}).grade, Grade::fail);
  EXPECT_THAT(of({{"health", {{"remap_pending", true}}}}).hint, HasSubstr("--gpu-reset"));
}

TEST(ExamineGpus, UnattributedMemoryComesWithTheCommandThatFreesIt) {
  GpuFacts facts;
  facts.gpus.push_back(gpu({{"uuid", "GPU-1"}, {"memory_unattributed_bytes", 2'147'483'648}}));
  EXPECT_EQ(only(facts).grade, Grade::warn);
  EXPECT_THAT(only(facts).detail, HasSubstr("2.00 GiB"));
  facts.advice["GPU-1"] = {{"process 4242 (python, user ada) holds it", "kill 4242"},
                           {"or nobody does", ""}};
  EXPECT_EQ(only(facts).hint,
            "process 4242 (python, user ada) holds it: kill 4242; or nobody does");
}

TEST(ExamineGpus, OddJsonBreaksNothing) {
  GpuFacts facts;
  for (const char* text : {"null", "7", "[]", R"({"condition":5,"sample_age_seconds":"x"})"}) {
    facts.gpus.push_back(Json::parse(text));
  }
  EXPECT_THAT(examine_gpus(facts), SizeIs(4));
}

TEST(ProbeGpus, FindsCardsOnThePciBus) {
  const test::TempDir tree;
  tree.write("sys/bus/pci/devices/0000:1b:00.0/class", "0x030200\n");
  tree.write("sys/bus/pci/devices/0000:1b:00.0/vendor", "0x10de\n");
  tree.write("sys/bus/pci/devices/0000:03:00.0/class", "0x120000\n");
  tree.write("sys/bus/pci/devices/0000:03:00.0/vendor", "0x1002\n");
  tree.write("sys/bus/pci/devices/0000:00:1f.0/class", "0x060100\n");
  tree.write("sys/bus/pci/devices/0000:00:1f.0/vendor", "0x8086\n");
  tree.write("dev/nvidiactl", "");
  const GpuFacts facts = probe_gpus(sources::Root(tree.path()));
  EXPECT_THAT(facts.cards, ElementsAre("AMD at 0000:03:00.0", "NVIDIA at 0000:1b:00.0"));
  EXPECT_THAT(facts.devices, ElementsAre("/dev/nvidiactl"));
  EXPECT_FALSE(facts.nvidia_module);
}

}  // namespace
}  // namespace levee::cli
