#include "gpus/sysfs_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levee::gpus {
namespace {

using testing::Optional;

TEST(ParseUevent, ReadsDriverSlotAndIds) {
  const auto device = parse_uevent(
      "DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:03:00.0\n"
      "MODALIAS=pci:v00001002\n");
  ASSERT_TRUE(device);
  EXPECT_EQ(device->driver, "amdgpu");
  EXPECT_EQ(device->slot, "0000:03:00.0");
  EXPECT_EQ(device->vendor, 0x1002);
  EXPECT_EQ(device->product, 0x744c);
}

TEST(ParseUevent, IsNothingForWhatIsNoPciDevice) {
  for (const char* text :
       {"", "DRIVER=amdgpu_xcp\nMODALIAS=platform:amdgpu_xcp\n", "PCI_ID=1002:744C\n",
        "PCI_SLOT_NAME=0000:03:00.0\n", "PCI_ID=1002\nPCI_SLOT_NAME=0000:03:00.0\n",
        "PCI_ID=1002:\nPCI_SLOT_NAME=0000:03:00.0\n", "PCI_ID=:744C\nPCI_SLOT_NAME=0000:03:00.0\n",
        "PCI_ID=11002:744C\nPCI_SLOT_NAME=0000:03:00.0\n", "PCI_ID=1002:744C\nPCI_SLOT_NAME=\n",
        "PCI_ID = 1002:744C\nPCI_SLOT_NAME=0000:03:00.0\n"}) {
    EXPECT_FALSE(parse_uevent(text)) << text;
  }
}

TEST(ParseDpmClock, ReadsTheMarkedAndTheHighestLevel) {
  const DpmClock clock = parse_dpm_clock("0: 500Mhz \n1: 2371Mhz *\n2: 2970Mhz \n");
  EXPECT_THAT(clock.current_mhz, Optional(2371.0));
  EXPECT_THAT(clock.max_mhz, Optional(2970.0));
}

TEST(ParseDpmClock, ReadsTheSleepingLevelOfRdna) {
  const DpmClock clock = parse_dpm_clock("S: 19Mhz *\n0: 500Mhz\n1: 2400Mhz\n");
  EXPECT_THAT(clock.current_mhz, Optional(19.0));
}

TEST(ParseDpmClock, HasNoCurrentLevelWhenAllOrNoneAreMarked) {
  EXPECT_FALSE(parse_dpm_clock("0: 500Mhz *\n1: 1700Mhz *\n").current_mhz);
  EXPECT_FALSE(parse_dpm_clock("0: 500Mhz\n1: 1700Mhz\n").current_mhz);
}

TEST(ParseDpmClock, LeavesOutNonsense) {
  for (const char* text : {"", "\n", "0:", "0: *", "0: 500 *", "0: Mhz *", "0: xMhz *",
                           "0: -5Mhz *", "0: nanMhz *", "500Mhz *"}) {
    const DpmClock clock = parse_dpm_clock(text);
    EXPECT_FALSE(clock.current_mhz || clock.max_mhz) << text;
  }
}

TEST(ParseRasErrors, ReadsBothCounts) {
  const RasErrors errors = parse_ras_errors("ue: 1\nce: 17\n");
  EXPECT_THAT(errors.uncorrected, Optional(1U));
  EXPECT_THAT(errors.corrected, Optional(17U));
}

TEST(ParseRasErrors, LeavesOutNonsense) {
  for (const char* text : {"", "ue\nce\n", "ue:\nce:\n", "ue: -1\nce: x\n", "UE: 1\nxce: 2\n"}) {
    const RasErrors errors = parse_ras_errors(text);
    EXPECT_FALSE(errors.uncorrected || errors.corrected) << text;
  }
}

TEST(FindInAmdgpuIds, FindsByDeviceAndRevision) {
  constexpr std::string_view kList =
      "# 744C,\tC8,\tNot this\n1.0.0\n744C,\tCC,\tAMD Radeon RX 7900 XT\n"
      "744C,\tC8,\tAMD Radeon RX 7900 XTX\n15BF,\tC4,\n";
  EXPECT_THAT(find_in_amdgpu_ids(kList, 0x744c, 0xc8),
              Optional(std::string("AMD Radeon RX 7900 XTX")));
  EXPECT_FALSE(find_in_amdgpu_ids(kList, 0x744c, 0x00));
  EXPECT_FALSE(find_in_amdgpu_ids(kList, 0x73bf, 0xc8));
  EXPECT_FALSE(find_in_amdgpu_ids(kList, 0x15bf, 0xc4));  // no name
  EXPECT_FALSE(find_in_amdgpu_ids("744C C8 x\n744C,C8\n", 0x744c, 0xc8));
}

constexpr std::string_view kPciIds =
    "# comment\n\n1002  AMD\n\t56a0  Not this one\n8086  Intel Corporation\n"
    "\t56a0  DG2 [Arc A770]\n\t\t8086 1020  A subsystem\n\t46a6  Alder Lake-P\n\t1111\n"
    "\t2222  Odd ] brackets [\n\t3333  Empty []\n\t4444  Two [First] and [Second]\nC 03  "
    "Display\n\t5555  A class\n";

TEST(FindInPciIds, PrefersTheNameInBrackets) {
  EXPECT_THAT(find_in_pci_ids(kPciIds, 0x8086, 0x56a0), Optional(std::string("Arc A770")));
  EXPECT_THAT(find_in_pci_ids(kPciIds, 0x8086, 0x4444), Optional(std::string("First")));
  EXPECT_THAT(find_in_pci_ids(kPciIds, 0x8086, 0x46a6), Optional(std::string("Alder Lake-P")));
}

TEST(FindInPciIds, IsNotMisled) {
  EXPECT_FALSE(find_in_pci_ids(kPciIds, 0x8086, 0x1020));  // a subsystem
  EXPECT_FALSE(find_in_pci_ids(kPciIds, 0x8086, 0x1111));  // no name
  EXPECT_FALSE(find_in_pci_ids(kPciIds, 0x8086, 0x5555));  // of another section
  EXPECT_FALSE(find_in_pci_ids(kPciIds, 0x10de, 0x56a0));
  EXPECT_THAT(find_in_pci_ids(kPciIds, 0x8086, 0x2222), Optional(std::string("Odd ] brackets [")));
  EXPECT_THAT(find_in_pci_ids(kPciIds, 0x8086, 0x3333), Optional(std::string("Empty []")));
  EXPECT_FALSE(find_in_pci_ids("", 0x8086, 0x56a0));
}

TEST(ParseKfdNode, TurnsTheLocationIntoASlot) {
  const auto node =
      parse_kfd_node("cpu_cores_count 0\nsimd_count 416\nlocation_id 25344\ndomain 0\n");
  ASSERT_TRUE(node);
  EXPECT_EQ(node->slot, "0000:63:00.0");
  EXPECT_EQ(parse_kfd_node("simd_count 4\nlocation_id 25435\ndomain 65536\n")->slot,
            "10000:63:0b.0");
}

TEST(ParseKfdNode, IsNothingForProcessorsAndNonsense) {
  for (const char* text :
       {"", "simd_count 0\nlocation_id 0\n", "location_id 25344\n", "simd_count 4\n",
        "simd_count 4\nlocation_id x\n", "simd_count -4\nlocation_id 25344\n"}) {
    EXPECT_FALSE(parse_kfd_node(text)) << text;
  }
}

}  // namespace
}  // namespace levee::gpus
