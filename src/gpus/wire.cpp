#include "gpus/wire.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "gpus/wire_fields.hpp"

namespace levee::gpus::wire {
namespace {

using nlohmann::json;

/// Nothing of ours is nested deeper: message, readings, reading, processes, process.
constexpr int kDeepest = 6;

constexpr std::array kErrorCodes{
    ErrorCode::invalid_argument, ErrorCode::not_found,   ErrorCode::permission_denied,
    ErrorCode::already_exists,   ErrorCode::unavailable, ErrorCode::resource_exhausted,
    ErrorCode::corrupt,          ErrorCode::timed_out,   ErrorCode::internal};

std::optional<ErrorCode> parse_error_code(std::string_view text) {
  const auto* const found =
      std::ranges::find(kErrorCodes, text, [](ErrorCode code) { return to_string(code); });
  return found == kErrorCodes.end() ? std::nullopt : std::optional(*found);
}

/// `text` as UTF-8 of a length that decode() accepts.
std::string possible(const std::string& text) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (text.size() <= kLongestText && std::ranges::all_of(text, is_ascii)) {
    return text;
  }
  const std::string replaced = json(text).dump(-1, ' ', false, json::error_handler_t::replace);
  auto valid = json::parse(replaced).get<std::string>();
  std::size_t cut = std::min(valid.size(), kLongestText);
  while (cut < valid.size() && cut > 0 &&
         (static_cast<unsigned char>(valid[cut]) & 0xC0U) == 0x80) {
    --cut;  // Not within a character.
  }
  valid.resize(cut);
  return valid;
}

// --- writing

class Writer {
 public:
  template <class T>
  void operator()(const char* name, const T& value) {
    object_[name] = written(value);
  }
  /// What is unknown is left out. JSON has no number for infinity; it counts as unknown.
  template <class T>
  void operator()(const char* name, const std::optional<T>& value) {
    if (value && is_finite(*value)) {
      object_[name] = written(*value);
    }
  }
  template <class T>
  void operator()(const char* name, const std::vector<T>& values, std::size_t most) {
    json array = json::array();
    for (std::size_t i = 0; i < std::min(values.size(), most); ++i) {
      array.push_back(written(values[i]));
    }
    object_[name] = std::move(array);
  }
  template <class T>
  void operator()(const char* name, const std::optional<std::vector<T>>& values, std::size_t most) {
    if (values) {
      (*this)(name, *values, most);
    }
  }

  [[nodiscard]] json take() { return std::move(object_); }

 private:
  template <class T>
  static bool is_finite(const T& value) {
    if constexpr (std::same_as<T, double>) {
      return std::isfinite(value);
    } else {
      return true;
    }
  }

  template <class T>
    requires std::is_arithmetic_v<T>
  static json written(T value) {
    return value;
  }
  static json written(const std::string& text) { return possible(text); }
  static json written(Bytes bytes) { return bytes.count; }
  static json written(GpuVendor vendor) { return to_string(vendor); }
  static json written(GpuCondition condition) { return to_string(condition); }
  static json written(ErrorCode code) { return to_string(code); }
  static json written(std::chrono::microseconds duration) { return duration.count(); }
  static json written(MonoTime time) {
    return std::chrono::nanoseconds(time.time_since_epoch()).count();
  }
  static json written(WallTime time) { return time.time_since_epoch().count(); }
  template <class T>
  static json written(const std::shared_ptr<const T>& value) {
    return written(*value);
  }
  template <class T>
    requires std::is_class_v<T>
  static json written(const T& value) {
    Writer nested;
    fields(nested, value);
    return nested.take();
  }

  json object_ = json::object();
};

// --- reading

/// Fills a value from an object. The first thing that is wrong is kept as `fault`.
class Reader {
 public:
  Reader(const json& object, std::string& fault) : object_(object), fault_(fault) {}

  template <class T>
  void operator()(const char* name, T& value) {
    if (const json* found = find(name)) {
      fill(name, *found, value);
    } else {
      complain(name, "is missing");
    }
  }
  template <class T>
  void operator()(const char* name, std::optional<T>& value) {
    if (const json* found = find(name)) {
      fill(name, *found, value.emplace());
    }
  }
  template <class T>
  void operator()(const char* name, std::vector<T>& values, std::size_t most) {
    if (const json* found = find(name)) {
      fill(name, *found, values, most);
    } else {
      complain(name, "is missing");
    }
  }
  template <class T>
  void operator()(const char* name, std::optional<std::vector<T>>& values, std::size_t most) {
    if (const json* found = find(name)) {
      fill(name, *found, values.emplace(), most);
    }
  }

  /// After the last field: whatever else the object holds is not ours.
  void end() {
    if (taken_ != object_.size()) {
      complain("the message", "holds a field that is not known");
    }
  }

 private:
  const json* find(const char* name) {
    const auto found = object_.find(name);
    if (found == object_.end()) {
      return nullptr;
    }
    ++taken_;
    return &*found;
  }

  void complain(std::string_view name, std::string_view what) {
    if (fault_.empty()) {
      fault_ = fmt::format("{} {}", name, what);
    }
  }

