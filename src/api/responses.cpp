// The shared pages, and responses that many handlers make.
#include "api/json.hpp"
#include "api/route.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace levee::api {

const std::shared_ptr<const std::string>& Pages::get(const std::shared_ptr<const View>& view,
                                                     Slot slot,
                                                     std::string (*render)(const View&)) {
  if (view != view_) {
    pages_ = {};
    view_ = view;
  }
  auto& page = pages_.at(slot);
  if (!page) {
    page = std::make_shared<const std::string>(render(*view));
  }
  return page;
}

Response json_response(const nlohmann::ordered_json& json) {
  return Response{.body = std::make_shared<const std::string>(dump(json)), .headers = {}};
}

Response text_response(std::string_view content_type, std::string text) {
  return Response{.content_type = std::string(content_type),
                  .body = std::make_shared<const std::string>(std::move(text)),
                  .headers = {}};
}

Response defect_response(const std::exception& exception) {
  return error_response(Error{.code = ErrorCode::internal,
                              .message = fmt::format("unexpected: {}", exception.what()),
                              .hint = "this is a defect; please report it with the request"});
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShown = 64;
  return fmt::format("\"{}{}\"", text.substr(0, kShown), text.size() > kShown ? "…" : "");
}

}  // namespace levee::api
