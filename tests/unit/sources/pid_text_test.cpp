#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sources/proc_text.hpp"

namespace levee::sources {
namespace {

using namespace std::string_literals;
using testing::Optional;

constexpr std::string_view kTail =
    " S 6344 6344 3798 0 -1 4194304 100 0 0 0 25 17 9 9 20 0 1 0 201982 3133440 413 "
    "18446744073709551615"
    " 1 1 1 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 1 1 1 1 1 1 1 0\n";

TEST(ParsePidStat, ReadsWhoAndHowMuch) {
  const auto stat = parse_pid_stat("6367 (cat)" + std::string(kTail));
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->pid, 6367);
  EXPECT_EQ(stat->comm, "cat");
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 6344);
  EXPECT_EQ(stat->cpu_ticks, 42U);
  EXPECT_EQ(stat->start_ticks, 201982U);
  EXPECT_EQ(stat->rss_pages, 413U);
  EXPECT_FALSE(stat->kernel_thread);
}

TEST(ParsePidStat, AcceptsAnyNameAProcessGivesItself) {
  for (const std::string_view comm :
       {"", " ", "a b", ")", "(", ") R 1 (", "((()))", "x\ny", "9 (z)"}) {
    const auto stat = parse_pid_stat("7 (" + std::string(comm) + ")" + std::string(kTail));
    ASSERT_TRUE(stat) << comm;
    EXPECT_EQ(stat->comm, comm);
    EXPECT_EQ(stat->parent, 6344);
    EXPECT_EQ(stat->start_ticks, 201982U);
  }
}

TEST(ParsePidStat, KnowsKernelThreadsByTheirFlag) {
  const auto stat =
      parse_pid_stat("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 24 0 0");
  ASSERT_TRUE(stat);
  EXPECT_TRUE(stat->kernel_thread);
}

TEST(ParsePidStat, RefusesNonsense) {
  const std::string tail(kTail);
  for (const std::string& text :
       {std::string(), std::string("7"), std::string("7 ("), std::string("7 )("), std::string("()"),
        "7 cat" + tail, "(cat)" + tail, "0 (cat)" + tail, "-7 (cat)" + tail, "7x (cat)" + tail,
        "99999999999 (cat)" + tail,
        std::string("7 (cat) SS 1 1 1 0 -1 1 0 0 0 0 0 0 0 0 0 0 0 0 5 5 5"),
        std::string("7 (cat) S -1 1 1 0 -1 1 0 0 0 0 0 0 0 0 0 0 0 0 5 5 5"),
        std::string("7 (cat) S 1 1 1 0 -1 1 0 0 0 0 0 0 0 0 0 0 0 0 5 5"),
        std::string("7 (cat) S 1 1 1 0 -1 1 0 0 0 0 0 0 0 0 0 0 0 0 5 5 -5"),
        std::string("7 (cat) S 1 1 1 0 -1 1 0 0 0 0 x 0 0 0 0 0 0 0 5 5 5"),
        std::string("7 (cat) S 1 1 1 0 -1 1 0 0 0 0 0 -1 0 0 0 0 0 0 5 5 5"),
        std::string("7 (cat) S 1 1 1 0 -1 1 0 0 0 0 0 0 0 0 0 0 0 0 x 5 5")}) {
    EXPECT_FALSE(parse_pid_stat(text)) << text;
  }
}

TEST(ParseStatm, ReadsTheResidentPages) {
  EXPECT_EQ(parse_statm_resident("11438 3846 1591 1327 0 9596 0\n"), 3846U);
  EXPECT_EQ(parse_statm_resident("0 0 0 0 0 0 0\n"), 0U);
}

TEST(ParseStatm, RefusesNonsense) {
  for (const char* text : {"", "1", "1 ", "1 -2 3", "1 x", "1 2.5", "1 99999999999999999999"}) {
    EXPECT_FALSE(parse_statm_resident(text)) << text;
  }
}

TEST(ParseStatusUid, ReadsTheRealUid) {
  EXPECT_EQ(parse_status_uid("Name:\tx\nUid:\t1000\t0\t0\t0\nGid:\t5\n"), 1000U);
}

TEST(ParseStatusUid, IsNotFooledOrBroken) {
  EXPECT_EQ(parse_status_uid("Name:\tUid:\nUid:\t7\t0\n"), 7U);
  EXPECT_EQ(parse_status_leader("Name:\tx\nTgid:\t41\nPid:\t42\n"), 41);
  for (const char* text :
       {"", "Uid", "Uid:", "Uid:\t-1", "Uid:\tx", "Uid:\t99999999999", " Uid:\t1"}) {
    EXPECT_FALSE(parse_status_uid(text)) << text;
  }
}

TEST(ParseStatusContainerPid, ReadsTheInnermostPid) {
  EXPECT_EQ(parse_status_container_pid("Pid:\t900\nNSpid:\t900\t17\nNSpgid:\t900\t3\n"), 17);
  EXPECT_EQ(parse_status_container_pid("NSpid:\t900\t17\t1\n"), 1);
}

