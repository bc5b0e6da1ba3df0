#include "reclaim/wire.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace levee::reclaim::wire {
namespace {

using nlohmann::ordered_json;

constexpr int kDeepest = 8;  ///< Ours are three deep; what a later version adds may be deeper.
constexpr std::int64_t kMostBytes = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kShown = 64;  ///< Of a value that is wrong.

/// The outcomes that a process can tell of itself.
constexpr std::array kResults{Outcome::done, Outcome::refused, Outcome::failed};

constexpr std::array kErrorCodes{
    ErrorCode::invalid_argument, ErrorCode::not_found,   ErrorCode::permission_denied,
    ErrorCode::already_exists,   ErrorCode::unavailable, ErrorCode::resource_exhausted,
    ErrorCode::corrupt,          ErrorCode::timed_out,   ErrorCode::internal};

/// `text` as valid UTF-8 of at most `most` bytes.
std::string fitting(const std::string& text, std::size_t most) {
  const std::string replaced =
      ordered_json(text).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  auto valid = ordered_json::parse(replaced).get<std::string>();
  std::size_t cut = std::min(valid.size(), most);
  while (cut < valid.size() && cut > 0 &&
         (static_cast<unsigned char>(valid[cut]) & 0xC0U) == 0x80) {
    --cut;  // Not within a character.
  }
  valid.resize(cut);
  return valid;
}

std::int64_t number(Bytes bytes) {
  return static_cast<std::int64_t>(std::min(bytes.count, static_cast<std::uint64_t>(kMostBytes)));
}

// --- writing

ordered_json offers_json(const std::vector<Offer>& offers) {
  ordered_json list = ordered_json::array();
  for (const Offer& offer : offers) {
    ordered_json& json = list.emplace_back(
        ordered_json{{"strategy", to_string(offer.strategy)}, {"device", offer.device}});
    if (offer.estimate) {
      json["estimate_bytes"] = number(*offer.estimate);
    }
  }
  return list;
}

ordered_json json_of(const Register& message) {
  return {{"type", "register"},
          {"name", fitting(message.name, kLongestName)},
          {"priority", message.priority},
          {"offers", offers_json(message.offers)}};
}

ordered_json json_of(const Update& message) {
  return {{"type", "update"}, {"offers", offers_json(message.offers)}};
}

ordered_json json_of(const Answer& message) {
  return {{"type", "answer"},
          {"id", message.id},
          {"result", to_string(message.result)},
          {"freed_bytes", number(message.freed)},
          {"message", fitting(message.message, kLongestText)}};
}

ordered_json json_of(const Goodbye& /*message*/) { return {{"type", "goodbye"}}; }

ordered_json json_of(const Welcome& message) {
  return {{"type", "welcome"}, {"client", message.client}};
}

ordered_json json_of(const Request& message) {
  return {{"type", "request"},
          {"id", message.id},
          {"strategy", to_string(message.strategy)},
          {"device", message.device},
          {"bytes", number(message.bytes)},
          {"deadline_ms", message.deadline.count()},
          {"reason", fitting(message.reason, kLongestText)}};
}

ordered_json json_of(const Fault& message) {
  return {{"type", "error"},
          {"code", to_string(message.error.code)},
          {"message", fitting(message.error.message, kLongestText)},
          {"hint", fitting(message.error.hint, kLongestText)}};
}

// --- reading

/// The members of one object. The first thing that is wrong is kept.
class Members {
 public:
  Members(const ordered_json& object, std::optional<Error>& fault)
      : object_(object), fault_(fault) {}

  /// `name` must be there unless `otherwise` says what its absence means.
  std::string text(std::string_view name, std::size_t most,
                   const std::optional<std::string>& otherwise = std::nullopt) {
    const ordered_json* const value = find(name, otherwise.has_value());
    if (value == nullptr) {
      return otherwise.value_or("");
    }
    if (!value->is_string() || value->get_ref<const std::string&>().size() > most) {
      refuse(name, *value, fmt::format("a text of at most {} bytes", most));
      return {};
    }
    return value->get<std::string>();
  }

