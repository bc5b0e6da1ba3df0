// JsonEvents: JSON read as a stream of events, so that a hostile document costs no more memory than
// what is kept of it. A handler derives from it and overrides what it accepts; everything else is
// refused, and so is depth beyond kDeepest. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "levee/result.hpp"

namespace levee::formats {

/// The events nlohmann::json::sax_parse calls, with one error that ends the parse.
class JsonEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  static constexpr int kDeepest = 16;

  bool null() override { return scalar(); }
  bool boolean(bool) override { return scalar(); }
  bool number_integer(number_integer_t) override { return scalar(); }  // negative ones only
  bool number_unsigned(number_unsigned_t value) override { return whole_number(value); }
  bool number_float(number_float_t, const string_t&) override { return scalar(); }
  bool string(string_t& text) override { return text_value(text); }
  bool binary(binary_t&) override { return scalar(); }

  bool start_object(std::size_t) override { return enter(Opens::object); }
  bool start_array(std::size_t) override { return enter(Opens::array); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override;

  [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

 protected:
  enum class Opens { object, array };

  /// After `depth()` was raised; false to end the parse.
  virtual bool entered(Opens what) = 0;
  /// Before `depth()` is lowered.
  virtual bool leaving() = 0;
  virtual bool whole_number(std::uint64_t value) = 0;
  virtual bool text_value(std::string& text) = 0;
  /// Any other value.
  virtual bool scalar() = 0;

  /// Ends the parse with this error; always false.
  bool refuse(std::string message);

  /// Containers around the present value.
  [[nodiscard]] int depth() const noexcept { return depth_; }

 private:
  bool enter(Opens what);
  bool leave();

  std::optional<Error> error_;
  int depth_ = 0;
};

/// Runs `json` through `handler`.
[[nodiscard]] Result<void> run(std::string_view json, JsonEvents& handler);

}  // namespace levee::formats