  template <class T>
  void fill(const char* name, const json& from, T& value) {
    if (!read(from, value)) {
      complain(name, "has a value that it cannot have");
    }
  }
  template <class T>
  void fill(const char* name, const json& from, std::vector<T>& values, std::size_t most) {
    if (!from.is_array() || from.size() > most) {
      complain(name, "is no list of a possible length");
      return;
    }
    values.resize(from.size());
    for (std::size_t i = 0; i < values.size() && fault_.empty(); ++i) {
      fill(name, from[i], values[i]);
    }
  }

  static bool read(const json& from, bool& value) {
    value = from.is_boolean() && from.get<bool>();
    return from.is_boolean();
  }
  static bool read(const json& from, double& value) {
    value = from.is_number() ? from.get<double>() : 0.0;
    return from.is_number() && std::isfinite(value);
  }
  template <std::integral T>
  static bool read(const json& from, T& value) {
    if (from.is_number_unsigned() && std::in_range<T>(from.get<std::uint64_t>())) {
      value = static_cast<T>(from.get<std::uint64_t>());
      return true;
    }
    if (from.is_number_integer() && !from.is_number_unsigned() &&
        std::in_range<T>(from.get<std::int64_t>())) {
      value = static_cast<T>(from.get<std::int64_t>());
      return true;
    }
    return false;
  }
  static bool read(const json& from, std::string& text) {
    const auto* const found = from.get_ptr<const json::string_t*>();
    if (found != nullptr) {
      text = *found;
    }
    return found != nullptr && text.size() <= kLongestText;
  }
  static bool read(const json& from, Bytes& bytes) { return read(from, bytes.count); }
  static bool read(const json& from, GpuVendor& vendor) {
    return read_name(from, vendor, parse_gpu_vendor);
  }
  static bool read(const json& from, GpuCondition& condition) {
    return read_name(from, condition, parse_gpu_condition);
  }
  static bool read(const json& from, ErrorCode& code) {
    return read_name(from, code, parse_error_code);
  }
  template <class T>
  static bool read_name(const json& from, T& value, auto parse) {
    std::string text;
    const auto parsed = read(from, text) ? parse(text) : std::nullopt;
    value = parsed.value_or(value);
    return parsed.has_value();
  }
  static bool read(const json& from, std::chrono::microseconds& duration) {
    std::uint32_t count = 0;  // More than an hour is no answer.
    const bool good = read(from, count);
    duration = std::chrono::microseconds{count};
    return good;
  }
  static bool read(const json& from, MonoTime& time) {
    std::int64_t count = 0;
    const bool good = read(from, count);
    time = MonoTime{std::chrono::nanoseconds{count}};
    return good;
  }
  static bool read(const json& from, WallTime& time) {
    std::int64_t count = 0;
    const bool good = read(from, count);
    time = WallTime{std::chrono::milliseconds{count}};
    return good;
  }
  template <class T>
  bool read(const json& from, std::shared_ptr<const T>& value) {
    auto made = std::make_shared<T>();
    const bool good = read(from, *made);
    value = std::move(made);
    return good;
  }
  template <class T>
    requires std::is_class_v<T>
  bool read(const json& from, T& value) {
    if (!from.is_object()) {
      return false;
    }
    Reader nested(from, fault_);
    fields(nested, value);
    nested.end();
    return true;  // What is wrong within has complained already.
  }

  const json& object_;
  std::string& fault_;
  std::size_t taken_ = 0;
};

std::unexpected<Error> corrupt(std::string_view why, std::string_view line) {
  constexpr std::size_t kShown = 80;
  return fail(ErrorCode::corrupt, fmt::format("{}: \"{}{}\"", why, line.substr(0, kShown),
                                              line.size() > kShown ? "…" : ""));
}

/// Says so before the parser spends memory on each of a million brackets.
bool is_too_deep(std::string_view line) {
  int depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < line.size() && depth <= kDeepest; ++i) {
    const char c = line[i];
    if (in_text) {
      i += c == '\\' ? 1 : 0;
      in_text = c != '"';
    } else if (c == '"') {
      in_text = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return depth > kDeepest;
}

template <class T>
Result<Message> read_message(const json& object, std::string_view line) {
  T message;
  std::string fault;
  Reader reader(object, fault);
  fields(reader, message);
  reader.end();
  if (!fault.empty()) {
    return corrupt(fault, line);
  }
  return message;
}

}  // namespace

std::string encode(const Message& message) {
  Writer writer;
  std::visit([&](const auto& what) { fields(writer, what); }, message);
  return writer.take().dump() + "\n";
}

Result<Message> decode(std::string_view line) {
  if (line.size() > kLongestLine) {
    return corrupt("a line is too long", line);
  }
  if (is_too_deep(line)) {
    return corrupt("a line is nested too deep", line);
  }
  const json object = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return corrupt("a line is no JSON object", line);
  }
  if (object.contains("ask")) {
    return read_message<Ask>(object, line);
  }
  if (object.contains("devices")) {
    return read_message<Devices>(object, line);
  }
  if (object.contains("xid")) {
    return read_message<GpuXid>(object, line);
  }
  if (object.contains("trouble")) {
    return read_message<Trouble>(object, line);
  }
  if (!object.contains("answer")) {
    return corrupt("a line is of no known kind", line);
  }
  auto answer = read_message<Answer>(object, line);
  if (answer && std::get<Answer>(*answer).readings.empty()) {
    return corrupt("an answer holds no reading", line);
  }
  return answer;
}

}  // namespace levee::gpus::wire