  std::int64_t whole(std::string_view name, std::int64_t least, std::int64_t most,
                     std::optional<std::int64_t> otherwise = std::nullopt) {
    const ordered_json* const value = find(name, otherwise.has_value());
    if (value == nullptr) {
      return otherwise.value_or(least);
    }
    const bool is_too_large =
        value->is_number_unsigned() && !std::in_range<std::int64_t>(value->get<std::uint64_t>());
    if (!value->is_number_integer() || is_too_large || value->get<std::int64_t>() < least ||
        value->get<std::int64_t>() > most) {
      refuse(name, *value, fmt::format("a whole number from {} to {}", least, most));
      return least;
    }
    return value->get<std::int64_t>();
  }

  Bytes bytes(std::string_view name, std::optional<std::int64_t> otherwise = std::nullopt) {
    return Bytes{static_cast<std::uint64_t>(whole(name, 0, kMostBytes, otherwise))};
  }

  /// A GPU's UUID or "host": printable, without spaces.
  std::string device() {
    std::string name = text("device", kLongestDevice);
    const bool is_clean = std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
    if (!fault_ && (name.empty() || !is_clean)) {
      refuse("device", name, "\"host\" or the UUID of a GPU");
    }
    return name;
  }

  ReclaimStrategy strategy() {
    const auto value = parse_reclaim_strategy(text("strategy", kLongestText));
    if (!value && !fault_) {
      refuse("strategy", object_["strategy"], fmt::format("one of {}", reclaim_strategy_names()));
    }
    return value.value_or(ReclaimStrategy::clear_cache);
  }

  template <class Values>
  auto word(std::string_view name, const Values& values, std::string_view accepted) {
    const std::string given = text(name, kLongestText);
    const auto found =
        std::ranges::find(values, given, [](const auto& each) { return to_string(each); });
    if (found != values.end()) {
      return *found;
    }
    if (!fault_) {
      refuse(name, given, fmt::format("one of {}", accepted));
    }
    return values.front();
  }

  std::vector<Offer> offers() {
    std::vector<Offer> offers;
    const ordered_json* const list = find("offers", false);
    if (list == nullptr) {
      return offers;
    }
    if (!list->is_array() || list->size() > kMostOffers) {
      refuse("offers", *list, fmt::format("a list of at most {} offers", kMostOffers));
      return offers;
    }
    for (const ordered_json& each : *list) {
      if (!each.is_object()) {
        refuse("offers", each, "a list of objects with strategy and device");
        return offers;
      }
      Members members(each, fault_);
      Offer offer{.strategy = members.strategy(), .device = members.device(), .estimate = {}};
      if (each.contains("estimate_bytes") && !each["estimate_bytes"].is_null()) {
        offer.estimate = members.bytes("estimate_bytes");
      }
      const bool is_there = std::ranges::any_of(offers, [&](const Offer& other) {
        return other.strategy == offer.strategy && other.device == offer.device;
      });
      if (is_there) {
        refuse("offers", each, "each strategy at most once for a device");
      }
      if (fault_) {
        return offers;
      }
      offers.push_back(std::move(offer));
    }
    return offers;
  }

 private:
  const ordered_json* find(std::string_view name, bool may_be_absent) {
    const auto found = object_.find(name);
    if (found != object_.end() && !found->is_null()) {
      return &*found;
    }
    if (!may_be_absent && !fault_) {
      fault_ = Error{ErrorCode::invalid_argument, fmt::format("\"{}\" is missing", name),
                     "docs/reclaim-protocol.md shows what each message holds"};
    }
    return nullptr;
  }

  void refuse(std::string_view name, const ordered_json& value, const std::string& accepted) {
    if (!fault_) {
      std::string shown = value.dump(-1, ' ', true, ordered_json::error_handler_t::replace);
      if (shown.size() > kShown) {
        shown = shown.substr(0, kShown) + "...";
      }
      fault_ = Error{ErrorCode::invalid_argument, fmt::format("\"{}\" is {}", name, shown),
                     fmt::format("it must be {}", accepted)};
    }
  }

