// Talk: a connection that has left HTTP for an api::Dialogue: lines in both directions. Bounded in
// what it keeps of a line, in what waits to be sent, and in how long it waits for half a line. Used
// on the I/O thread only; the dialogue's outlet is for any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/dialogue.hpp"
#include "core/lines.hpp"
#include "server/connection.hpp"

namespace levee::server {

class Talk : public std::enable_shared_from_this<Talk> {
 public:
  /// What it needs of the connection it was.
  struct Home {
    const Limits& limits;
    std::shared_ptr<Mailbox> mailbox;
    std::function<void(TimePoint)> wake_by;  ///< Asks for on_due().
    std::function<void()> over;  ///< The connection is to be forgotten. Called once, and last.
  };

  Talk(Home home, Socket socket, std::shared_ptr<api::Dialogue> dialogue);

  /// Sends `head`; `early` is what the client sent right after its request.
  void start(std::string head, std::string_view early);

  /// Ends it now; what has not been sent is lost. Idempotent.
  void close();

  [[nodiscard]] TimePoint due() const noexcept { return std::min(hear_by_, sent_by_); }
  void on_due(TimePoint now);

 private:
  class Outlet;
  static constexpr std::size_t kReadAtOnce = 4096;

  void read();
  void cut_lines();
  void send(std::string line);
  void close_when_sent();
  void write();
  void on_written();
  void set_due(TimePoint& due, std::chrono::milliseconds time);

  Home home_;
  Socket socket_;
  std::shared_ptr<api::Dialogue> dialogue_;
  LineCutter cutter_;
  std::vector<char> room_ = std::vector<char>(kReadAtOnce);
  TimePoint hear_by_ = TimePoint::max();  ///< The rest of a line must be here.
  TimePoint sent_by_ = TimePoint::max();  ///< What is being sent must be gone.
  std::string in_flight_;
  std::string waiting_;
  bool is_deaf_ = false;  ///< Nothing more is heard: a line was too long or came too slowly.
  bool is_closing_ = false;
  bool is_closed_ = false;
};

}  // namespace levee::server
