// GGUF files, one or several of one model, and their metadata.
#include "formats/gguf.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "formats/split_name.hpp"
#include "formats/weight_file.hpp"

namespace levee::formats {
namespace {

constexpr std::string_view kSplitCount = "split.count";
constexpr std::string_view kSplitNumber = "split.no";  // from 0
constexpr std::string_view kSplitTensors = "split.tensors.count";

template <class Variant>
std::optional<std::uint64_t> whole(const Variant& value) {
  if (const auto* unsigned_value = std::get_if<std::uint64_t>(&value)) {
    return *unsigned_value;
  }
  const auto* signed_value = std::get_if<std::int64_t>(&value);
  return signed_value != nullptr && *signed_value >= 0
             ? std::optional(static_cast<std::uint64_t>(*signed_value))
             : std::nullopt;
}

Result<GgufHeader> read_one(const std::filesystem::path& path) {
  auto file = WeightFile::open(path);
  if (!file) {
    return std::unexpected(std::move(file.error()));
  }
  auto header = parse_gguf(*file);
  return header ? std::move(header) : in_file(path, header.error());
}

/// How many files the model of `header` has; 1 unless it says otherwise.
std::uint64_t files_of(const GgufHeader& header) {
  return std::max(std::uint64_t{1}, header.metadata.whole_number(kSplitCount).value_or(1));
}

Error misplaced(const std::filesystem::path& path, std::string message) {
  return {ErrorCode::corrupt, fmt::format("{}: {}", shown(path), message),
          "the files of a split model keep the names they were made with; fetch them again"};
}

/// That the file is what its name says: the `number`th (from 1) of `count`.
Result<void> check_part(const std::filesystem::path& path, const GgufHeader& header,
                        std::uint64_t number, std::uint64_t count) {
  const auto own_number = header.metadata.whole_number(kSplitNumber);
  if (files_of(header) != count || own_number != number - 1) {
    return std::unexpected(
        misplaced(path, fmt::format("its header says it is file {} of {}, not {} of {}",
                                    own_number ? fmt::to_string(*own_number + 1) : "(unknown)",
                                    files_of(header), number, count)));
  }
  return {};
}

/// The headers of all files beside `path`, with one list of tensors.
Result<GgufModel> read_parts(const std::filesystem::path& path, const SplitName& name) {
  GgufModel model;
  std::vector<Tensor> tensors;
  for (std::uint32_t number = 1; number <= name.count; ++number) {
    const std::filesystem::path part = path.parent_path() / sibling_name(name, number);
    auto header = read_one(part);
    if (!header) {
      return std::unexpected(std::move(header.error()));
    }
    if (auto right = check_part(part, *header, number, name.count); !right) {
      return std::unexpected(std::move(right.error()));
    }
    std::ranges::move(header->tensors.tensors, std::back_inserter(tensors));
    model.files.push_back(part);
    if (number == 1) {
      model.header = std::move(*header);
    }
  }
  const auto promised = model.header.metadata.whole_number(kSplitTensors);
  if (promised && *promised != tensors.size()) {
    return std::unexpected(misplaced(
        model.files.front(), fmt::format("its model has {} tensors, but its {} files hold {}",
                                         *promised, name.count, tensors.size())));
  }
  auto list = make_tensor_list(std::move(tensors));
  if (!list) {
    return in_file(model.files.front(), list.error());
  }
  model.header.tensors = std::move(*list);
  return model;
}

}  // namespace

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

std::optional<std::uint64_t> GgufMetadata::whole_number(std::string_view key) const {
  const GgufValue* value = find(key);
  return value == nullptr ? std::nullopt : whole(*value);
}

std::optional<double> GgufMetadata::number(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (const auto* real = std::get_if<double>(value)) {
    return *real;
  }
  if (const auto* negative = std::get_if<std::int64_t>(value)) {
    return static_cast<double>(*negative);
  }
  const auto* positive = std::get_if<std::uint64_t>(value);
  return positive == nullptr ? std::nullopt : std::optional(static_cast<double>(*positive));
}

std::optional<bool> GgufMetadata::truth(std::string_view key) const {
  const GgufValue* value = find(key);
  const bool* truth = value == nullptr ? nullptr : std::get_if<bool>(value);
  return truth == nullptr ? std::nullopt : std::optional(*truth);
}

std::optional<std::string_view> GgufMetadata::text(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string>(value);
  return text == nullptr ? std::nullopt : std::optional<std::string_view>(*text);
}

std::optional<std::uint64_t> GgufMetadata::array_length(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* array = value == nullptr ? nullptr : std::get_if<GgufArray>(value);
  return array == nullptr ? std::nullopt : std::optional(array->length);
}

std::optional<std::vector<std::uint64_t>> GgufMetadata::whole_numbers(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* array = value == nullptr ? nullptr : std::get_if<GgufArray>(value);
  if (array == nullptr || array->values.size() != array->length) {
    return std::nullopt;
  }
  std::vector<std::uint64_t> numbers;
  numbers.reserve(array->values.size());
  for (const GgufNumber& each : array->values) {
    const bool* truth = std::get_if<bool>(&each);
    const auto number =
        truth == nullptr ? whole(each) : std::optional<std::uint64_t>(*truth ? 1 : 0);
    if (!number) {
      return std::nullopt;
    }
    numbers.push_back(*number);
  }
  return numbers;
}

Result<GgufModel> read_gguf(const std::filesystem::path& path) {
  auto header = read_one(path);
  if (!header) {
    return std::unexpected(std::move(header.error()));
  }
  const std::uint64_t count = files_of(*header);
  if (count == 1) {
    return GgufModel{std::move(*header), {path}};
  }
  const auto name = parse_split_name(path.filename().string());
  if (!name || name->count != count) {
    return std::unexpected(
        misplaced(path, fmt::format("is one of {} files of a model, but its name does not end in "
                                    "\"-00001-of-{:05}.gguf\"",
                                    count, count)));
  }
  return read_parts(path, *name);
}

}  // namespace levee::formats
