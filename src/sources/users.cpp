#include "sources/users.hpp"

#include <pwd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "sources/proc_text.hpp"

namespace levee::sources {
namespace {

/// How long the destructor waits for a lookup in flight before it leaves it to itself.
constexpr std::chrono::milliseconds kFarewell{250};

struct Lookup {
  bool answered = false;
  std::string name;  ///< Empty: the user has none.
};

/// Asks the C library; may block for as long as a directory service pleases.
Lookup ask(uid_t uid) {
  std::vector<char> buffer(std::size_t{16} * 1024);
  passwd entry{};
  passwd* found = nullptr;
  const int error = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) {
    return {.answered = true, .name = printable(found->pw_name)};
  }
  return {.answered = error == 0, .name = {}};
}

}  // namespace

/// Shared with the thread that asks: it may outlive the UserNames when a lookup hangs.
struct UserNames::State {
  explicit State(const Root& root)
      : ask_system(root.is_real()),
        names(parse_passwd(root.read("/etc/passwd", std::size_t{4} * 1024 * 1024).value_or(""))) {}

  /// Answers questions until it is told to stop.
  void serve();

  const bool ask_system;
  std::mutex mutex;  // guards all that follows
  std::condition_variable changed;
  std::map<uid_t, std::string> names;
  std::set<uid_t> nameless;
  std::deque<uid_t> asked;
  bool has_thread = false;
  bool stopping = false;
};

void UserNames::State::serve() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    if (asked.empty()) {
      changed.wait(lock);
      continue;
    }
    const uid_t uid = asked.front();
    lock.unlock();
    const Lookup lookup = ask(uid);
    lock.lock();
    asked.pop_front();
    if (!lookup.name.empty()) {
      names.try_emplace(uid, lookup.name);
    } else if (lookup.answered) {
      nameless.insert(uid);
    }
  }
  has_thread = false;
  // Told under the lock: the owner may let go of everything as soon as it is free.
  changed.notify_all();
}

UserNames::UserNames(const Root& root) : state_(std::make_shared<State>(root)) {}

UserNames::~UserNames() {
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  state_->changed.notify_all();
  state_->changed.wait_for(lock, kFarewell, [this] { return !state_->has_thread; });
}

std::string UserNames::name(uid_t uid) {
  const std::lock_guard lock(state_->mutex);
  const auto known = state_->names.find(uid);
  if (known != state_->names.end()) {
    return known->second;
  }
  const bool is_asked = std::ranges::find(state_->asked, uid) != state_->asked.end();
  if (state_->ask_system && !is_asked && !state_->nameless.contains(uid)) {
    state_->asked.push_back(uid);
    if (!state_->has_thread) {
      state_->has_thread = true;
      std::thread([state = state_] { state->serve(); }).detach();
    }
    state_->changed.notify_all();
  }
  return std::to_string(uid);
}

}  // namespace levee::sources
