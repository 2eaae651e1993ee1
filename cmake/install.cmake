# Where things go below the prefix; the program itself is installed by cmake/cmd.cmake. What is found by its name
# cannot be forgotten. tests/e2e/install_layout.sh knows what must be there.
foreach(section IN ITEMS 1 5 7)
  file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/man/*.${section})
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()

install(FILES completions/agent-vault.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME agent-vault)
install(FILES completions/_agent-vault DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES completions/agent-vault.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

file(GLOB documents CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/*.md)
install(FILES ${documents} LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/docs)
  install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)
endif()

# The same sockets for a user's manager and for the system's. systemd looks in lib, whatever the libraries' place.
foreach(manager IN ITEMS user system)
  install(FILES packaging/systemd/${manager}/agent-vault.service packaging/systemd/agent-vault-api.socket
                packaging/systemd/agent-vault-proxy.socket
          DESTINATION lib/systemd/${manager})
endforeach()
install(FILES packaging/systemd/sysusers.conf DESTINATION lib/sysusers.d RENAME agent-vault.conf)

# Below the prefix, where AppArmor does not look: it is for /usr/bin/agent-vault, and AppArmor before 4.0 cannot
# read it. The Debian package puts it into /etc where it belongs (packaging/debian/stage.cmake).
install(FILES packaging/apparmor/agent-vault DESTINATION ${CMAKE_INSTALL_DATADIR}/agent-vault/apparmor.d)
