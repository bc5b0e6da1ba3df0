// The JSON of one safetensors file.
#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <ranges>
#include <tuple>
#include <utility>

#include "formats/json_events.hpp"
#include "formats/safetensors.hpp"

namespace levee::formats {
namespace {

constexpr std::size_t kMostDimensions = 64;  // as many as PyTorch knows
constexpr std::size_t kMostTensors = 1'000'000;
constexpr std::string_view kDamaged =
    "the file is damaged or was not written by a model library; fetch or convert it again";

/// Where a tensor's data lies, counted from the end of the header.
struct Span {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  auto operator<=>(const Span&) const = default;
};

struct Placed {
  Tensor tensor;
  Span span;
};

/// {"__metadata__": {…}, NAME: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}
/// Members of a tensor that are not known are passed over, as the format's own reader does.
class HeaderEvents final : public JsonEvents {
 public:
  [[nodiscard]] std::vector<Placed>& tensors() noexcept { return tensors_; }

  bool key(string_t& name) override;

 protected:
  bool entered(Opens what) override;
  bool leaving() override;
  bool whole_number(std::uint64_t value) override;
  bool text_value(std::string& text) override;
  bool scalar() override;

 private:
  enum class Member { other, dtype, shape, data_offsets };
  static constexpr int kInHeader = 1;
  static constexpr int kInTensor = 2;
  static constexpr int kInList = 3;

  [[nodiscard]] bool is_skipping() const { return skipping_from_ != 0; }
  bool finish_tensor();
  bool wrong(std::string_view what) {
    return refuse(fmt::format("tensor {}: {}", in_quotes(name_), what));
  }

  std::vector<Placed> tensors_;
  int skipping_from_ = 0;  // the depth of the container that is passed over; 0: none
  bool metadata_seen_ = false;

