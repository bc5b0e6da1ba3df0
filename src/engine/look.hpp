// One look at this machine without a daemon: the same sources, the same engine, one tick.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/view.hpp"
#include "config/settings.hpp"
#include "sources/root.hpp"

namespace levee::engine {

/// Reads everything once and judges it. Takes about a tenth of a second, because CPU use needs two
/// readings; up to two seconds where a GPU driver is slow. `gpu_helper` is what to start for GPUs,
/// empty for none. Never fails: what cannot be read is absent in the View, with the trouble named.
[[nodiscard]] std::shared_ptr<const api::View> look_once(
    std::shared_ptr<const config::Settings> settings, const sources::Root& root,
    const std::vector<std::string>& gpu_helper);

}  // namespace levee::engine
