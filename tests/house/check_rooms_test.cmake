# cmake -DCHECK=<check_rooms.cmake> -DSCRATCH=<dir> -P check_rooms_test.cmake
# Writes small houses and shows that the check lets the good one pass and names each fault of the
# bad ones. Three rooms: hall (middle), study (middle, may use hall), porch (edge, may use hall).

cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${SCRATCH})
file(WRITE ${SCRATCH}/rules.cmake "set(ROOMS hall study porch)
set(ALLOWED_hall hall)
set(MIDDLE_hall TRUE)
set(ALLOWED_study study hall)
set(MIDDLE_study TRUE)
set(ALLOWED_porch porch hall)
set(MIDDLE_porch FALSE)
")

# check(<name> <file> <line> <expected>): a house whose one file holds `line`; `expected` is "ok" or
# a piece of the complaint.
function(check name file line expected)
  set(house ${SCRATCH}/${name})
  foreach(room hall study porch)
    file(MAKE_DIRECTORY ${house}/${room})
  endforeach()
  file(WRITE ${house}/${file} "// A file.\n${line}\nint x;\n")
  execute_process(
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${house} -DRULES=${SCRATCH}/rules.cmake -P ${CHECK}
    RESULT_VARIABLE result ERROR_VARIABLE complaint OUTPUT_QUIET)
  if(expected STREQUAL "ok")
    if(NOT result EQUAL 0)
      message(SEND_ERROR "${name}: must pass, but: ${complaint}")
    endif()
    return()
  endif()
  string(REGEX REPLACE "[ \n]+" " " complaint "${complaint}")
  string(FIND "${complaint}" "${expected}" position)
  if(result EQUAL 0)
    message(SEND_ERROR "${name}: must be refused, but passed")
  elseif(position EQUAL -1)
    message(SEND_ERROR "${name}: must complain about \"${expected}\", but: ${complaint}")
  endif()
endfunction()

check(own study/a.cpp "#include \"study/b.hpp\"" ok)
check(used study/a.hpp "#include \"hall/b.hpp\"" ok)
check(public study/a.hpp "#include \"levee/bytes.hpp\"" ok)
check(standard study/a.hpp "#include <vector>" ok)
check(edge_os porch/a.cpp "#include <unistd.h>" ok)
check(edge_clock porch/a.cpp "auto t = std::chrono::steady_clock::now()\;" ok)
check(types study/a.hpp "#include <sys/types.h>" ok)
check(chrono study/a.hpp "#include <chrono>" ok)
check(not_a_clock study/a.cpp "bool t = read_time(0) && wait.time(5) && end_time(nullptr)\;" ok)
check(comment study/a.cpp "// see \"porch/a.hpp\" for the edge" ok)

check(not_used hall/a.cpp "#include \"study/a.hpp\"" "src/hall/a.cpp: \"study/a.hpp\": room hall may include only hall")
check(to_edge study/a.hpp "#include \"porch/a.hpp\"" "room study may include only study, hall")
check(angled study/a.hpp "#include <porch/a.hpp>" "room study may include only")
check(spaced study/a.hpp "  #  include  \"porch/a.hpp\"  // please" "room study may include only")
check(unspaced study/a.hpp "#include\"porch/a.hpp\"" "room study may include only")
check(deep study/inner/a.cpp "#include \"porch/a.hpp\"" "src/study/inner/a.cpp")
check(climbs study/a.cpp "#include \"../porch/a.hpp\"" "climbs out of its room")
check(climbs_late study/a.cpp "#include \"study/../porch/a.hpp\"" "climbs out of its room")
check(edge_to_edge porch/a.cpp "#include \"study/a.hpp\"" "room porch may include only porch, hall")
foreach(header unistd.h fcntl.h poll.h signal.h csignal time.h ctime sys/socket.h sys/epoll.h
        sys/time.h linux/perf_event.h netinet/in.h filesystem fstream iostream thread mutex
        condition_variable future curl/curl.h sqlite3.h boost/asio.hpp nlohmann/json.hpp
        spdlog/spdlog.h toml++/toml.h)
  string(MAKE_C_IDENTIFIER ${header} name)
  check(os_${name} hall/a.cpp "#include <${header}>" "<${header}>: room hall is pure")
endforeach()
foreach(clock system steady high_resolution)
  check(clock_${clock} hall/a.cpp "auto t = std::chrono::${clock}_clock::now()\;" "reads a clock")
endforeach()
check(clock_time hall/a.cpp "auto t = std::time(nullptr)\;" "reads a clock")
check(clock_gettime hall/a.cpp "::clock_gettime(CLOCK_MONOTONIC, &t)\;" "reads a clock")