TEST(ParseStatusContainerPid, IsNothingWithoutANamespaceOfItsOwn) {
  for (const char* text :
       {"", "NSpid:\t900\n", "NSpid:\n", "NSpid", "Pid:\t900\t17\n", "NSpid:\t900\t0\n",
        "NSpid:\t900\t-1\n", "NSpid:\t900\tx\n", "NSpid:\t900\t99999999999\n"}) {
    EXPECT_FALSE(parse_status_container_pid(text)) << text;
  }
}

std::string_view bytes(const char* text, std::size_t size) { return {text, size}; }

TEST(ParseCmdline, JoinsArgumentsByBlanks) {
  EXPECT_EQ(parse_cmdline(bytes("python3\0train.py\0--batch\0", 25)), "python3 train.py --batch");
  EXPECT_EQ(parse_cmdline(bytes("a\0\0b\0", 5)), "a  b");
  EXPECT_EQ(parse_cmdline(bytes("postgres: writer\0\0\0\0  ", 22)), "postgres: writer");
}

TEST(ParseCmdline, IsEmptyForKernelThreads) {
  EXPECT_EQ(parse_cmdline(""), "");
  EXPECT_EQ(parse_cmdline(bytes("\0\0\0", 3)), "");
}

TEST(ParseCmdline, StaysWithinTheLimitWithoutCuttingACharacter) {
  EXPECT_EQ(parse_cmdline("abcdef", 3), "abc");
  EXPECT_EQ(parse_cmdline("ab\xC3\xBC", 3), "ab");
  EXPECT_EQ(parse_cmdline("ab\xC3\xBC", 4), "ab\xC3\xBC");
  EXPECT_EQ(parse_cmdline("\xFF\xFF", 5), "\xEF\xBF\xBD");
  EXPECT_EQ(parse_cmdline("abc", 0), "");
  EXPECT_EQ(parse_cmdline(std::string(100000, 'x')).size(), 1024U);
}

TEST(Printable, KeepsGoodText) {
  for (const char* text :
       {"", "plain", "gr\xC3\xBCn", "\xE6\x97\xA5\xE6\x9C\xAC", "\xF0\x9F\x92\xBE"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, TakesAwayTheMeansToFakeATerminal) {
  EXPECT_EQ(printable("a\nb\tc\033[2Jd\x7F"), "a?b?c?[2Jd?");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m"),
            "?31m");  // C1 control sequence introducer
  EXPECT_EQ(printable("a\xE2\x80\xAE"
                      "b"),
            "a?b");  // right-to-left override
  EXPECT_EQ(printable("a\xE2\x81\xA6"
                      "b"),
            "a?b");  // isolate
}

TEST(Printable, ReplacesEachBadByte) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(printable("a\xFFz"), "a" + bad + "z");
  EXPECT_EQ(printable("\xC3"), bad);                                // cut short
  EXPECT_EQ(printable("\xC0\xAF"), bad + bad);                      // overlong
  EXPECT_EQ(printable("\xE0\x80\x80"), bad + bad + bad);            // overlong
  EXPECT_EQ(printable("\xED\xA0\x80"), bad + bad + bad);            // surrogate
  EXPECT_EQ(printable("\xF4\x90\x80\x80"), bad + bad + bad + bad);  // above U+10FFFF
  EXPECT_EQ(printable("\xF8\x88\x80\x80"), bad + bad + bad + bad);
  EXPECT_EQ(printable("\x80"
                      "a"),
            bad + "a");
}

TEST(ParseSmapsRollup, ReadsPssOnly) {
  EXPECT_EQ(parse_smaps_rollup_pss(
                "0-1 ---p 0 0:0 0 [rollup]\nRss: 9 kB\nPss:  375 kB\nPss_Dirty: 1 kB\n"),
            kib(375));
}

TEST(ParseSmapsRollup, RefusesNonsense) {
  for (const char* text : {"", "Pss_Dirty: 5 kB\n", "Pss: 5\n", "Pss: -5 kB\n", "Pss: x kB\n",
                           "Pss: 18446744073709551615 kB\n", "SwapPss: 0 kB\n"}) {
    EXPECT_FALSE(parse_smaps_rollup_pss(text)) << text;
  }
}

TEST(ParseEnviron, FindsTheFirstOfThatName) {
  const std::string text = "A=1\0LEVEE_LEASES=x\0XLEVEE_LEASE=y\0LEVEE_LEASE=a=b\0LEVEE_LEASE=c\0"s;
  EXPECT_THAT(parse_environ(text, "LEVEE_LEASE"), Optional("a=b"s));
  EXPECT_THAT(parse_environ("LEVEE_LEASE=\0"s, "LEVEE_LEASE"), Optional(""s));
}

TEST(ParseEnviron, FindsNothingInNonsense) {
  for (const std::string& text :
       {""s, "\0\0\0"s, "LEVEE_LEASE"s, "LEVEE_LEASE\0"s, "LEVEE_LEASE=cut off"s, "=LEVEE_LEASE\0"s,
        "A=LEVEE_LEASE=b\0"s}) {
    EXPECT_EQ(parse_environ(text, "LEVEE_LEASE"), std::nullopt);
  }
}

}  // namespace
}  // namespace levee::sources
