#include "sources/self.hpp"

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>

#include "sources/fields.hpp"
#include "sources/proc_text.hpp"
#include "sources/root.hpp"

namespace levee::sources {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::optional<int> count_threads(std::string_view status) {
  while (!status.empty()) {
    std::string_view line = take_line(status);
    if (take_until(line, ':') == "Threads") {
      return to_number<int>(take_word(line));
    }
  }
  return std::nullopt;
}

}  // namespace

SelfUse read_self() {
  const Root root;
  SelfUse self;
  if (const auto statm = root.read("/proc/self/statm")) {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    self.rss = Bytes{parse_statm_resident(*statm).value_or(0) * page};
  }
  rusage use{};
  if (::getrusage(RUSAGE_SELF, &use) == 0) {
    self.cpu_seconds = seconds(use.ru_utime) + seconds(use.ru_stime);
  }
  if (const auto status = root.read("/proc/self/status")) {
    self.threads = count_threads(*status);
  }
  return self;
}

std::string read_hostname() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : "localhost";
}

}  // namespace levee::sources
