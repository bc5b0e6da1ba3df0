#include "cli/doctor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/time_text.hpp"
#include "render/doctor.hpp"

namespace levee::cli {
namespace {

using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

HostReading healthy_host() {
  HostReading host;
  host.total = gib(24);
  host.available = gib(20);
  host.pressure = Pressure{};
  return host;
}

/// A machine on which everything is as it should be.
Facts healthy() {
  return {
      .daemon = DaemonFacts{"/run/levee/levee.sock",
                            Json::parse(R"({"status": "ok", "reasons": [], "version": "0.1.0"})"),
                            Json::parse(R"({"daemon": {"pid": 812, "protection": {
                                  "memory_lock": {"in_force": true, "detail": "locked", "hint": ""},
                                  "oom_score": {"in_force": true, "detail": "-900", "hint": ""}}}})"),
                            Json::object()},
      .host = healthy_host(),
      .host_troubles = {},
      .pressure_window = std::chrono::seconds{1},
      .processes = ProcessFacts{.seen = 300, .hidden = 0, .nameless = 0},
      .state_dir = {.path = "/var/lib/levee", .exists = true, .writable = true, .free = gib(9)},
      .listen = server::ListenAddress{.v6 = false, .address = "127.0.0.1", .port = 8000},
      .port_holder = sources::PortHolder{.uid = 0, .pid = 812, .command = "levee serve"},
      .protection = {},
      .now = *parse_iso8601("2026-01-31T08:05:09.123Z"),
      .clock_synchronised = true,
      .config_candidates = {"/etc/levee/levee.toml"},
      .settings = config::Settings::load({}),
      .gpus = {}};
}

Facts without_daemon() {
  Facts facts = healthy();
  facts.daemon = fail(ErrorCode::unavailable, "no daemon is running: looked at /run/levee.sock",
                      "start one with `levee serve`");
  facts.port_holder.reset();
  return facts;
}

Check find(const Facts& facts, std::string_view what) {
  const auto checks = examine(facts);
  const auto found = std::ranges::find(checks, what, &Check::what);
  return found == checks.end() ? Check{Grade::fail, "not examined", "", ""} : *found;
}

TEST(Examine, FindsNothingToDoOnAHealthyMachine) {
  for (const Check& check : examine(healthy())) {
    if (check.what == "GPU") {
      EXPECT_EQ(check.grade, Grade::info);  // None is no fault.
      continue;
    }
    EXPECT_EQ(check.grade, Grade::ok) << check.what;
    EXPECT_THAT(check.hint, IsEmpty()) << check.what;
  }
}

TEST(Examine, WarnsWithoutADaemonAndSaysWhereItLooked) {
  const Check check = find(without_daemon(), "daemon");
  EXPECT_EQ(check.grade, Grade::warn);
  EXPECT_THAT(check.detail, HasSubstr("/run/levee.sock"));
  EXPECT_THAT(check.hint, HasSubstr("levee serve"));
}

TEST(Examine, FailsOnADaemonThatStalls) {
  Facts facts = healthy();
  facts.daemon->health = fail(ErrorCode::timed_out, "no answer within 5000 ms", "try again");
  facts.daemon->overview = fail(ErrorCode::timed_out, "no answer within 5000 ms", "try again");
  EXPECT_EQ(find(facts, "daemon").grade, Grade::fail);
}

TEST(Examine, PassesOnWhatADegradedDaemonSays) {
  Facts facts = healthy();
  facts.daemon->health->at("reasons").push_back("history is kept in memory only: disk full");
  EXPECT_EQ(find(facts, "daemon").grade, Grade::warn);
  EXPECT_THAT(find(facts, "daemon").detail, HasSubstr("disk full"));
}

TEST(Examine, WarnsOfADaemonOfAnotherVersion) {
  Facts facts = healthy();
  facts.daemon->health->at("version") = "0.0.9";
  EXPECT_EQ(find(facts, "daemon").grade, Grade::warn);
  EXPECT_THAT(find(facts, "daemon").detail, HasSubstr("0.0.9"));
}

