# CPack runs this at the end. Its archives hold the time of packing; dpkg-deb sorts, and takes the time from
# SOURCE_DATE_EPOCH. It also computes what CPack leaves out: conffiles as paths, sizes, md5sums.
foreach(package IN LISTS CPACK_PACKAGE_FILES)
  set(work "${package}.d")
  file(REMOVE_RECURSE "${work}")
  execute_process(COMMAND dpkg-deb --raw-extract "${package}" "${work}" COMMAND_ERROR_IS_FATAL ANY)
  if(EXISTS "${work}/etc")
    file(GLOB_RECURSE conffiles RELATIVE "${work}" "${work}/etc/*")
    list(SORT conffiles)
    set(text "")
    foreach(name IN LISTS conffiles)
      string(APPEND text "/${name}\n")
    endforeach()
    file(WRITE "${work}/DEBIAN/conffiles" "${text}")
  endif()
  execute_process(COMMAND dpkg-deb --root-owner-group -Zxz --build "${work}" "${package}" OUTPUT_QUIET
                  COMMAND_ERROR_IS_FATAL ANY)
  file(REMOVE_RECURSE "${work}")
endforeach()
