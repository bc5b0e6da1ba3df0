// ElementType: how the values of a tensor are stored, in safetensors and in GGUF alike.
//
// A type stores its values in blocks of a fixed number of values and of bytes; plain types have one
// value in a block. Where both formats know a type (F32, BF16, I8 …) it is the same here. Pure;
// thread-safe. Sources: the list of dtypes of the safetensors format, and the block layouts of
// GGML's tensor types, of which GGUF stores the number.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace levee::formats {

enum class ElementType : std::uint8_t {
  // in both formats
  f64,
  f32,
  f16,
  bf16,
  i64,
  i32,
  i16,
  i8,
  // in safetensors
  u64,
  u32,
  u16,
  u8,
  boolean,
  c64,  ///< A complex number of two F32.
  f8_e4m3,
  f8_e5m2,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  f6_e2m3,
  f6_e3m2,
  f4,
  // in GGUF
  q1_0,
  q2_0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q8_1,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  q8_k,
  iq1_s,
  iq1_m,
  iq2_xxs,
  iq2_xs,
  iq2_s,
  iq3_xxs,
  iq3_s,
  iq4_nl,
  iq4_xs,
  tq1_0,
  tq2_0,
  mxfp4,
  nvfp4,
};

inline constexpr std::size_t kElementTypes = static_cast<std::size_t>(ElementType::nvfp4) + 1;

/// The name its format gives it: "BF16", "Q4_K".
[[nodiscard]] std::string_view to_string(ElementType type) noexcept;

/// Values in a block; 1 for plain types. Never zero.
[[nodiscard]] std::uint64_t block_values(ElementType type) noexcept;

/// Bytes of a block. Never zero.
[[nodiscard]] std::uint64_t block_bytes(ElementType type) noexcept;

/// The type a safetensors header calls `name` ("BF16"; capitals matter).
[[nodiscard]] std::optional<ElementType> safetensors_type(std::string_view name) noexcept;

/// The type GGUF stores as `number`.
[[nodiscard]] std::optional<ElementType> gguf_type(std::uint32_t number) noexcept;

/// True for numbers that GGUF files had once and that were taken back.
[[nodiscard]] bool is_removed_gguf_type(std::uint32_t number) noexcept;

}  // namespace levee::formats
