// Verdict: what the recorded minutes say of an incident: what filled, who grew, what Levee did, and
// what would have helped. Pure: items in, values out.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "recorder/incident_dir.hpp"
#include "recorder/items.hpp"

namespace levee::recorder {

/// Memory of one kind, over the recorded minutes.
struct Filled {
  enum class Kind { host, gpu, cgroup };
  Kind kind = Kind::host;
  std::string name;  ///< "host memory", "GPU 0 (NVIDIA H200)", "cgroup /job".
  std::string key;   ///< UUID or path; empty: the host.
  Bytes total;
  std::optional<Bytes> before;    ///< In use where the rise began.
  Bytes peak;                     ///< The most that was in use.
  std::optional<WallTime> since;  ///< When the rise began.
  std::optional<WallTime> peak_at;
  std::optional<double> bytes_per_second;  ///< From there to the peak.
};

/// A process that grew, or that the kernel killed.
struct Grower {
  pid_t pid = 0;
  std::string user;
  std::string command;
  std::string gpu;  ///< Where: "GPU 0"; empty: in host memory.
  Bytes before;     ///< When it was first seen; nothing for one that began meanwhile.
  Bytes peak;
  bool began = false;   ///< Within the recorded minutes.
  bool ended = false;   ///< Within them, too.
  bool killed = false;  ///< By the kernel, for want of memory.
  std::string lease;    ///< Of the ledger, that it or an ancestor owns; empty: none.

  [[nodiscard]] Bytes grown() const { return peak - before; }
};

struct UserGrowth {
  std::string user;
  Bytes grown;  ///< By those of its processes that grew, on what filled.
};

/// A lease whose account used more than it was promised.
struct OverPromise {
  std::string lease;
  std::string name;
  std::string user;
  std::string resource;  ///< "host memory", "GPU 0".
  Bytes promised;
  Bytes used;  ///< The most of it.
};

/// An event, by its JSON.
struct Happened {
  std::string at;  ///< "2026-01-31T08:05:09.123Z".
  std::string kind;
  std::string severity;  ///< May be empty.
  std::string message;
};

struct Verdict {
  std::optional<Incident> incident;  ///< Absent: of a recording.
  std::string hostname;
  std::string version;
  std::optional<WallTime> from;
  std::optional<WallTime> to;
  std::uint64_t lost = 0;       ///< Items that could not be recorded.
  std::string damage;           ///< Where the recording is cut or damaged; empty: nowhere.
  std::vector<Filled> filled;   ///< What matters most first.
  std::vector<Grower> growers;  ///< On the first of those; the largest growth first.
  std::vector<UserGrowth> users;
  std::vector<OverPromise> over;
  std::vector<Happened> happened;  ///< In order; at most kMostHappened, the last of them.
  std::size_t left_out = 0;        ///< Earlier ones.
  std::vector<std::string> helps;  ///< Sentences, with the numbers.
};

inline constexpr std::size_t kMostHappened = 200;
inline constexpr std::size_t kMostGrowers = 10;

[[nodiscard]] Verdict judge(const std::vector<Item>& items);

/// The verdict on what lies in `file`, a bundle or a recording, as JSON.
[[nodiscard]] Result<std::string> judge_file(const std::filesystem::path& file);

/// As the API shows it.
[[nodiscard]] std::string to_json(const Verdict& verdict);

/// The list of bundles, and how many triggers made none.
[[nodiscard]] std::string to_json(const std::vector<IncidentDir::Entry>& entries,
                                  std::uint64_t unsaved);

}  // namespace levee::recorder
