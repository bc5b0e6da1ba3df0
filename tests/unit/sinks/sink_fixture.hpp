// What the tests of the sinks share: events, and notifications made of them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "sinks/sink.hpp"
#include "support/patience.hpp"
#include "support/small_disk.hpp"
#include "support/temp_dir.hpp"
#include "support/values.hpp"

namespace levee::sinks {

using namespace std::chrono_literals;
using test::contents;
using test::eventually;
using test::put;
using test::SmallDisk;
using test::TempDir;

/// 2026-01-31T08:05:09.123Z
inline constexpr WallTime kNow{1'769'846'709'123ms};

inline Event plain(EventKind kind, std::string message) {
  Event event;
  event.at = kNow;
  event.kind = kind;
  event.message = std::move(message);
  return event;
}

inline Event alert(Severity severity = Severity::warning) {
  Event event = plain(EventKind::alert, "High CPU memory usage");
  event.severity = severity;
  Alert what;
  what.type = AlertType::cpu_memory;
  what.severity = severity;
  what.value = 82.14;
  what.threshold = 80;
  what.message = event.message;
  what.timestamp = kNow - 200s;
  event.alert = what;
  return event;
}

inline Event resolved(Severity severity = Severity::warning) {
  Event event = alert(severity);
  event.kind = EventKind::resolved;
  event.message = "Resolved: " + event.message;
  event.alert->resolved_at = kNow;
  return event;
}

inline std::shared_ptr<const Notification> notify(Event event, std::string json = "{\"n\":1}") {
  return std::make_shared<const Notification>(Notification{std::move(event), std::move(json)});
}

}  // namespace levee::sinks
