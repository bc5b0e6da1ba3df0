#include "core/process_id.hpp"

#include <gtest/gtest.h>

#include <string>

namespace levee {
namespace {

constexpr const char* kText = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

TEST(BootId, ReadsWhatTheKernelWrites) {
  const auto id = BootId::parse(std::string(kText) + "\n");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->high, 0x0a1b2c3d4e5f6071U);
  EXPECT_EQ(id->low, 0x8293a4b5c6d7e8f9U);
  EXPECT_EQ(id->to_string(), kText);
  EXPECT_EQ(BootId::parse(std::string(" \t") + kText + " \n"), id);
}

TEST(BootId, ShowsLeadingZeros) {
  EXPECT_EQ(BootId{}.to_string(), "00000000-0000-0000-0000-000000000000");
  EXPECT_EQ((BootId{1, 2}.to_string()), "00000000-0000-0001-0000-000000000002");
}

TEST(BootId, RefusesEverythingElse) {
  const std::string good = kText;
  for (const std::string& bad :
       {std::string(), std::string("\n"), std::string("-"), good.substr(1), good + "0",
        good + "\n" + good, good.substr(0, 35) + "g", "0A1B2C3D" + good.substr(8),
        std::string("0a1b2c3d4e5f60718293a4b5c6d7e8f9"),      // no dashes
        std::string("0a1b2c3-d4e5f-6071-8293-a4b5c6d7e8f9"),  // dashes elsewhere
        std::string("0a1b2c3d 4e5f 6071 8293 a4b5c6d7e8f9"), std::string(36, '-'),
        good.substr(0, 20) + std::string(1, '\0') + good.substr(21)}) {
    EXPECT_FALSE(BootId::parse(bad)) << bad;
  }
}

TEST(ProcessId, SamePidOfAnotherTimeOrBootIsAnotherProcess) {
  const ProcessId process{BootId{1, 1}, 42, 1000};
  EXPECT_EQ(process, (ProcessId{BootId{1, 1}, 42, 1000}));
  EXPECT_NE(process, (ProcessId{BootId{1, 1}, 42, 1001}));
  EXPECT_NE(process, (ProcessId{BootId{1, 2}, 42, 1000}));
}

}  // namespace
}  // namespace levee
