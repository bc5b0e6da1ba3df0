// Archive: values as CBOR and back. Every type names its fields once (fields.hpp), for writing as
// for reading; a value is the list of its fields, in that order, without their names. Numbers come
// back exactly, not-a-number included.
//
// Identities, which seldom change, are written once and then meant by number, until clear().
// Internal to the room.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "core/gpu.hpp"
#include "core/reading.hpp"
#include "gpus/wire_fields.hpp"
#include "recorder/items.hpp"

namespace levee::recorder {

using gpus::wire::fields;
using nlohmann::json;

/// The last value of an enumeration whose numbers are written; what is beyond it is refused.
template <class E>
constexpr E last_of();

/// Values that were written once, by number. The pointers are held, so that no other value gets
/// the address of one that is gone.
template <class T>
struct Known {
  std::unordered_map<const T*, std::size_t> numbers;
  std::vector<std::shared_ptr<const T>> values;

  void clear() {
    numbers.clear();
    values.clear();
  }
};

struct Identities {
  Known<ProcessIdentity> processes;
  Known<GpuIdentity> gpus;

  void clear() {
    processes.clear();
    gpus.clear();
  }
  [[nodiscard]] Known<ProcessIdentity>& of(const ProcessIdentity* /*which*/) { return processes; }
  [[nodiscard]] Known<GpuIdentity>& of(const GpuIdentity* /*which*/) { return gpus; }
};

/// Types to which the daemon adds what the helper's messages leave out.
template <class T>
inline constexpr bool kIsAttributed = std::same_as<T, GpuProcess> || std::same_as<T, GpuMemory>;

class Out {
 public:
  explicit Out(Identities& identities) : identities_(&identities) {}

  template <class T>
  void operator()(const char* /*name*/, const T& value) {
    list_.push_back(written(value));
  }
  template <class List>
  void operator()(const char* name, const List& values, std::size_t /*most*/) {
    (*this)(name, values);
  }

  [[nodiscard]] json take() { return std::move(list_); }

  template <class T>
    requires std::is_arithmetic_v<T>
  json written(T value) {
    return value;
  }
  json written(const std::string& text) { return text; }
  json written(Bytes bytes) { return bytes.count; }
  template <class E>
    requires std::is_enum_v<E>
  json written(E value) {
    return static_cast<int>(value);
  }
  template <class Rep, class Period>
  json written(std::chrono::duration<Rep, Period> duration) {
    return duration.count();
  }
  template <class Clock, class Duration>
  json written(std::chrono::time_point<Clock, Duration> time) {
    return time.time_since_epoch().count();
  }
  template <class T>
  json written(const std::optional<T>& value) {
    return value ? written(*value) : json();
  }
  template <class T>
  json written(const std::vector<T>& values) {
    json list = json::array();
    for (const auto& value : values) {
      list.push_back(written(value));
    }
    return list;
  }
  template <class A, class B>
  json written(const std::pair<A, B>& pair) {
    return json::array({written(pair.first), written(pair.second)});
  }
  template <class K, class V, class C>
  json written(const std::map<K, V, C>& map) {
    json list = json::array();
    for (const auto& entry : map) {
      list.push_back(json::array({written(entry.first), written(entry.second)}));
    }
    return list;
  }
  template <class... Ts>
  json written(const std::variant<Ts...>& variant) {
    return json::array({variant.index(),
                        std::visit([this](const auto& value) { return written(value); }, variant)});
  }
  template <class T>
  json written(const Result<T>& result) {
    return result ? json::array({written(*result)})
                  : json::array({json(), written(result.error())});
  }
  template <class T>
  json written(const std::shared_ptr<const T>& value) {
    if (value == nullptr) {
      return {};
    }
    Known<T>& known = identities_->of(value.get());
    const auto [place, is_new] = known.numbers.emplace(value.get(), known.values.size());
    if (!is_new) {
      return place->second;
    }
    known.values.push_back(value);
    return written(*value);
  }
  template <class T>
    requires std::is_class_v<T>
  json written(const T& value) {
    Out nested(*identities_);
    fields(nested, value);
    if constexpr (kIsAttributed<T>) {
      attributed_fields(nested, value);
    }
    return nested.take();
  }

 private:
  Identities* identities_;
  json list_ = json::array();
};

/// Fills values. The first thing that is wrong is kept as `fault`, and nothing is read after it.
class In {
 public:
  In(const json& list, Identities& identities, std::string& fault)
      : list_(&list), identities_(&identities), fault_(&fault) {
    if (!list.is_array()) {
      complain("a value is no list");
    }
  }

  template <class T>
  void operator()(const char* name, T& value) {
    if (!fault_->empty()) {
      return;
    }
    if (next_ >= list_->size()) {
      complain(std::string(name) + " is missing");
    } else if (!read((*list_)[next_++], value)) {
      complain(std::string(name) + " has a value that it cannot have");
    }
  }
  template <class List>
  void operator()(const char* name, List& values, std::size_t /*most*/) {
    (*this)(name, values);  // A frame is bounded as a whole.
  }

