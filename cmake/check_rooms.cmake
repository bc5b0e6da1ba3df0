# cmake -DSOURCE=<src> -DRULES=<file> -P check_rooms.cmake
# Fails when a file includes a room that its own room may not use, when it climbs out of its room
# with "../", or when a file of the middle includes the operating system, a library of the edge, or
# reads a clock.

cmake_minimum_required(VERSION 3.25)
include(${RULES})
set(os_headers "unistd.h|fcntl.h|poll.h|c?signal(.h)?|spawn.h|dirent.h|dlfcn.h|sched.h|pthread.h|c?time(.h)?|sys/.*|linux/.*|arpa/.*|net/.*|netinet/.*|netdb.h|pwd.h|grp.h|filesystem|fstream|iostream|thread|mutex|shared_mutex|condition_variable|future|semaphore|stop_token|boost/.*|curl/.*|sqlite3.h|SQLiteCpp/.*|spdlog/.*|toml\\+\\+.*|nlohmann/.*")
set(faults "")

foreach(room IN LISTS ROOMS)
  file(GLOB_RECURSE files ${SOURCE}/${room}/*.cpp ${SOURCE}/${room}/*.hpp)
  foreach(file IN LISTS files)
    file(RELATIVE_PATH shown ${SOURCE} ${file})
    file(STRINGS ${file} includes REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"]")
    foreach(line IN LISTS includes)
      string(REGEX REPLACE "^[ \t]*#[ \t]*include[ \t]*[<\"]([^>\"]+)[>\"].*" "\\1" header "${line}")
      if(header MATCHES "\\.\\./")
        list(APPEND faults "src/${shown}: \"${header}\" climbs out of its room; include room/file.hpp")
        continue()
      endif()
      string(REGEX REPLACE "/.*" "" target "${header}")
      if(target IN_LIST ROOMS AND NOT target IN_LIST ALLOWED_${room})
        string(REPLACE ";" ", " allowed "${ALLOWED_${room}}")
        list(APPEND faults "src/${shown}: \"${header}\": room ${room} may include only ${allowed}")
      endif()
      # sys/types.h only names types (pid_t, uid_t).
      if(MIDDLE_${room} AND header MATCHES "^(${os_headers})$" AND NOT header STREQUAL "sys/types.h")
        list(APPEND faults "src/${shown}: <${header}>: room ${room} is pure; the edge does that")
      endif()
    endforeach()
    if(MIDDLE_${room})
      file(STRINGS ${file} clocks REGEX "(_clock::now|clock_gettime|gettimeofday|[^a-z_]time)[ ]*\\((\\)|nullptr|NULL|0|CLOCK_|&)")
      if(clocks)
        list(APPEND faults "src/${shown}: reads a clock; room ${room} is called with `now`")
      endif()
    endif()
  endforeach()
endforeach()

if(faults)
  list(JOIN faults "\n  " text)
  message(FATAL_ERROR "The house rules are broken (see docs/architecture.md):\n  ${text}")
endif()
