#include "cli/balloons.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "cli/ask.hpp"
#include "cli/output.hpp"
#include "render/balloons.hpp"

namespace levee::cli {
namespace {

constexpr std::chrono::milliseconds kLook{50};

/// "all", "growing" or what is wrong.
struct Standing {
  bool is_held = false;
  std::string trouble;
};

Standing standing_of(const Json& balloon) {
  const Json& holdings = list_at(balloon, "holdings");
  Standing standing{.is_held = !holdings.empty(), .trouble = {}};
  for (const Json& each : holdings) {
    const auto state = text_at(each, "state");
    standing.is_held = standing.is_held && (state == "held" || state == "passed");
    if (text_at(each, "state") == "failed") {
      standing.trouble = text_at(each, "trouble").value_or("it could not be held");
    }
  }
  return standing;
}

/// A bar on standard error, if that is a terminal.
class Bar {
 public:
  explicit Bar(bool quiet) : is_shown_(!quiet && ::isatty(STDERR_FILENO) == 1) {}
  Bar(const Bar&) = delete;
  Bar& operator=(const Bar&) = delete;
  ~Bar() {
    if (is_drawn_) {
      static_cast<void>(write_all(STDERR_FILENO, "\r\x1b[K"));
    }
  }

  void draw(const Json& balloon) {
    if (is_shown_) {
      is_drawn_ = true;
      static_cast<void>(write_all(STDERR_FILENO, fmt::format("\r\x1b[K{}", progress_of(balloon))));
    }
  }

 private:
  const bool is_shown_;
  bool is_drawn_ = false;
};

}  // namespace

Result<Json> await_balloon(Ledger& ledger, const std::string& id, bool quiet,
                           const std::function<bool()>& is_stopped, std::optional<Bytes> before) {
  const std::string target = "/api/v1/balloons?id=" + percent_encoded(id);
  Bar bar(quiet);
  while (true) {
    auto balloon = ledger.call("GET", target);
    if (!balloon) {
      return balloon;
    }
    const Standing standing = standing_of(*balloon);
    if (standing.is_held) {
      return balloon;
    }
    if (!standing.trouble.empty() || (is_stopped && is_stopped())) {
      static_cast<void>(
          before ? ledger.call("PUT", target, {{"size", fmt::format("{}MB", before->count / kMiB)}})
                 : ledger.call("DELETE", target));
      const char* const left = before ? "as much is held as before" : "nothing is held";
      return standing.trouble.empty()
                 ? fail(ErrorCode::timed_out, "stopped before it was held", left)
                 : fail(ErrorCode::resource_exhausted, standing.trouble,
                        fmt::format("{}; `levee status` shows who has the memory", left));
    }
    bar.draw(*balloon);
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace levee::cli
