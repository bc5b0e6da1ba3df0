#include "formats/json_events.hpp"

#include <fmt/core.h>

namespace levee::formats {

bool JsonEvents::parse_error(std::size_t position, const std::string& /*token*/,
                             const nlohmann::json::exception& /*error*/) {
  return refuse(fmt::format("no valid JSON at byte {}", position));
}

bool JsonEvents::refuse(std::string message) {
  if (!error_) {
    error_ = Error{ErrorCode::corrupt, std::move(message),
                   "the file is damaged or was not written by a model library; fetch it again"};
  }
  return false;
}

bool JsonEvents::enter(Opens what) {
  if (++depth_ > kDeepest) {
    return refuse(fmt::format("the JSON is more than {} levels deep", kDeepest));
  }
  return entered(what);
}

bool JsonEvents::leave() {
  const bool goes_on = leaving();
  --depth_;
  return goes_on;
}

Result<void> run(std::string_view json, JsonEvents& handler) {
  // The parser takes a NUL byte for the end of the text.
  if (const auto nul = json.find('\0'); nul != std::string_view::npos) {
    return fail(ErrorCode::corrupt, fmt::format("no valid JSON at byte {}", nul + 1),
                "the file is damaged or was not written by a model library; fetch it again");
  }
  const bool done = nlohmann::json::sax_parse(json, &handler);
  if (handler.error()) {
    return std::unexpected(*handler.error());
  }
  return done ? Result<void>{}
              : fail(ErrorCode::corrupt, "no valid JSON", "the file is damaged; fetch it again");
}

}  // namespace levee::formats
