#include "levee/memory_spec.hpp"

#include <fmt/core.h>

namespace levee {
namespace {

Result<Amount> read(std::int64_t megabytes) { return Amount::from_megabytes(megabytes); }
Result<Amount> read(double fraction) { return Amount::from_fraction(fraction); }
Result<Amount> read(const std::string& text) { return Amount::parse(text); }
Result<Amount> read(const Amount& amount) {
  if (!amount.is_share() && amount.resolve(Bytes{}) == Bytes{}) {
    return fail(ErrorCode::invalid_argument, "0 bytes is no amount of memory to hold",
                "name at least one byte");
  }
  return amount;
}

}  // namespace

Result<Amount> MemorySpec::amount() const {
  return std::visit([](const auto& given) { return read(given); }, given_);
}

Result<Amount> MemorySpec::share() const {
  if (const auto* const whole = std::get_if<std::int64_t>(&given_)) {
    return Amount::from_fraction(static_cast<double>(*whole));
  }
  auto read = amount();
  if (read && !read->is_share()) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is a size, and not a fraction of free memory",
                            format_bytes(read->resolve(Bytes{}))),
                "write a fraction in (0, 1], such as 0.5, or give the size as MB");
  }
  return read;
}

Result<std::vector<MemorySpec>> MemorySpecs::spread(std::size_t count) const {
  if (kind_ == Kind::one_for_all) {
    return std::vector<MemorySpec>(count, specs_.front());
  }
  if (specs_.size() != count) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} amounts for {} GPUs", specs_.size(), count),
                "give one amount for all, or a list with one for each GPU");
  }
  return specs_;
}

}  // namespace levee
