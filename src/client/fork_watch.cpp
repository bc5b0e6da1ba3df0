#include "client/fork_watch.hpp"

#include <pthread.h>
#include <unistd.h>

#include <mutex>

namespace levee::client {

/// All watches of the process. The child's handler allocates nothing and takes no lock that another
/// thread may have held: this one is held by the forking thread itself.
struct ForkList {
  std::mutex mutex;
  ForkWatch* first = nullptr;

  static ForkList& get() {
    // Never destroyed: a fork may come while static objects go.
    static ForkList* const list = [] {
      auto* made = new ForkList;
      ::pthread_atfork([] { get().mutex.lock(); }, [] { get().mutex.unlock(); },
                       [] {
                         get().leave_all();
                         get().mutex.unlock();
                       });
      return made;
    }();
    return *list;
  }

  void add(ForkWatch& watch) {
    const std::lock_guard lock(mutex);
    watch.next_ = first;
    if (first != nullptr) {
      first->previous_ = &watch;
    }
    first = &watch;
  }

  void remove(ForkWatch& watch) {
    const std::lock_guard lock(mutex);
    (watch.previous_ != nullptr ? watch.previous_->next_ : first) = watch.next_;
    if (watch.next_ != nullptr) {
      watch.next_->previous_ = watch.previous_;
    }
  }

  void leave_all() const noexcept {
    for (ForkWatch* each = first; each != nullptr; each = each->next_) {
      each->in_child_ = true;
      if (const int fd = each->fd_.exchange(-1); fd >= 0) {
        ::close(fd);
      }
    }
  }
};

ForkWatch::ForkWatch() { ForkList::get().add(*this); }
ForkWatch::~ForkWatch() { ForkList::get().remove(*this); }

}  // namespace levee::client
