# CPack runs this between installing and packing: what Debian wants otherwise than `cmake --install` leaves it.
# No file(INSTALL) here: CPack has set DESTDIR.
set(root "${CPACK_TEMPORARY_DIRECTORY}")
set(doc "${root}/usr/share/doc/agent-vault")
set(debian "${CPACK_AV_SOURCE}/packaging/debian")

function(move from to)
  get_filename_component(directory "${root}/${to}" DIRECTORY)
  file(MAKE_DIRECTORY "${directory}")
  file(RENAME "${root}/${from}" "${root}/${to}")
endfunction()

if(CPACK_AV_APPARMOR)
  move(usr/share/agent-vault/apparmor.d/agent-vault etc/apparmor.d/agent-vault)
endif()
file(REMOVE_RECURSE "${root}/usr/share/agent-vault")

# zsh looks in site-functions below /usr/local only.
move(usr/share/zsh/site-functions/_agent-vault usr/share/zsh/vendor-completions/_agent-vault)
file(REMOVE_RECURSE "${root}/usr/share/zsh/site-functions")

# How it is changed is for the source tree, and the licence is among the system's.
file(REMOVE "${doc}/LICENSE" "${doc}/CONTRIBUTING.md")
file(COPY_FILE "${debian}/copyright" "${doc}/copyright")
file(COPY_FILE "${debian}/changelog" "${doc}/changelog.Debian")
file(MAKE_DIRECTORY "${root}/usr/share/lintian/overrides")
file(COPY_FILE "${debian}/lintian-overrides" "${root}/usr/share/lintian/overrides/agent-vault")

file(GLOB pages "${root}/usr/share/man/man*/*.[1-8]")
execute_process(COMMAND gzip -9n ${pages} "${doc}/changelog.Debian" COMMAND_ERROR_IS_FATAL ANY)
