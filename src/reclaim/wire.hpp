// Wire: what the daemon and a process that can give memory back say to each other, once their
// connection has left HTTP: one JSON object per line. docs/reclaim-protocol.md is the reference for
// those who write a client of their own. Pure; thread-safe.
//
//   process → daemon   {"type":"register","name":"trainer","priority":0,"offers":[{…}, …]}   first
//                      {"type":"update","offers":[{…}, …]}         what it offers from now on
//                      {"type":"answer","id":7,"result":"done","freed_bytes":1048576}
//                      {"type":"goodbye"}
//   daemon → process   {"type":"welcome","client":"r3"}
//                      {"type":"request","id":7,"strategy":"clear_cache","device":"host", …}
//                      {"type":"error","code":…,"message":…,"hint":…}   last; then it hangs up
//
// An offer is {"strategy":"clear_cache","device":"host","estimate_bytes":1048576}. Members that are
// not known are left alone, so that a later daemon or client can say more within a version.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "levee/bytes.hpp"
#include "levee/reclaim_strategy.hpp"
#include "levee/result.hpp"
#include "reclaim/record.hpp"
#include "reclaim/roster.hpp"

namespace levee::reclaim::wire {

/// As in "Upgrade: levee-reclaim/1".
inline constexpr std::string_view kProtocol = "levee-reclaim/1";
inline constexpr std::string_view kPath = "/api/v1/reclaim";

/// Bounds of a message. encode() cuts texts to them, decode() refuses what is beyond.
inline constexpr std::size_t kLongestLine = std::size_t{64} * 1024;
inline constexpr std::size_t kLongestName = 64;
inline constexpr std::size_t kLongestDevice = 128;
inline constexpr std::size_t kLongestText = 1024;
inline constexpr std::size_t kMostOffers = 64;
inline constexpr int kMostPriority = 1000;  ///< And −1000 the least, as for leases.

struct Register {
  std::string name;
  int priority = 0;
  std::vector<Offer> offers;

  bool operator==(const Register&) const = default;
};
/// All that it offers from now on; a request on its way may still be for something else.
struct Update {
  std::vector<Offer> offers;

  bool operator==(const Update&) const = default;
};
struct Answer {
  std::uint64_t id = 0;
  Outcome result = Outcome::done;  ///< done, refused or failed.
  Bytes freed;
  std::string message;

  bool operator==(const Answer&) const = default;
};
struct Goodbye {
  bool operator==(const Goodbye&) const = default;
};

struct Welcome {
  std::string client;

  bool operator==(const Welcome&) const = default;
};
struct Request {
  std::uint64_t id = 0;
  ReclaimStrategy strategy = ReclaimStrategy::clear_cache;
  std::string device;
  Bytes bytes;
  std::chrono::milliseconds deadline{0};  ///< From its arrival on.
  std::string reason;

  bool operator==(const Request&) const = default;
};
struct Fault {
  Error error;

  bool operator==(const Fault&) const = default;
};

using Message = std::variant<Register, Update, Answer, Goodbye, Welcome, Request, Fault>;

/// One line, with its line feed.
[[nodiscard]] std::string encode(const Message& message);

/// `line` is without its line feed. `invalid_argument` says what is wrong with it and how it should
/// be.
[[nodiscard]] Result<Message> decode(std::string_view line);

/// The protocol to speak with somebody who sent `upgrade` as Upgrade header; `invalid_argument`
/// when that has none of ours.
[[nodiscard]] Result<std::string> choose_protocol(std::string_view upgrade);

}  // namespace levee::reclaim::wire
