// Values of GGUF metadata: reading the next one. See gguf.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "formats/byte_source.hpp"
#include "formats/gguf.hpp"
#include "levee/result.hpp"

namespace levee::formats {

/// A text: its length, then its bytes. Refuses one of more than `most` bytes.
[[nodiscard]] Result<std::string> read_gguf_text(ByteReader& reader, std::uint64_t most,
                                                 std::string_view what);

/// The type of a value and the value. `what` names it in errors.
[[nodiscard]] Result<GgufValue> read_gguf_value(ByteReader& reader, std::string_view what);

}  // namespace levee::formats
