// What a View says of memory, as suggestions are made from it. Internal to the room. Pure.
#pragma once

#include "api/view.hpp"
#include "estimate/suggestions.hpp"

namespace levee::api {

/// Only fresh readings of whole devices count. Points into `view`, which must outlive it.
[[nodiscard]] estimate::MemoryReport memory_report(const View& view);

}  // namespace levee::api
