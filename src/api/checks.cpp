// What a request must pass before its handler sees it: parameters and body.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "api/route.hpp"

namespace levee::api {
namespace {

constexpr int kMaxDepth = 16;

/// The first fault a parser callback meets: a name that is there twice, or too deep a nesting.
struct Faults {
  std::vector<std::set<std::string>> names;  ///< Of each open object or array.
  std::string repeated;
  bool too_deep = false;

  bool operator()(int depth, nlohmann::ordered_json::parse_event_t event,
                  const nlohmann::ordered_json& parsed) {
    using Event = nlohmann::ordered_json::parse_event_t;
    if (too_deep) {
      return false;  // What follows is skipped, not kept.
    }
    switch (event) {
      case Event::object_start:
      case Event::array_start:
        too_deep = depth >= kMaxDepth;
        names.emplace_back();
        break;
      case Event::object_end:
      case Event::array_end:
        names.pop_back();
        break;
      case Event::key:
        if (repeated.empty() && !names.back().insert(parsed.get_ref<const std::string&>()).second) {
          repeated = parsed.get_ref<const std::string&>();
        }
        break;
      case Event::value:
        break;
    }
    return !too_deep;
  }
};

/// "[json.exception.parse_error.101] parse error at line 1, column 5: …" from "parse error" on.
std::string_view without_tag(std::string_view what) {
  constexpr std::size_t kShown = 256;  // It quotes the last token, which may be the whole body.
  const auto end = what.starts_with('[') ? what.find("] ") : std::string_view::npos;
  return what.substr(end == std::string_view::npos ? 0 : end + 2).substr(0, kShown);
}

bool is_json(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  std::erase_if(type, [](char c) { return c == ' ' || c == '\t'; });
  std::ranges::transform(type, type.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return type == "application/json";
}

}  // namespace

Result<Query> Query::check(std::vector<std::pair<std::string, std::string>> given,
                           std::span<const std::string_view> accepted) {
  const auto hint = [&] {
    return accepted.empty() ? std::string("this path takes no parameters")
                            : fmt::format("accepted: {}", fmt::join(accepted, ", "));
  };
  for (auto parameter = given.begin(); parameter != given.end(); ++parameter) {
    const std::string& name = parameter->first;
    if (std::ranges::find(accepted, name) == accepted.end()) {
      return fail(ErrorCode::invalid_argument, "unknown query parameter " + in_quotes(name),
                  hint());
    }
    if (std::any_of(given.begin(), parameter, [&](const auto& p) { return p.first == name; })) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("query parameter {} is given more than once", in_quotes(name)),
                  hint());
    }
  }
  Query query;
  query.values_ = std::move(given);
  return query;
}

const std::string* Query::find(std::string_view name) const {
  for (const auto& [key, value] : values_) {
    if (key == name) {
      return &value;
    }
  }
  return nullptr;
}

Result<std::uint64_t> Query::number(std::string_view name, std::uint64_t least, std::uint64_t most,
                                    std::uint64_t otherwise) const {
  const std::string* text = find(name);
  if (text == nullptr) {
    return otherwise;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size() || value < least || value > most) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is {}, which is not a whole number from {} to {}", name,
                            in_quotes(*text), least, most),
                fmt::format("for example {}={}", name, otherwise));
  }
  return value;
}

Result<nlohmann::ordered_json> parse_object(std::string_view body) {
  constexpr std::string_view kHint = R"(send a JSON object, such as {"monitoring_interval": 1})";
  Faults faults;
  nlohmann::ordered_json json;
  try {
    json = nlohmann::ordered_json::parse(body, std::ref(faults));
  } catch (const nlohmann::json::exception& error) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the body is not JSON: {}", without_tag(error.what())),
                std::string(kHint));
  }
  if (faults.too_deep) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the body is nested more than {} levels deep", kMaxDepth),
                std::string(kHint));
  }
  if (!json.is_object()) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the body is {} {}, not an object",
                            json.is_array() || json.is_object() ? "an" : "a", json.type_name()),
                std::string(kHint));
  }
  if (!faults.repeated.empty()) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is in the body more than once", in_quotes(faults.repeated)),
                "name each of them once");
  }
  return json;
}

std::optional<Response> refuse_body(const Route& route, const Request& request) {
  if (route.takes == Takes::json_body && request.body.empty()) {
    return error_response(Error{.code = ErrorCode::invalid_argument,
                                .message = "the body is empty",
                                .hint = "send a JSON object"});
  }
  if (request.body.empty()) {
    return std::nullopt;
  }
  if (!is_json(request.content_type)) {
    Response response = error_response(
        Error{.code = ErrorCode::invalid_argument,
              .message = fmt::format("the body's type is {}", in_quotes(request.content_type)),
              .hint = "send JSON with the header Content-Type: application/json"});
    response.status = 415;
    return response;
  }
  if (route.takes == Takes::no_body) {
    const auto body = parse_object(request.body);
    if (!body) {
      return error_response(body.error());
    }
    if (!body->empty()) {
      return error_response(Error{.code = ErrorCode::invalid_argument,
                                  .message = fmt::format("{} takes no body", route.path),
                                  .hint = "put parameters in the address, after a question mark"});
    }
  }
  return std::nullopt;
}

}  // namespace levee::api
