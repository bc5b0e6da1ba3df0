// Encoder: items into frames; Decoder: frames into items again, exactly as they were.
//
// Of the processes only those that were read anew are written: the others are as they were, since
// the source reads most of them in turn. An opening makes both forget what was before. One owner
// thread each.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>

#include "recorder/frames.hpp"
#include "recorder/items.hpp"

namespace levee::recorder {

/// Addresses that hold secrets, as numbers: "https://hooks.example.org/address-1". The same address
/// has the same number for as long as this lives, so that a change of it still shows as one.
class Redactor {
 public:
  void redact(Layers& settings);

 private:
  std::map<std::string, int, std::less<>> numbers_;
};

/// An incident as a frame; it needs nothing before it.
[[nodiscard]] std::string encode_incident(const Incident& incident);

class Encoder {
 public:
  Encoder();
  ~Encoder();
  Encoder(Encoder&&) noexcept;
  Encoder& operator=(Encoder&&) noexcept;

  /// The first item is an Opening; an Incident is none of this encoder's.
  [[nodiscard]] std::string encode(const Item& item);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  /// `corrupt` for anything that Encoder does not make.
  [[nodiscard]] Result<Item> decode(const Frame& frame);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace levee::recorder