TEST(Examine, SaysWhichSinksLoseWhatAndWhy) {
  Facts facts = healthy();
  facts.daemon->overview->at("daemon")["sinks"] = Json::parse(R"({
      "log": {"written": 9, "failed": 0, "dropped": 0, "last_error": null},
      "webhook:a#1": {"written": 0, "failed": 3, "dropped": 2,
                      "last_error": {"detail": "status 503", "hint": "see its log"}},
      "hook": {"failed": 1, "last_error": "odd"}, "odd": 7})");
  const Check check = find(facts, "sinks");
  EXPECT_EQ(check.grade, Grade::warn);
  EXPECT_EQ(check.detail,
            "webhook:a#1: 3 events failed, the last one: status 503; "
            "webhook:a#1: 2 events dropped, it was too slow; "
            "hook: 1 events failed, the last one: not known");
  EXPECT_EQ(find(without_daemon(), "sinks").what, "not examined");
}

TEST(Examine, SaysHowMuchHistoryWasLost) {
  Facts facts = healthy();
  (*facts.daemon->overview)["store"] = {{"dropped_points", 0}, {"dropped_events", 5}};
  EXPECT_EQ(find(facts, "history").grade, Grade::warn);
  EXPECT_THAT(find(facts, "history").detail, HasSubstr("0 points and 5 events"));
}

TEST(Examine, FailsWhenHostMemoryCannotBeRead) {
  Facts facts = healthy();
  facts.host = fail(ErrorCode::permission_denied, "cannot read /proc/meminfo", "mount /proc");
  EXPECT_EQ(find(facts, "host memory").grade, Grade::fail);
  EXPECT_EQ(find(facts, "cgroup limit").grade, Grade::ok);
  EXPECT_EQ(find(facts, "memory pressure").grade, Grade::warn);
}

TEST(Examine, ShowsTheCgroupLimitOrThatThereIsNone) {
  Facts facts = healthy();
  EXPECT_THAT(find(facts, "cgroup limit").detail, HasSubstr("none"));
  facts.host->ceiling = MemoryCeiling{.path = "/docker/3f",
                                      .version = CgroupVersion::v1,
                                      .limit = gib(8),
                                      .used = gib(2),
                                      .reclaimable = {}};
  EXPECT_THAT(find(facts, "cgroup limit").detail,
              HasSubstr("8.00 GiB (cgroup v1, /docker/3f), 6.00 GiB left"));
  facts.host_troubles = {{"cgroup", Error{ErrorCode::corrupt, "memory.max makes no sense", ""}}};
  EXPECT_EQ(find(facts, "cgroup limit").grade, Grade::warn);
}

TEST(Examine, TellsWhichPressureWindowsAreAllowed) {
  Facts facts = healthy();
  facts.pressure_window = std::chrono::seconds{2};
  EXPECT_EQ(find(facts, "memory pressure").grade, Grade::info);
  EXPECT_THAT(find(facts, "memory pressure").hint, HasSubstr("CAP_SYS_RESOURCE"));
  facts.pressure_window = fail(ErrorCode::permission_denied, "not permitted", "use the unit");
  EXPECT_THAT(find(facts, "memory pressure").detail, HasSubstr("not permitted"));
  facts.host->pressure.reset();
  EXPECT_THAT(find(facts, "memory pressure").hint, HasSubstr("psi=1"));
}

TEST(Examine, WarnsOfHiddenProcessesAndNotesNamelessUsers) {
  Facts facts = healthy();
  facts.processes->hidden = 7;
  facts.processes->nameless = 3;
  EXPECT_EQ(find(facts, "processes").grade, Grade::warn);
  EXPECT_THAT(find(facts, "processes").detail, HasSubstr("7 of them may not be read"));
  EXPECT_EQ(find(facts, "user names").grade, Grade::info);
  facts.processes = fail(ErrorCode::unavailable, "cannot list /proc", "");
  EXPECT_EQ(find(facts, "processes").grade, Grade::fail);
}

TEST(Examine, WarnsOfAStateDirectoryThatCannotHoldHistory) {
  Facts facts = healthy();
  facts.state_dir.exists = false;
  EXPECT_THAT(find(facts, "state directory").detail, HasSubstr("will be made"));
  facts.state_dir.free = mib(10);
  EXPECT_EQ(find(facts, "state directory").grade, Grade::warn);
  facts.state_dir.writable = false;
  EXPECT_THAT(find(facts, "state directory").hint, HasSubstr("--state-dir"));
}

TEST(Examine, FailsWhenSomebodyElseHoldsThePort) {
  Facts facts = without_daemon();
  EXPECT_THAT(find(facts, "HTTP port").detail, HasSubstr("8000 is free"));
  facts.port_holder =
      sources::PortHolder{.uid = 33, .pid = 99, .command = "python3 -m http.server"};
  EXPECT_EQ(find(facts, "HTTP port").grade, Grade::fail);
  EXPECT_THAT(find(facts, "HTTP port").detail, HasSubstr("pid 99 (python3 -m http.server)"));
  facts.port_holder->pid.reset();
  EXPECT_THAT(find(facts, "HTTP port").detail, HasSubstr("user id 33"));
}

