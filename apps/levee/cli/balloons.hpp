// Waiting until a balloon holds what it is to hold, with a bar for those who watch.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cli/ledger.hpp"

namespace levee::cli {

/// Waits until all of the balloon `id` is held; the balloon then. When it cannot be, or
/// `is_stopped`, it is released, or gets the size `before` back where that is given: the error says
/// why, `timed_out` after a stop. `quiet`: no bar.
[[nodiscard]] Result<Json> await_balloon(Ledger& ledger, const std::string& id, bool quiet,
                                         const std::function<bool()>& is_stopped = {},
                                         std::optional<Bytes> before = {});

}  // namespace levee::cli
