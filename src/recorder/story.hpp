// Story: the recorded minutes as series: how full everything was, and what each process had of it.
// Internal to the room. Pure.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "recorder/items.hpp"
#include "recorder/verdict.hpp"

namespace levee::recorder {

struct Point {
  Now at;
  Bytes used;
};

struct Series {
  Filled::Kind kind = Filled::Kind::host;
  std::string name;
  std::string key;
  Bytes total;
  std::vector<Point> points;
};

/// What a process had of one kind of memory.
struct Holding {
  Bytes first;
  Bytes peak;
};

struct Actor {
  std::shared_ptr<const ProcessIdentity> identity;  ///< Null: only its pid is known.
  Now first_seen;
  Now last_seen;
  std::map<std::string, Holding> holdings;  ///< By key of a Series; "" is the host.
};

struct Story {
  std::optional<Incident> incident;
  std::optional<Opening> opening;  ///< The last: its settings were in force.
  std::optional<Now> begin;
  Now end;
  std::uint64_t lost = 0;
  std::map<std::string, Series> series;  ///< By key: "", a GPU's UUID, a cgroup's path.
  std::map<std::pair<pid_t, std::uint64_t>, Actor> actors;  ///< By pid and start.
  std::vector<Happened> happened;
  std::size_t left_out = 0;
  std::map<std::string, api::LeaseReport> leases;  ///< As they were last; `peak` of these minutes.
  std::optional<Bytes> host_available;             ///< Of the machine, the last.
};

[[nodiscard]] Story tell_story(const std::vector<Item>& items);

/// Whether `path` is `cgroup` or lies below it.
[[nodiscard]] bool is_within(std::string_view path, std::string_view cgroup);

}  // namespace levee::recorder
