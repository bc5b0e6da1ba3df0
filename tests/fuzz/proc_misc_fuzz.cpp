#include <algorithm>
#include <cmath>

#include "fuzz/fuzz_check.hpp"
#include "sources/proc_text.hpp"

using namespace levee;
using namespace levee::sources;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  const auto load = parse_loadavg(text);
  check(!load || (std::isfinite(*load) && *load >= 0), "a load is a number");
  static_cast<void>(parse_statm_resident(text));
  static_cast<void>(parse_status_uid(text));
  static_cast<void>(parse_smaps_rollup_pss(text));

  const std::string clean = printable(text);
  check(printable(clean) == clean, "printable text stays as it is");
  const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; };
  check(std::ranges::none_of(clean, is_control), "no control characters");

  const std::size_t limit = size == 0 ? 0 : data[0];
  const std::string command = parse_cmdline(text, limit);
  check(command.size() <= limit, "a command keeps its limit");
  check(printable(command) == command, "a command is printable");

  for (const auto& [uid, name] : parse_passwd(text)) {
    check(!name.empty() && printable(name) == name, "a user has a printable name");
  }
  return 0;
}
