/* Giving memory back when the Levee daemon asks, for C and for bindings of other languages.
 * levee/reclaim.hpp is the same for C++, and says more.
 *
 * Thread-safe, but for levee_reclaim_free(): call it once, when nobody uses the client any more.
 * Callbacks run one at a time on a thread of the library. After fork() the child has no client:
 * the calls fail there, and levee_reclaim_free() may be called.
 *
 * Functions return LEVEE_OK or another levee_status. What went wrong is in
 * levee_reclaim_last_error(). No exception ever leaves the library; none may leave a callback.
 */
#ifndef LEVEE_RECLAIM_H
#define LEVEE_RECLAIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LEVEE_API __attribute__((visibility("default")))
#else
#define LEVEE_API
#endif

/* Rises when something here is added; what is there stays as it is. */
#define LEVEE_RECLAIM_API_VERSION 1
LEVEE_API int levee_reclaim_api_version(void);

typedef enum levee_status {
  LEVEE_OK = 0,
  LEVEE_WAITING = 1, /* No daemon yet: it is looked for in the background. */
  LEVEE_INVALID = -1,
  LEVEE_NOT_FOUND = -2,
  LEVEE_BUSY = -3, /* It was started already. */
  LEVEE_FAILED = -4
} levee_status;

typedef enum levee_strategy {
  LEVEE_CLEAR_CACHE = 0,
  LEVEE_YIELD_BALLOON = 1,
  LEVEE_REDUCE_BATCH = 2,
  LEVEE_OFFLOAD = 3
} levee_strategy;

typedef enum levee_reclaim_result {
  LEVEE_DONE = 0,    /* freed_bytes were freed. */
  LEVEE_REFUSED = 1, /* Not now. */
  LEVEE_FAILED_TO_FREE = 2
} levee_reclaim_result;

typedef struct levee_reclaim_request {
  uint64_t id;
  int strategy;       /* levee_strategy */
  const char *device; /* The UUID of a GPU, or "host". Valid during the call, as `reason`. */
  uint64_t bytes;     /* So much is wanted. */
  double seconds;     /* So much time is left when the callback is called. */
  const char *reason;
} levee_reclaim_request;

/* Comes filled with LEVEE_DONE, 0 bytes and no message. */
typedef struct levee_reclaim_answer {
  int result; /* levee_reclaim_result */
  uint64_t freed_bytes;
  char message[256]; /* UTF-8, ends with a zero; for people. */
} levee_reclaim_answer;

/* Frees memory and says in `answer` what came of it. */
typedef void (*levee_reclaim_callback)(const levee_reclaim_request *request,
                                       levee_reclaim_answer *answer, void *user_data);

typedef struct levee_reclaim levee_reclaim;

/* What is not known of an estimate. */
#define LEVEE_UNKNOWN UINT64_MAX

/* `name` may be NULL: the name of the program. NULL when memory is short. */
LEVEE_API levee_reclaim *levee_reclaim_new(const char *name, int priority);

/* Says goodbye, and waits for a callback that is running, for a second at most. One that runs
 * longer is left to end by itself: its user data must stay until then. NULL is ignored. */
LEVEE_API void levee_reclaim_free(levee_reclaim *client);

/* Offers something, or offers it anew. `device` NULL: "host". */
LEVEE_API int levee_reclaim_on(levee_reclaim *client, int strategy, const char *device,
                               levee_reclaim_callback callback, void *user_data,
                               uint64_t estimate_bytes);

/* Takes it back. A callback that is running runs on. */
LEVEE_API int levee_reclaim_off(levee_reclaim *client, int strategy, const char *device);

/* Says how much it would bring now. LEVEE_NOT_FOUND when it is not offered. */
LEVEE_API int levee_reclaim_estimate(levee_reclaim *client, int strategy, const char *device,
                                     uint64_t estimate_bytes);

/* Connects to the daemon at `socket_path`, or, when that is NULL, to the first one found.
 * LEVEE_OK: registered. LEVEE_WAITING: not yet; it goes on trying. */
LEVEE_API int levee_reclaim_start(levee_reclaim *client, const char *socket_path);

/* LEVEE_OK while it is registered, else LEVEE_WAITING. */
LEVEE_API int levee_reclaim_state(levee_reclaim *client);

/* What the last call of this thread that did not return LEVEE_OK complained of, with a hint. Valid
 * until this thread's next call. Never NULL. */
LEVEE_API const char *levee_reclaim_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
