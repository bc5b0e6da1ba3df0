#include "formats/element_type.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string_view>

using namespace levee::formats;

namespace {

ElementType nth(std::size_t n) { return static_cast<ElementType>(n); }

TEST(ElementType, HasANameOfItsOwnAndABlock) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kElementTypes; ++i) {
    EXPECT_TRUE(names.insert(to_string(nth(i))).second) << to_string(nth(i));
    EXPECT_GT(block_values(nth(i)), 0U);
    EXPECT_GT(block_bytes(nth(i)), 0U);
  }
}

TEST(ElementType, IsInAFormat) {
  for (std::size_t i = 0; i < kElementTypes; ++i) {
    bool in_gguf = false;
    for (std::uint32_t number = 0; number < 64; ++number) {
      in_gguf |= gguf_type(number) == nth(i);
    }
    EXPECT_TRUE(in_gguf || safetensors_type(to_string(nth(i))) == nth(i)) << to_string(nth(i));
  }
}

// Bits a value as the formats' documents state them.
struct Bits {
  ElementType type;
  double bits;
};

TEST(ElementType, TakesTheBitsItsFormatStates) {
  using enum ElementType;
  constexpr Bits kStated[] = {
      {f64, 64},         {c64, 64},        {f32, 32},       {bf16, 16},        {f8_e4m3, 8},
      {boolean, 8},      {f6_e2m3, 6},     {f6_e3m2, 6},    {f4, 4},           {q1_0, 1.125},
      {q2_0, 2.25},      {q4_0, 4.5},      {q4_1, 5},       {q5_0, 5.5},       {q5_1, 6},
      {q8_0, 8.5},       {q8_1, 9},        {q2_k, 2.625},   {q3_k, 3.4375},    {q4_k, 4.5},
      {q5_k, 5.5},       {q6_k, 6.5625},   {q8_k, 9.125},   {iq1_s, 1.5625},   {iq1_m, 1.75},
      {iq2_xxs, 2.0625}, {iq2_xs, 2.3125}, {iq2_s, 2.5625}, {iq3_xxs, 3.0625}, {iq3_s, 3.4375},
      {iq4_nl, 4.5},     {iq4_xs, 4.25},   {tq1_0, 1.6875}, {tq2_0, 2.0625},   {mxfp4, 4.25},
      {nvfp4, 4.5},
  };
  for (const auto& [type, bits] : kStated) {
    EXPECT_DOUBLE_EQ(
        8.0 * static_cast<double>(block_bytes(type)) / static_cast<double>(block_values(type)),
        bits)
        << to_string(type);
  }
}

TEST(ElementType, KnowsTheNumbersOfGguf) {
  EXPECT_EQ(gguf_type(0), ElementType::f32);
  EXPECT_EQ(gguf_type(1), ElementType::f16);
  EXPECT_EQ(gguf_type(12), ElementType::q4_k);
  EXPECT_EQ(gguf_type(16), ElementType::iq2_xxs);
  EXPECT_EQ(gguf_type(18), ElementType::iq3_xxs);
  EXPECT_EQ(gguf_type(28), ElementType::f64);
  EXPECT_EQ(gguf_type(29), ElementType::iq1_m);
  EXPECT_EQ(gguf_type(30), ElementType::bf16);
  EXPECT_EQ(gguf_type(39), ElementType::mxfp4);
}

TEST(ElementType, RefusesNumbersThatNoTypeHas) {
  for (const std::uint32_t number : {4U, 5U, 31U, 33U, 36U, 38U, 43U, 1000U, 0xffffffffU}) {
    EXPECT_FALSE(gguf_type(number)) << number;
  }
  EXPECT_TRUE(is_removed_gguf_type(4));
  EXPECT_TRUE(is_removed_gguf_type(38));
  EXPECT_FALSE(is_removed_gguf_type(43));
  EXPECT_FALSE(is_removed_gguf_type(0));
}

TEST(ElementType, RefusesNamesThatSafetensorsDoesNotKnow) {
  for (const std::string_view name : {"", "f32", "F32 ", "Q4_K", "FP16", "INT8", "F8"}) {
    EXPECT_FALSE(safetensors_type(name)) << name;
  }
}

}  // namespace
