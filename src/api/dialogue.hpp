// Dialogue: a connection that has left HTTP ("101 Switching Protocols") and goes on with lines of
// text in both directions. The server cuts and bounds them; what they mean is not its business.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace levee::api {

/// One side of such a connection. Called on the server's thread, one call at a time.
class Dialogue {
 public:
  /// The way to the other side. Thread-safe; neither blocks nor calls back, so it may be used under
  /// a lock. What is sent to somebody who has left is dropped.
  class Outlet {
   public:
    Outlet() = default;
    Outlet(const Outlet&) = delete;
    Outlet& operator=(const Outlet&) = delete;
    virtual ~Outlet() = default;
    /// `line` with its line feed. A reader that is too far behind is cut off.
    virtual void send(std::string line) = 0;
    /// Ends the connection once what was sent before is on its way.
    virtual void close() = 0;
  };

  Dialogue() = default;
  Dialogue(const Dialogue&) = delete;
  Dialogue& operator=(const Dialogue&) = delete;
  virtual ~Dialogue() = default;

  /// As it stands in the Upgrade header of the answer: "levee-reclaim/1".
  [[nodiscard]] virtual std::string protocol() const = 0;
  /// A longer line is never kept whole.
  [[nodiscard]] virtual std::size_t longest_line() const = 0;

  /// First. The outlet may be kept.
  virtual void begin(std::shared_ptr<Outlet> outlet) = 0;
  /// A line without its end.
  virtual void heard(std::string_view line) = 0;
  /// A line is longer than the longest; nothing is heard after it.
  virtual void heard_too_much() = 0;
  /// Nothing, or half a line, came for so long that the server will not wait any more.
  virtual void heard_nothing() = 0;
  /// Last, exactly once: the connection is gone.
  virtual void ended() = 0;
};

}  // namespace levee::api