  const ordered_json& object_;
  std::optional<Error>& fault_;
};

Message message_of(const std::string& type, Members& members, std::optional<Error>& fault) {
  if (type == "register") {
    return Register{
        .name = members.text("name", kLongestName, ""),
        .priority = static_cast<int>(members.whole("priority", -kMostPriority, kMostPriority, 0)),
        .offers = members.offers()};
  }
  if (type == "update") {
    return Update{.offers = members.offers()};
  }
  if (type == "answer") {
    return Answer{.id = static_cast<std::uint64_t>(members.whole("id", 0, kMostBytes)),
                  .result = members.word("result", kResults, "done, refused, failed"),
                  .freed = members.bytes("freed_bytes", 0),
                  .message = members.text("message", kLongestText, "")};
  }
  if (type == "goodbye") {
    return Goodbye{};
  }
  if (type == "welcome") {
    return Welcome{.client = members.text("client", kLongestText)};
  }
  if (type == "request") {
    return Request{.id = static_cast<std::uint64_t>(members.whole("id", 0, kMostBytes)),
                   .strategy = members.strategy(),
                   .device = members.device(),
                   .bytes = members.bytes("bytes"),
                   .deadline = std::chrono::milliseconds(
                       members.whole("deadline_ms", 0, std::numeric_limits<std::int32_t>::max())),
                   .reason = members.text("reason", kLongestText, "")};
  }
  if (type == "error") {
    return Fault{Error{members.word("code", kErrorCodes, "the codes of levee/result.hpp"),
                       members.text("message", kLongestText),
                       members.text("hint", kLongestText, "")}};
  }
  if (!fault) {
    fault = Error{ErrorCode::invalid_argument,
                  fmt::format("\"type\" is {}",
                              ordered_json(type.substr(0, kShown))
                                  .dump(-1, ' ', true, ordered_json::error_handler_t::replace)),
                  "a process may say register, update, answer and goodbye"};
  }
  return Goodbye{};
}

}  // namespace

std::string encode(const Message& message) {
  return std::visit([](const auto& each) { return json_of(each); }, message)
             .dump(-1, ' ', false, ordered_json::error_handler_t::replace) +
         '\n';
}

Result<Message> decode(std::string_view line) {
  if (line.size() > kLongestLine) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the line is longer than {} bytes", kLongestLine), "send less at once");
  }
  bool is_too_deep = false;
  const auto shallow = [&](int depth, ordered_json::parse_event_t, const ordered_json&) {
    is_too_deep = is_too_deep || depth > kDeepest;
    return !is_too_deep;
  };
  const ordered_json json = ordered_json::parse(line, shallow, false);
  if (is_too_deep || !json.is_object()) {
    return fail(ErrorCode::invalid_argument,
                is_too_deep ? "the line is nested too deep" : "the line is no JSON object",
                R"(send one object per line, such as {"type":"goodbye"})");
  }
  std::optional<Error> fault;
  Members members(json, fault);
  const std::string type = members.text("type", kLongestText);
  if (fault) {
    return std::unexpected(std::move(*fault));
  }
  Message message = message_of(type, members, fault);
  if (fault) {
    return std::unexpected(fault->within(type.substr(0, kShown)));
  }
  return message;
}

Result<std::string> choose_protocol(std::string_view upgrade) {
  std::string_view rest = upgrade;
  while (!rest.empty()) {
    std::string_view each = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), each.size() + 1));
    const auto begin = each.find_first_not_of(" \t");
    const auto end = each.find_last_not_of(" \t");
    if (begin != std::string_view::npos && each.substr(begin, end - begin + 1) == kProtocol) {
      return std::string(kProtocol);
    }
  }
  return fail(ErrorCode::invalid_argument,
              upgrade.empty()
                  ? std::string("this address is for processes that can give memory "
                                "back, and speaks no HTTP")
                  : fmt::format("the daemon does not speak \"{}\"", upgrade.substr(0, kShown)),
              fmt::format("send \"Connection: Upgrade\" and \"Upgrade: {}\"", kProtocol));
}

}  // namespace levee::reclaim::wire
