/* A program in C that gives a cache back when the Levee daemon asks.
 *
 *   cc -std=c11 -Iinclude examples/reclaim.c -o reclaim -L build/release -l levee-reclaim
 *
 * Without a daemon it says so, and goes on: the library looks for one in the background. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "levee/reclaim.h"

struct cache {
  char *memory;
  size_t bytes;
};

static void clear_cache(const levee_reclaim_request *request, levee_reclaim_answer *answer,
                        void *user_data) {
  struct cache *cache = user_data;
  printf("asked for %llu bytes of %s: %s\n", (unsigned long long)request->bytes, request->device,
         request->reason);
  fflush(stdout);
  if (cache->memory == NULL) {
    answer->result = LEVEE_REFUSED;
    snprintf(answer->message, sizeof answer->message, "the cache is empty");
    return;
  }
  free(cache->memory); /* So large a block goes back to the system at once. */
  cache->memory = NULL;
  answer->freed_bytes = cache->bytes;
}

int main(int argc, char **argv) {
  struct cache cache = {NULL, (size_t)64 << 20};
  levee_reclaim *client = levee_reclaim_new("example", 0);
  int status;

  cache.memory = malloc(cache.bytes);
  if (client == NULL || cache.memory == NULL) {
    fprintf(stderr, "out of memory\n");
    return 1;
  }
  memset(cache.memory, 1, cache.bytes);

  if (levee_reclaim_on(client, LEVEE_CLEAR_CACHE, "host", clear_cache, &cache, cache.bytes) !=
      LEVEE_OK) {
    fprintf(stderr, "%s\n", levee_reclaim_last_error());
    return 1;
  }
  status = levee_reclaim_start(client, argc > 1 ? argv[1] : NULL);
  if (status == LEVEE_OK) {
    printf("registered\n");
  } else if (status == LEVEE_WAITING) {
    printf("waiting for a daemon: %s\n", levee_reclaim_last_error());
  } else {
    fprintf(stderr, "%s\n", levee_reclaim_last_error());
    return 1;
  }
  fflush(stdout);

  getchar(); /* The work of the program. */

  levee_reclaim_free(client);
  free(cache.memory);
  return 0;
}
