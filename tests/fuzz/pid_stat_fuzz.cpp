#include "fuzz/fuzz_check.hpp"
#include "sources/proc_text.hpp"

using namespace levee;
using namespace levee::sources;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  if (const auto stat = parse_pid_stat(text)) {
    check(stat->pid > 0 && stat->parent >= 0, "pids are positive");
    check(stat->comm.size() < size, "the name is a part of the text");
  }
  return 0;
}
