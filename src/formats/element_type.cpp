#include "formats/element_type.hpp"

#include <algorithm>
#include <array>

namespace levee::formats {
namespace {

constexpr std::int16_t kNotInGguf = -1;

struct Row {
  ElementType type;
  std::string_view name;
  std::uint16_t values;  // in a block
  std::uint16_t bytes;   // of a block
  bool in_safetensors;
  std::int16_t gguf_number;
};

// In the order of the enum. A block of the quantised types holds packed values and their scales:
// Q4_0 is 32 values of 4 bits and a 16-bit scale, 16 + 2 bytes.
constexpr std::array<Row, kElementTypes> kRows{{
    {ElementType::f64, "F64", 1, 8, true, 28},
    {ElementType::f32, "F32", 1, 4, true, 0},
    {ElementType::f16, "F16", 1, 2, true, 1},
    {ElementType::bf16, "BF16", 1, 2, true, 30},
    {ElementType::i64, "I64", 1, 8, true, 27},
    {ElementType::i32, "I32", 1, 4, true, 26},
    {ElementType::i16, "I16", 1, 2, true, 25},
    {ElementType::i8, "I8", 1, 1, true, 24},

    {ElementType::u64, "U64", 1, 8, true, kNotInGguf},
    {ElementType::u32, "U32", 1, 4, true, kNotInGguf},
    {ElementType::u16, "U16", 1, 2, true, kNotInGguf},
    {ElementType::u8, "U8", 1, 1, true, kNotInGguf},
    {ElementType::boolean, "BOOL", 1, 1, true, kNotInGguf},
    {ElementType::c64, "C64", 1, 8, true, kNotInGguf},
    {ElementType::f8_e4m3, "F8_E4M3", 1, 1, true, kNotInGguf},
    {ElementType::f8_e5m2, "F8_E5M2", 1, 1, true, kNotInGguf},
    {ElementType::f8_e8m0, "F8_E8M0", 1, 1, true, kNotInGguf},
    {ElementType::f8_e4m3fnuz, "F8_E4M3FNUZ", 1, 1, true, kNotInGguf},
    {ElementType::f8_e5m2fnuz, "F8_E5M2FNUZ", 1, 1, true, kNotInGguf},
    {ElementType::f6_e2m3, "F6_E2M3", 4, 3, true, kNotInGguf},
    {ElementType::f6_e3m2, "F6_E3M2", 4, 3, true, kNotInGguf},
    {ElementType::f4, "F4", 2, 1, true, kNotInGguf},

    {ElementType::q1_0, "Q1_0", 128, 18, false, 41},
    {ElementType::q2_0, "Q2_0", 64, 18, false, 42},
    {ElementType::q4_0, "Q4_0", 32, 18, false, 2},
    {ElementType::q4_1, "Q4_1", 32, 20, false, 3},
    {ElementType::q5_0, "Q5_0", 32, 22, false, 6},
    {ElementType::q5_1, "Q5_1", 32, 24, false, 7},
    {ElementType::q8_0, "Q8_0", 32, 34, false, 8},
    {ElementType::q8_1, "Q8_1", 32, 36, false, 9},
    {ElementType::q2_k, "Q2_K", 256, 84, false, 10},
    {ElementType::q3_k, "Q3_K", 256, 110, false, 11},
    {ElementType::q4_k, "Q4_K", 256, 144, false, 12},
    {ElementType::q5_k, "Q5_K", 256, 176, false, 13},
    {ElementType::q6_k, "Q6_K", 256, 210, false, 14},
    {ElementType::q8_k, "Q8_K", 256, 292, false, 15},
    {ElementType::iq1_s, "IQ1_S", 256, 50, false, 19},
    {ElementType::iq1_m, "IQ1_M", 256, 56, false, 29},
    {ElementType::iq2_xxs, "IQ2_XXS", 256, 66, false, 16},
    {ElementType::iq2_xs, "IQ2_XS", 256, 74, false, 17},
    {ElementType::iq2_s, "IQ2_S", 256, 82, false, 22},
    {ElementType::iq3_xxs, "IQ3_XXS", 256, 98, false, 18},
    {ElementType::iq3_s, "IQ3_S", 256, 110, false, 21},
    {ElementType::iq4_nl, "IQ4_NL", 32, 18, false, 20},
    {ElementType::iq4_xs, "IQ4_XS", 256, 136, false, 23},
    {ElementType::tq1_0, "TQ1_0", 256, 54, false, 34},
    {ElementType::tq2_0, "TQ2_0", 256, 66, false, 35},
    {ElementType::mxfp4, "MXFP4", 32, 17, false, 39},
    {ElementType::nvfp4, "NVFP4", 64, 36, false, 40},
}};

consteval bool rows_are_in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].type) != i) {
      return false;
    }
  }
  return true;
}
static_assert(rows_are_in_order());

const Row& row(ElementType type) noexcept { return kRows[static_cast<std::size_t>(type)]; }

}  // namespace

std::string_view to_string(ElementType type) noexcept { return row(type).name; }
std::uint64_t block_values(ElementType type) noexcept { return row(type).values; }
std::uint64_t block_bytes(ElementType type) noexcept { return row(type).bytes; }

std::optional<ElementType> safetensors_type(std::string_view name) noexcept {
  const auto* const found = std::ranges::find_if(
      kRows, [&](const Row& row) { return row.in_safetensors && row.name == name; });
  return found == kRows.end() ? std::nullopt : std::optional(found->type);
}

std::optional<ElementType> gguf_type(std::uint32_t number) noexcept {
  const auto* const found = std::ranges::find_if(kRows, [&](const Row& row) {
    return row.gguf_number != kNotInGguf && static_cast<std::uint32_t>(row.gguf_number) == number;
  });
  return found == kRows.end() ? std::nullopt : std::optional(found->type);
}

bool is_removed_gguf_type(std::uint32_t number) noexcept {
  // Q4_2, Q4_3; Q4_0_4_4, Q4_0_4_8, Q4_0_8_8; and the same three of IQ4_NL.
  return number == 4 || number == 5 || (number >= 31 && number <= 33) ||
         (number >= 36 && number <= 38);
}

}  // namespace levee::formats
