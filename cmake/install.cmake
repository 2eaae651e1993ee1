# Man pages, completions and documents; the program itself is installed by cmake/cmd.cmake.
install(FILES man/agent-vault.1 man/agent-vault-agent.1 man/agent-vault-run.1 man/agent-vault-vault.1
              man/agent-vault-key.1 man/agent-vault-log.1 man/agent-vault-rule.1 man/agent-vault-audit.1
              man/agent-vault-approval.1 man/agent-vault-proposal.1 man/agent-vault-serve.1
              man/agent-vault-oauth.1 man/agent-vault-store.1 man/agent-vault-user.1 man/agent-vault-login.1 man/agent-vault-container-env.1 man/agent-vault-doctor.1 man/agent-vault-shell-init.1
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES man/agent-vault-rules.5 man/agent-vault-services.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES man/agent-vault-api.7 man/agent-vault-errors.7 man/agent-vault-isolation.7 man/agent-vault-stores.7 DESTINATION ${CMAKE_INSTALL_MANDIR}/man7)

install(FILES completions/agent-vault.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME agent-vault)
install(FILES completions/_agent-vault DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES completions/agent-vault.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

install(FILES README.md SECURITY.md ARCHITECTURE.md CONTRIBUTING.md LICENSE
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})

install(FILES systemd/agent-vault.service systemd/agent-vault-api.socket systemd/agent-vault-proxy.socket
        DESTINATION lib/systemd/user)
