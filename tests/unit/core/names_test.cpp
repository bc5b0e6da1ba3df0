#include <gtest/gtest.h>

#include <set>
#include <string>

#include "core/alert.hpp"
#include "levee/level.hpp"
#include "levee/result.hpp"

namespace levee {
namespace {

/// The names of the first `count` values of an enumeration, each of them once.
template <class Enum>
std::set<std::string> names(std::size_t count) {
  std::set<std::string> found;
  for (std::size_t i = 0; i < count; ++i) {
    found.emplace(to_string(static_cast<Enum>(i)));
  }
  return found;
}

TEST(Names, AreThoseOfTheContract) {
  EXPECT_EQ(names<Level>(5),
            (std::set<std::string>{"optimal", "normal", "throttled", "critical", "unavailable"}));
  EXPECT_EQ(names<Severity>(3), (std::set<std::string>{"warning", "critical", "emergency"}));
  EXPECT_EQ(names<Health>(4),
            (std::set<std::string>{"healthy", "moderate", "critical", "unknown"}));
  EXPECT_EQ(names<AlertType>(kAlertTypes.size()),
            (std::set<std::string>{"cpu_memory", "host_available", "gpu_memory", "gpu_temperature",
                                   "throttle_state", "gpu_projection"}));
}

TEST(Names, AreDistinctWithinAnEnumeration) {
  EXPECT_EQ(names<ErrorCode>(static_cast<std::size_t>(ErrorCode::internal) + 1).size(), 9U);
  EXPECT_EQ(names<EventKind>(static_cast<std::size_t>(EventKind::recovery_lifted) + 1).size(), 25U);
}

TEST(Names, SeveritiesAndLevelsCompareByGravity) {
  EXPECT_LT(Severity::warning, Severity::critical);
  EXPECT_LT(Severity::critical, Severity::emergency);
  EXPECT_LT(Level::optimal, Level::normal);
  EXPECT_LT(Level::throttled, Level::critical);
}

TEST(ParseSeverity, KnowsItsOwnNamesOnly) {
  for (const Severity severity : {Severity::warning, Severity::critical, Severity::emergency}) {
    EXPECT_EQ(parse_severity(to_string(severity)), severity);
  }
  for (const char* bad : {"", "Warning", "CRITICAL", "warn", "warning ", " warning", "info", "0"}) {
    EXPECT_EQ(parse_severity(bad), std::nullopt) << bad;
  }
}

TEST(Names, AlertTypesAreAllListed) {
  for (std::size_t i = 0; i < kAlertTypes.size(); ++i) {
    EXPECT_EQ(kAlertTypes.at(i), static_cast<AlertType>(i));
  }
  // A type behind the last one listed would have a name of its own; what is none has the first's.
  EXPECT_EQ(to_string(static_cast<AlertType>(kAlertTypes.size())), to_string(kAlertTypes.front()));
}

TEST(Names, EveryAlertTypeHasAUnit) {
  EXPECT_EQ(unit_of(AlertType::cpu_memory), "percent");
  EXPECT_EQ(unit_of(AlertType::host_available), "GB");
}

TEST(Error, GathersContextOnTheWayUp) {
  const Error error{ErrorCode::not_found, "no such file", "make it"};
  EXPECT_EQ(error.within("reading /proc/meminfo"),
            (Error{ErrorCode::not_found, "reading /proc/meminfo: no such file", "make it"}));
  const Result<int> failed = fail(ErrorCode::timed_out, "too late");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error(), (Error{ErrorCode::timed_out, "too late", ""}));
}

}  // namespace
}  // namespace levee
