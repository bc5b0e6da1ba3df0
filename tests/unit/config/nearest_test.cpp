#include "config/nearest.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace levee::config {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsReplacementsAndSwaps) {
  struct Case {
    const char* a;
    const char* b;
    std::size_t distance;
  };
  const Case cases[] = {
      {"", "", 0},       {"", "abc", 3},           {"abc", "", 3},     {"abc", "abc", 0},
      {"abc", "acb", 1}, {"abc", "ab", 1},         {"abc", "abcd", 1}, {"abc", "xbc", 1},
      {"ab", "ba", 1},   {"kitten", "sitting", 3}, {"ca", "abc", 3},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(edit_distance(c.a, c.b), c.distance) << c.a << " → " << c.b;
    EXPECT_EQ(edit_distance(c.b, c.a), c.distance) << c.b << " → " << c.a;
  }
}

TEST(Nearest, FindsMisspellingsInAnyCase) {
  const std::vector<std::string> names{"memory_optimal", "memory_normal", "log.level"};
  EXPECT_EQ(nearest("memory_optimla", names), "memory_optimal");
  EXPECT_EQ(nearest("MEMORY_NORMAL", names), "memory_normal");
  EXPECT_EQ(nearest("loglevel", names), "log.level");
}

TEST(Nearest, CompletesWordsThatAreCutShort) {
  const std::vector<std::string> names{"warning", "critical", "emergency"};
  EXPECT_EQ(nearest("warn", names), "warning");
  EXPECT_EQ(nearest("Crit", names), "critical");
  EXPECT_EQ(nearest("em", names), std::nullopt);
}

TEST(Nearest, StaysSilentWhenNothingIsNear) {
  const std::vector<std::string> names{"memory_optimal", "log.level"};
  EXPECT_EQ(nearest("", names), std::nullopt);
  EXPECT_EQ(nearest("fan_speed", names), std::nullopt);
  EXPECT_EQ(nearest(std::string(10'000, 'm'), names), std::nullopt);
  EXPECT_EQ(nearest("memory_optimal", std::vector<std::string>{}), std::nullopt);
}

}  // namespace
}  // namespace levee::config