  void end() {
    if (fault_->empty() && next_ != list_->size()) {
      complain("a value has more fields than are known");
    }
  }

  bool read(const json& from, bool& value) {
    value = from.is_boolean() && from.get<bool>();
    return from.is_boolean();
  }
  template <std::floating_point T>
  bool read(const json& from, T& value) {
    value = from.is_number() ? from.get<T>() : T{};
    return from.is_number();
  }
  template <std::integral T>
  bool read(const json& from, T& value) {
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
  bool read(const json& from, std::string& text) {
    const auto* const found = from.get_ptr<const json::string_t*>();
    text = found != nullptr ? *found : std::string();
    return found != nullptr;
  }
  bool read(const json& from, Bytes& bytes) { return read(from, bytes.count); }
  template <class E>
    requires std::is_enum_v<E>
  bool read(const json& from, E& value) {
    int number = 0;
    if (!read(from, number) || number < 0 || number > static_cast<int>(last_of<E>())) {
      return false;
    }
    value = static_cast<E>(number);
    return true;
  }
  template <class Rep, class Period>
  bool read(const json& from, std::chrono::duration<Rep, Period>& duration) {
    Rep count{};
    const bool good = read(from, count);
    duration = std::chrono::duration<Rep, Period>(count);
    return good;
  }
  template <class Clock, class Duration>
  bool read(const json& from, std::chrono::time_point<Clock, Duration>& time) {
    Duration since{};
    const bool good = read(from, since);
    time = std::chrono::time_point<Clock, Duration>(since);
    return good;
  }
  template <class T>
  bool read(const json& from, std::optional<T>& value) {
    value.reset();
    return from.is_null() || read(from, value.emplace());
  }
  template <class T>
  bool read(const json& from, std::vector<T>& values) {
    values.clear();
    if (!from.is_array()) {
      return false;
    }
    values.resize(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (!read(from[i], values[i])) {
        return false;
      }
    }
    return true;
  }
  template <class A, class B>
  bool read(const json& from, std::pair<A, B>& pair) {
    return from.is_array() && from.size() == 2 && read(from[0], pair.first) &&
           read(from[1], pair.second);
  }
  template <class K, class V, class C>
  bool read(const json& from, std::map<K, V, C>& map) {
    map.clear();
    return from.is_array() && std::ranges::all_of(from, [&](const json& entry) {
             std::pair<K, V> pair;
             return read(entry, pair) && map.insert(std::move(pair)).second;
           });
  }
  template <class... Ts>
  bool read(const json& from, std::variant<Ts...>& variant) {
    std::size_t index = 0;
    if (!from.is_array() || from.size() != 2 || !read(from[0], index)) {
      return false;
    }
    return read_alternative(from[1], index, variant, std::index_sequence_for<Ts...>{});
  }
  template <class T>
  bool read(const json& from, Result<T>& result) {
    if (!from.is_array() || from.empty() || from.size() > 2) {
      return false;
    }
    if (from.size() == 1) {
      T value;
      const bool good = read(from[0], value);
      result = std::move(value);
      return good;
    }
    Error error;
    const bool good = read(from[1], error);
    result = std::unexpected(std::move(error));
    return good;
  }
  template <class T>
  bool read(const json& from, std::shared_ptr<const T>& value) {
    if (from.is_null()) {
      value.reset();
      return true;
    }
    Known<T>& known = identities_->of(value.get());
    std::size_t number = 0;
    if (!from.is_array()) {
      if (!read(from, number) || number >= known.values.size()) {
        return false;
      }
      value = known.values[number];
      return true;
    }
    auto made = std::make_shared<T>();
    const bool good = read(from, *made);
    value = std::move(made);
    known.values.push_back(value);
    return good;
  }
  template <class T>
    requires std::is_class_v<T>
  bool read(const json& from, T& value) {
    In nested(from, *identities_, *fault_);
    fields(nested, value);
    if constexpr (kIsAttributed<T>) {
      attributed_fields(nested, value);
    }
    nested.end();
    return true;  // What is wrong within has complained already.
  }

 private:
  template <class Variant, std::size_t... Is>
  bool read_alternative(const json& from, std::size_t index, Variant& variant,
                        std::index_sequence<Is...> /*all*/) {
    bool good = false;
    ((Is == index ? void(good = read(from, variant.template emplace<Is>())) : void()), ...);
    return good;
  }
  void complain(std::string what) {
    if (fault_->empty()) {
      *fault_ = std::move(what);
    }
  }

  const json* list_;
  Identities* identities_;
  std::string* fault_;
  std::size_t next_ = 0;
};

}  // namespace levee::recorder
