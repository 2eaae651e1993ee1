# cpack -G DEB in a build directory; scripts/package makes what is handed out.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME agent-vault)
set(CPACK_PACKAGE_VENDOR "the agent-vault authors")
set(CPACK_PACKAGE_CONTACT "the agent-vault authors <maintainers@agent-vault.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "give AI agents access to APIs without giving them the keys")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_VERBATIM_VARIABLES ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS ca-certificates)
# Loaded where the store's key is kept by them (agent-vault-key(1)).
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libsecret-1-0, libtss2-esys-3.0.2-0, libtss2-mu0, libtss2-tctildr0, libtss2-tcti-device0, opensc")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"agent-vault runs an AI agent, or any other program, behind a proxy that puts
credentials into those requests that its owner allows. The program holds
placeholders; the credentials lie encrypted in a local store, or stay in an
external one. What is done with them is on a signed log.
.
Runs are shut in by namespaces, Landlock and seccomp, without root and without
a container. \"agent-vault serve\" does the same for a team.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "")
foreach(script IN ITEMS postinst prerm postrm)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/debian/${script})
endforeach()
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# A profile that AppArmor cannot read is an error at each start of the machine. AppArmor 4 came with these; before
# it, no profile is needed.
set(apparmor OFF)
if(EXISTS /etc/os-release)
  file(STRINGS /etc/os-release release REGEX "^(ID|VERSION_ID)=")
  string(REGEX REPLACE "[\";]" " " release " ${release} ")
  if(release MATCHES " ID= ?debian " AND release MATCHES " VERSION_ID= ?([0-9]+)" AND CMAKE_MATCH_1 GREATER_EQUAL 13)
    set(apparmor ON)
  elseif(release MATCHES " ID= ?ubuntu " AND release MATCHES " VERSION_ID= ?([0-9.]+)"
         AND CMAKE_MATCH_1 VERSION_GREATER_EQUAL 24.04)
    set(apparmor ON)
  endif()
endif()
option(AV_DEB_APPARMOR "The Debian package has an AppArmor profile in /etc (AppArmor 4)" ${apparmor})
set(CPACK_AV_APPARMOR ${AV_DEB_APPARMOR})
set(CPACK_AV_SOURCE ${PROJECT_SOURCE_DIR})
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/packaging/debian/stage.cmake)
set(CPACK_POST_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/packaging/debian/rebuild.cmake)
include(CPack)