TEST(Examine, DoesNotBlameTheDaemonForItsOwnPort) {
  EXPECT_THAT(find(healthy(), "HTTP port").detail, HasSubstr("is the daemon's"));
  Facts facts = healthy();
  facts.port_holder->pid.reset();  // Another user's daemon.
  EXPECT_NE(find(facts, "HTTP port").grade, Grade::fail);
}

TEST(Examine, FailsOnABadListenAddressAndAcceptsNone) {
  Facts facts = healthy();
  facts.listen = fail(ErrorCode::invalid_argument, "0.0.0.0 is no loopback address", "use ::1");
  EXPECT_EQ(find(facts, "HTTP port").grade, Grade::fail);
  facts.listen = std::optional<server::ListenAddress>{};
  EXPECT_THAT(find(facts, "HTTP port").detail, HasSubstr("off"));
  facts.listen = server::ListenAddress{.v6 = false, .address = "127.0.0.1", .port = 0};
  EXPECT_THAT(find(facts, "HTTP port").detail, HasSubstr("any that is free"));
}

TEST(Examine, AsksTheDaemonAboutItsProtectionAndElseProbes) {
  Facts facts = without_daemon();
  facts.protection.memory_lock = {
      .in_force = false, .detail = "only 64 KiB", .hint = "use the unit"};
  facts.protection.oom_score = {.in_force = true, .detail = "may be lowered", .hint = ""};
  EXPECT_EQ(find(facts, "memory lock").grade, Grade::info);
  EXPECT_EQ(find(facts, "memory lock").hint, "use the unit");
  EXPECT_EQ(find(facts, "OOM score").grade, Grade::ok);

  facts = healthy();
  facts.daemon->overview = Json::object();  // A daemon that does not say.
  EXPECT_THAT(find(facts, "memory lock").detail, HasSubstr("not known"));
}

TEST(Examine, WarnsOfAClockBeforeLeveeWasMade) {
  Facts facts = healthy();
  facts.now = WallTime{};
  EXPECT_EQ(find(facts, "clock").grade, Grade::warn);
  facts = healthy();
  facts.clock_synchronised = false;
  EXPECT_EQ(find(facts, "clock").grade, Grade::info);
  facts.clock_synchronised.reset();
  EXPECT_EQ(find(facts, "clock").grade, Grade::ok);
}

TEST(Examine, FailsOnBadSettingsAndNamesTheFilesItLookedFor) {
  Facts facts = healthy();
  EXPECT_THAT(find(facts, "configuration").detail, HasSubstr("/etc/levee/levee.toml"));
  facts.settings = fail(ErrorCode::invalid_argument, "levee.toml:3: bad", "mend it");
  EXPECT_EQ(find(facts, "configuration").grade, Grade::fail);
}

TEST(RenderDoctor, ShowsEachCheckWithItsHintAndSumsUp) {
  const std::vector<Check> checks{{Grade::ok, "clock", "right", ""},
                                  {Grade::fail, "HTTP port", "held by pid 9", "use another"}};
  EXPECT_EQ(render_doctor(checks, Style{}),
            "ok    clock: right\n"
            "fail  HTTP port: held by pid 9\n"
            "      hint: use another\n"
            "2 checks: 1 ok, 0 to know, 0 to look at, 1 failed\n");
  EXPECT_FALSE(is_well(checks));
  EXPECT_TRUE(is_well({checks.front()}));
}

TEST(RenderDoctor, WrapsLongTextsInsteadOfCuttingThem) {
  const std::vector<Check> checks{{Grade::warn, "daemon", "one two three four five six", ""}};
  EXPECT_THAT(render_doctor(checks, Style{.width = 24}),
              HasSubstr("warn  daemon: one two\n      three four five\n      six\n"));
}

TEST(DoctorJson, HasNullForNoHint) {
  const Json json = doctor_json({{Grade::warn, "clock", "wrong", ""}});
  EXPECT_EQ(json["ok"], true);
  EXPECT_EQ(json["checks"][0]["grade"], "warn");
  EXPECT_TRUE(json["checks"][0]["hint"].is_null());
}

}  // namespace
}  // namespace levee::cli
