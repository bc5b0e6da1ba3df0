# Rooms: one library per folder of src/, and the rule of who may include whom.
#
# levee_room(policy SOURCES a.cpp USES core history LIBRARIES fmt::fmt) makes the target
# levee_policy. USES are the only rooms its files may include, directly or through those rooms;
# check_rooms makes every build verify that, so that the middle cannot reach for an edge.

set_property(GLOBAL PROPERTY LEVEE_ROOMS "")

function(levee_room name)
  cmake_parse_arguments(ROOM "MIDDLE" "" "SOURCES;USES;LIBRARIES" ${ARGN})
  if(ROOM_SOURCES)
    set(scope PUBLIC)
    add_library(levee_${name} STATIC ${ROOM_SOURCES})
  else()  # headers only
    set(scope INTERFACE)
    add_library(levee_${name} INTERFACE)
  endif()
  add_library(levee::${name} ALIAS levee_${name})
  target_include_directories(levee_${name} ${scope} ${PROJECT_SOURCE_DIR}/src
                                                    ${PROJECT_SOURCE_DIR}/include)
  foreach(used IN LISTS ROOM_USES)
    target_link_libraries(levee_${name} ${scope} levee_${used})
  endforeach()
  target_link_libraries(levee_${name} ${scope} ${ROOM_LIBRARIES})

  set(allowed ${name} ${ROOM_USES})
  foreach(used IN LISTS ROOM_USES)
    get_property(theirs GLOBAL PROPERTY LEVEE_ROOM_${used}_ALLOWED)
    list(APPEND allowed ${theirs})
  endforeach()
  list(REMOVE_DUPLICATES allowed)
  set_property(GLOBAL PROPERTY LEVEE_ROOM_${name}_ALLOWED "${allowed}")
  set_property(GLOBAL PROPERTY LEVEE_ROOM_${name}_MIDDLE "${ROOM_MIDDLE}")
  set_property(GLOBAL APPEND PROPERTY LEVEE_ROOMS ${name})
endfunction()

# Writes the rules to a file and runs the check as a part of every build that changed a file.
function(check_rooms)
  get_property(rooms GLOBAL PROPERTY LEVEE_ROOMS)
  set(rules "set(ROOMS ${rooms})\n")
  foreach(room IN LISTS rooms)
    get_property(allowed GLOBAL PROPERTY LEVEE_ROOM_${room}_ALLOWED)
    get_property(middle GLOBAL PROPERTY LEVEE_ROOM_${room}_MIDDLE)
    string(APPEND rules "set(ALLOWED_${room} ${allowed})\nset(MIDDLE_${room} ${middle})\n")
  endforeach()
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/rooms.rules.cmake CONTENT "${rules}" @ONLY)

  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.cpp
       ${PROJECT_SOURCE_DIR}/src/*.hpp)
  set(stamp ${PROJECT_BINARY_DIR}/rooms.stamp)
  add_custom_command(
    OUTPUT ${stamp}
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR}/src
            -DRULES=${PROJECT_BINARY_DIR}/rooms.rules.cmake
            -P ${PROJECT_SOURCE_DIR}/cmake/check_rooms.cmake
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/check_rooms.cmake
    COMMENT "Checking that no room includes what it may not"
    VERBATIM)
  add_custom_target(rooms ALL DEPENDS ${stamp})
  foreach(room IN LISTS rooms)
    add_dependencies(levee_${room} rooms)
  endforeach()
endfunction()