  // of the tensor being read
  std::string name_;
  Member member_ = Member::other;
  std::optional<ElementType> type_;
  std::optional<std::vector<std::uint64_t>> shape_;
  std::optional<std::vector<std::uint64_t>> offsets_;
};

bool HeaderEvents::key(string_t& name) {
  if (is_skipping()) {
    return true;
  }
  if (depth() == kInHeader) {
    name_ = std::move(name);
    if (name_ == "__metadata__" && std::exchange(metadata_seen_, true)) {
      return refuse("\"__metadata__\" is there twice");
    }
    return true;
  }
  member_ = name == "dtype"          ? Member::dtype
            : name == "shape"        ? Member::shape
            : name == "data_offsets" ? Member::data_offsets
                                     : Member::other;
  const bool is_repeated = (member_ == Member::dtype && type_) ||
                           (member_ == Member::shape && shape_) ||
                           (member_ == Member::data_offsets && offsets_);
  return is_repeated ? wrong(fmt::format("{} is there twice", in_quotes(name))) : true;
}

bool HeaderEvents::entered(Opens what) {
  if (is_skipping()) {
    return true;
  }
  if (depth() == kInHeader) {
    return what == Opens::object ? true : refuse("the header is no JSON object");
  }
  if (depth() == kInTensor) {
    if (name_ == "__metadata__") {
      skipping_from_ = depth();
      return true;
    }
    type_.reset();
    shape_.reset();
    offsets_.reset();
    return what == Opens::object ? true : wrong("is no JSON object");
  }
  if (depth() == kInList && member_ == Member::other) {
    skipping_from_ = depth();
    return true;
  }
  if (depth() > kInList || what != Opens::array || member_ == Member::dtype) {
    return wrong(R"("dtype" must be a text, "shape" and "data_offsets" lists of whole numbers)");
  }
  (member_ == Member::shape ? shape_ : offsets_).emplace();
  return true;
}

bool HeaderEvents::leaving() {
  if (is_skipping()) {
    skipping_from_ = depth() == skipping_from_ ? 0 : skipping_from_;
    return true;
  }
  return depth() == kInTensor ? finish_tensor() : true;
}

bool HeaderEvents::whole_number(std::uint64_t value) {
  if (is_skipping() || depth() != kInList) {
    return scalar();
  }
  std::vector<std::uint64_t>& list = member_ == Member::shape ? *shape_ : *offsets_;
  const std::size_t most = member_ == Member::shape ? kMostDimensions : 2;
  if (list.size() == most) {
    return wrong(member_ == Member::shape
                     ? fmt::format("\"shape\" has more than {} dimensions", kMostDimensions)
                     : "\"data_offsets\" must be two whole numbers");
  }
  list.push_back(value);
  return true;
}

bool HeaderEvents::text_value(std::string& text) {
  if (is_skipping() || depth() != kInTensor || member_ != Member::dtype) {
    return scalar();
  }
  type_ = safetensors_type(text);
  return type_ ? true : wrong(fmt::format("{} is no known \"dtype\"", in_quotes(text)));
}

bool HeaderEvents::scalar() {
  if (is_skipping() || (depth() == kInTensor && member_ == Member::other)) {
    return true;
  }
  if (depth() == 0) {
    return refuse("the header is no JSON object");
  }
  if (depth() == kInHeader) {
    return name_ == "__metadata__" ? true : wrong("is no JSON object");
  }
  return wrong(R"("dtype" must be a text, "shape" and "data_offsets" lists of whole numbers)");
}

bool HeaderEvents::finish_tensor() {
  if (!type_ || !shape_ || !offsets_) {
    return wrong(fmt::format("\"{}\" is missing", !type_    ? "dtype"
                                                  : !shape_ ? "shape"
                                                            : "data_offsets"));
  }
  if (offsets_->size() != 2 || (*offsets_)[0] > (*offsets_)[1]) {
    return wrong("\"data_offsets\" must be where the data begins and where it ends");
  }
  const Span span{(*offsets_)[0], (*offsets_)[1]};
  auto tensor = make_tensor(name_, *type_, std::move(*shape_));
  if (!tensor) {
    return refuse(tensor.error().message);
  }
  if (tensor->bytes.count != span.end - span.begin) {
    return wrong(fmt::format("shape {} in {} takes {} bytes, but \"data_offsets\" span {}",
                             shape_text(tensor->shape), to_string(*type_), tensor->bytes.count,
                             span.end - span.begin));
  }
  if (tensors_.size() == kMostTensors) {
    return refuse(fmt::format("the file holds more than {} tensors", kMostTensors));
  }
  tensors_.push_back({std::move(*tensor), span});
  return true;
}

/// That the tensors follow each other from the first byte of the data to the last.
Result<void> check_cover(const std::vector<Placed>& tensors, std::uint64_t data_bytes) {
  std::uint64_t end = 0;
  for (const auto& [tensor, span] : tensors) {
    if (span.begin != end) {
      return fail(ErrorCode::corrupt,
                  fmt::format("tensor {}: its data begins at byte {}, but the data before it ends "
                              "at {}",
                              in_quotes(tensor.name), span.begin, end),
                  std::string(kDamaged));
    }
    end = span.end;
    if (end > data_bytes) {
      return fail(ErrorCode::corrupt,
                  fmt::format("tensor {}: its data ends at byte {}, but the file holds {} bytes of "
                              "data",
                              in_quotes(tensor.name), end, data_bytes),
                  "the file was not copied or downloaded to its end; fetch it again");
    }
  }
  if (end != data_bytes) {
    return fail(ErrorCode::corrupt,
                fmt::format("the tensors take {} bytes, but the file holds {} bytes of data", end,
                            data_bytes),
                std::string(kDamaged));
  }
  return {};
}

}  // namespace

Result<TensorList> parse_safetensors_header(std::string_view json, std::uint64_t data_bytes) {
  if (!json.starts_with('{')) {
    return fail(ErrorCode::corrupt, "the header does not begin with \"{\"", std::string(kDamaged));
  }
  HeaderEvents events;
  if (auto done = run(json, events); !done) {
    return std::unexpected(std::move(done.error()));
  }
  std::vector<Placed>& placed = events.tensors();
  // By name where empty tensors share a place, so that the order is always the same.
  std::ranges::sort(placed, {},
                    [](const Placed& each) { return std::tie(each.span, each.tensor.name); });
  if (auto covered = check_cover(placed, data_bytes); !covered) {
    return std::unexpected(std::move(covered.error()));
  }
  std::vector<Tensor> tensors;
  tensors.reserve(placed.size());
  std::ranges::move(placed | std::views::transform(&Placed::tensor), std::back_inserter(tensors));
  return make_tensor_list(std::move(tensors));
}

}  // namespace levee::formats
