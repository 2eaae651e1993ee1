#!/usr/bin/env python3
"""What a person does on the pages, and what the server is then asked."""

import sys

import harness

V = "/v1/vaults/default"


def at(b, mock, page, text):
    if not b.url.startswith(mock.url):
        harness.sign_in(b, mock)
    b.open(f"{mock.url}/vaults/default/{page}")
    b.wait_text(text)


def test_the_first_owner_needs_the_code_of_the_terminal(b, mock):
    b.open(mock.url + "/")
    b.wait_text("Set up agent-vault")
    b.fill("Setup code", "AAAA-BBBB-CCCC")
    b.fill("E-mail", harness.OWNER)
    b.fill("Password", harness.PASSWORD)
    b.click("Create the owner")
    b.wait_text("That is not the setup code")
    harness.sound(b)
    b.fill("Setup code", harness.SETUP_CODE)
    b.click("Create the owner")
    b.wait_text("New vault")


test_the_first_owner_needs_the_code_of_the_terminal.options = {"initialized": False}


def test_signing_in_leads_to_where_one_wanted_to_go_but_not_elsewhere(b, mock):
    b.open(mock.url + "/vaults/default/rules")
    b.wait_text("Sign in")
    b.fill("E-mail", harness.OWNER)
    b.fill("Password", harness.PASSWORD)
    b.click("Sign in")
    b.wait_text("no-deletes")
    b.click("Sign out")
    b.wait_text("E-mail")
    for elsewhere in ("//evil.example/", "/\\\\evil.example", "https://evil.example", "javascript:window.pwned=1"):
        mock.state.tokens.clear()
        harness.sign_in(b, mock, elsewhere)
        b.wait_text("New vault")
        assert b.url == mock.url + "/"


def test_an_invitation_makes_an_account_and_leaves_the_address(b, mock):
    b.open(mock.url + "/invite/av_uinv_good")
    b.wait_text("carol@example.com")
    assert "av_uinv" not in b.url
    b.fill("Choose a password", "a long sentence is best")
    b.click("Accept")
    b.wait_text("New vault")
    assert mock.sent("POST", "/v1/users/invites/av_uinv_good/accept") == [{"password": "a long sentence is best"}]


def test_a_held_request_appears_by_itself_and_is_decided(b, mock):
    at(b, mock, "requests", "Nothing is waiting")
    harness.sound(b)
    one = mock.state.hold(120)
    b.wait_text("refunds?expand=charge")
    b.wait("the title to count", lambda: b.title.startswith("(1) "))
    b.fill("How long to allow", "10")
    b.click("Allow POST")
    b.wait_text("Nothing is waiting")
    b.wait_text("Allowed for now")
    harness.sound(b)
    b.click("Revoke POST")
    b.wait_text("asked about again")
    b.wait("no grant", lambda: "Allowed for now" not in b.js("return document.body.innerText"))
    assert mock.sent("DELETE", f"/v1/vaults/default/grants/{one['id']}") is not None
    assert not mock.state.grants
    two = mock.state.hold(120, url="https://api.stripe.com/v1/payouts")
    b.wait_text("v1/payouts")
    b.click("Deny POST")
    b.wait_text("Nothing is waiting")
    assert mock.sent("POST", f"/v1/approvals/{one['id']}/decision") == [{"decision": "approve", "uses": 10}]
    assert mock.sent("POST", f"/v1/approvals/{two['id']}/decision") == [{"decision": "deny"}]
    three = mock.state.hold(120)
    b.wait_text("refunds?expand")
    three["state"] = "cancelled"
    b.click("Allow POST")
    b.wait_text("no longer waiting")


def test_what_waits_in_another_vault_does_not_make_this_one_ask_again_and_again(b, mock):
    mock.state.hold(120, url="https://elsewhere.example/")
    harness.sign_in(b, mock)
    b.open(mock.url + "/vaults/staging/requests")
    b.wait_text("Nothing is waiting")
    b.js("return new Promise((done) => setTimeout(done, 4500))")
    polls = [c for c in mock.calls if c[1] == "/v1/approvals/pending"]
    assert 2 <= len(polls) <= 3, len(polls)


def test_a_value_is_shown_after_the_password_only_and_hides_itself(b, mock):
    harness.sign_in(b, mock)
    b.cdp("Page.addScriptToEvaluateOnNewDocument", source="const real = setInterval; window.setInterval = (f, ms) => real(f, ms === 1000 ? 60 : ms);")
    at(b, mock, "credentials", "Replace")
    secret = mock.state.credentials["GITHUB_TOKEN"]["value"]
    b.click("Reveal GITHUB_TOKEN")
    b.fill("Your password", "wrong")
    b.click("Reveal", "button[type=submit]")
    b.wait_text("The password is wrong")
    assert secret not in b.text
    b.fill("Your password", harness.PASSWORD)
    b.click("Reveal", "button[type=submit]")
    b.wait_text(secret)
    b.wait_gone(secret)
    assert secret not in b.js("return document.documentElement.outerHTML")


def test_credentials_are_set_and_deleted(b, mock):
    at(b, mock, "credentials", "Replace")
    b.click("Set a credential")
    b.fill("Key", "stripe_key")
    b.fill("Value", "sk_x")
    b.click("Save")
    b.wait_text("STRIPE_KEY is set")
    b.click("Delete GITHUB_TOKEN")
    b.wait_text("will stop working: github")
    b.fill("Type GITHUB_TOKEN to confirm", "GITHUB")
    b.click("Delete", "button[type=submit]")
    b.wait_text("That is another name")
    b.fill("Type GITHUB_TOKEN to confirm", "GITHUB_TOKEN")
    b.click("Delete", "button[type=submit]")
    b.wait_text("GITHUB_TOKEN is deleted")
    assert mock.sent("POST", "/v1/credentials") == [{"vault": "default", "credentials": {"STRIPE_KEY": "sk_x"}}]
    assert mock.sent("DELETE", "/v1/credentials") == [{"vault": "default", "keys": ["GITHUB_TOKEN"]}]


def test_a_store_is_paired_by_its_kind_and_its_secret_is_not_shown_again(b, mock):
    at(b, mock, "stores", "Mapped hosts")
    b.click("Pair a store")
    b.wait_text("More settings")
    b.fill("Name", "second")
    b.fill("url", "https://vault.second.example")
    b.fill("token", "wrong")
    b.click("Pair")
    b.wait_text("the token is not taken")
    harness.sound(b)
    b.fill("token", "hvs.right")
    b.click("Pair")
    b.wait_text("is paired")
    assert mock.state.paired_with[-1] == {"kind": "vault", "name": "second", "settings": {"url": "https://vault.second.example", "auth": "token"}, "secrets": {"token": "hvs.right"}}, mock.state.paired_with[-1]
    b.click("Pair second anew")
    b.wait_text("give it again")
    assert b.js("return [...document.querySelectorAll('dialog input')].map((i) => i.value)").count("hvs.right") == 0
    assert "https://vault.second.example" in b.js("return [...document.querySelectorAll('dialog input')].map((i) => i.value)")


def test_what_is_the_owners_is_not_offered_to_others(b, mock):
    for owner in (False, True):
        mock.state.is_owner = owner
        mock.state.tokens.clear()
        harness.sign_in(b, mock)
        b.open(mock.url + "/vaults/default/stores")
        b.wait_text("Mapped hosts")
        names = b.js("return [...document.querySelectorAll('main button')].map((e) => e.ariaLabel)")
        assert ("Browse team-pass" in names) == owner and ("Pair team-pass anew" in names) == owner, names
        assert "Unpair team-pass" in names and "Browse corp" in names, names
        b.click("Pair a store")
        b.wait_text("More settings")
        labels = b.js("return [...document.querySelectorAll('dialog label')].map((e) => e.textContent)")
        assert any("allow_net" in x for x in labels) == owner and any("token_file" in x for x in labels) == owner, labels
        b.js("const s = document.querySelector('dialog select'); s.value = 'pass'; s.dispatchEvent(new Event('change', {bubbles: true}))")
        b.wait_text("pass://web/" if owner else "Only the owner of this instance")
        b.press("Escape")


def test_a_store_is_tested_and_says_what_is_not_there(b, mock):
    at(b, mock, "stores", "Mapped hosts")
    b.click("Test phone")
    b.wait_text("aac listen")
    assert "timeout" in b.text
    b.press("Escape")
    b.click("Test corp")
    b.wait_text("no version any more")
    harness.sound(b)


def test_an_item_becomes_a_credential_or_a_mapping_with_a_click(b, mock):
    at(b, mock, "stores", "Mapped hosts")
    b.click("Browse corp")
    b.wait_text("kv1/")
    b.click("Look into secret/")
    b.wait_text("OpenAI production")
    b.click("Make a credential of vault://secret/openai#api_key")
    b.wait_text("Upper case, digits")
    assert b.js("return document.querySelector('dialog input[name=key]').value") == "OPENAI_PRODUCTION"
    b.click("Save")
    b.wait_text("is had from its store")
    assert mock.state.sources["OPENAI_PRODUCTION"] == ("corp", "vault://secret/openai#api_key", None)
    b.click("Browse corp")
    b.wait_text("kv1/")
    b.click("Look into secret/")
    b.wait_text("OpenAI production")
    b.click("Map a host to vault://secret/openai#api_key")
    b.wait_text("How it authenticates")
    assert b.js("return document.querySelector('dialog input[name=host]').value") == "api.openai.com"
    b.click("Map")
    b.wait("the mapping", lambda: any(m["host"] == "api.openai.com" for m in mock.state.mappings))
    at(b, mock, "credentials", "kept in")
    b.click("Change where OPENAI_PRODUCTION is kept")
    b.wait_text("Where OPENAI_PRODUCTION is kept")
    b.fill("Reference", "op://nobody/knows/it")
    b.click("Save")
    b.wait_text("knows op://")


def test_a_value_of_a_store_is_shown_after_the_password_only(b, mock):
    at(b, mock, "credentials", "kept in")
    b.click("Reveal DATABASE_PASSWORD")
    b.fill("Your password", harness.PASSWORD)
    b.click("Reveal")
    b.wait_text("value-of-database_password")
    assert any(c[:2] == ("POST", "/v1/vaults/default/stores/corp/read") for c in mock.calls), mock.calls[-4:]


def test_unpairing_says_what_stops_working_and_wants_the_name(b, mock):
    at(b, mock, "stores", "Mapped hosts")
    b.click("Unpair corp")
    b.wait_text("stop working")
    for name in ("DATABASE_PASSWORD", "SENTRY_AUTH_TOKEN", "registry.example.com"):
        assert name in b.js("return document.querySelector('dialog').textContent"), name
    b.fill("Type corp to confirm", "phone")
    b.click("Unpair")
    b.wait_text("That is another name")
    assert "corp" in mock.state.stores
    b.fill("Type corp to confirm", "corp")
    b.click("Unpair")
    b.wait_text("is not paired any more")
    assert "corp" not in mock.state.stores and "DATABASE_PASSWORD" not in mock.state.credentials


def test_a_store_that_fails_is_seen_from_the_list_of_vaults(b, mock):
    harness.sign_in(b, mock)
    b.wait_text("1 store failing")
    b.open(mock.url + "/vaults/default/requests")
    b.wait_text("Stores")
    assert b.js("return document.querySelector('#nav a[href$=stores] .count').textContent") == "1 failing"


def test_a_seen_host_becomes_a_service_and_a_service_keeps_what_the_form_does_not_show(b, mock):
    at(b, mock, "services", "Recently seen")
    b.click("Add api.notion.com as a service")
    b.wait_text("How it authenticates")
    b.click("Add service")
    b.wait_text("api-notion-com is saved")
    b.click("Change openai")
    b.fill("Methods", "post")
    b.click("Save")
    b.wait_text("openai is saved")
    b.click("Add a service")
    b.fill("Find", "sentry")
    b.click("Sentry")
    b.fill("How it authenticates", "basic")
    b.fill("User: a credential", "x-access-token")
    b.fill("Password: a credential", "SENTRY_AUTH_TOKEN")
    b.click("Add service")
    b.wait_text("sentry is saved")
    b.click("jira enabled")
    b.wait("the call", lambda: mock.sent("PATCH", V + "/services/jira"))
    assert mock.sent("POST", V + "/services") == [
        {"services": [{"host": "api.notion.com", "enabled": True, "auth": {"type": "bearer", "token": "NOTION_TOKEN"}, "name": "api-notion-com"}]},
        {"services": [{"name": "openai", "host": "api.openai.com", "enabled": True, "auth": {"type": "bearer", "token": "OPENAI_API_KEY"}, "env": {"OPENAI_API_KEY": "OPENAI_API_KEY"}, "methods": ["POST"]}]},
        {"services": [{"name": "sentry", "host": "sentry.io", "enabled": True, "auth": {"type": "basic", "user": "x-access-token", "password": "SENTRY_AUTH_TOKEN"}}]}]
    assert mock.sent("PATCH", V + "/services/jira") == [{"enabled": False}]


def test_a_switch_goes_back_when_the_server_refuses(b, mock):
    at(b, mock, "services", "Recently seen")
    mock.state.services = [s for s in mock.state.services if s["name"] != "jira"]
    b.click("jira enabled")
    b.wait_text("There is no name of that name")
    b.wait("the switch to go back", lambda: b.js("return document.querySelector('input[aria-label=\"jira enabled\"]').checked"))


def test_rules_are_made_and_tested_while_one_types(b, mock):
    at(b, mock, "rules", "no-deletes")
    b.fill("Method", "DELETE")
    b.fill("URL", "api.github.com/repos/acme/web")
    b.wait_text("Blocked by the rule no-deletes")
    b.fill("Method", "GET")
    b.wait_text("Allowed")
    b.click("Add a rule")
    b.fill("What happens", "rate_limit")
    b.fill("Host and path", "api.openai.com")
    b.fill("How many", "20")
    b.fill("Per", "day")
    b.click("Only for some bodies")
    b.click("Add a condition")
    b.fill("Place in JSON", "/model")
    b.fill("Text", "gpt-5")
    b.click("Add rule")
    b.wait_text("The rule is saved")
    assert mock.sent("POST", V + "/rules") == [{"rules": [{"action": "rate_limit", "enabled": True, "host": "api.openai.com", "body": [{"pointer": "/model", "equals": "gpt-5"}], "limit": 20, "window": "day", "name": "rate_limit-rule"}]}]
    b.wait_text("Let pass at most 20 requests of any method per day")


def test_a_token_is_shown_once(b, mock):
    at(b, mock, "agents", "nightly")
    b.click("New agent")
    b.fill("Name", "planner")
    b.click("Create agent")
    b.wait_text("av_agt_2f9a1c77e0b4d3586a9f")
    harness.sound(b)
    b.click("Done")
    b.wait_text("planner")
    assert "av_agt_" not in b.js("return document.documentElement.outerHTML")
    b.click("Revoke planner")
    b.click("Revoke", "button[type=submit]")
    b.wait("the call", lambda: ("DELETE", "/v1/agents/planner", {}, {}) in mock.calls)


def test_the_log_goes_on_by_itself_pauses_filters_and_loads_more(b, mock):
    at(b, mock, "log", "live")
    b.wait_text("requests in an hour")
    lines = lambda: b.js("return document.querySelectorAll('.log-line').length")  # noqa: E731
    assert lines() == 50
    b.click("Load more")
    b.wait("more lines", lambda: lines() == 100)
    mock.state.log("GET", "fresh.example", "/a", "allow", 200, "")
    b.wait_text("fresh.example")
    b.click("Pause")
    mock.state.log("GET", "unseen.example", "/b", "allow", 200, "")
    polls = len([c for c in mock.calls if c[1].endswith("/logs")])
    b.js("return new Promise((done) => setTimeout(done, 2600))")
    assert "unseen.example" not in b.text and len([c for c in mock.calls if c[1].endswith("/logs")]) == polls
    b.click("Go on")
    b.wait_text("unseen.example")
    b.fill("Decision", "error")
    b.wait("only failures", lambda: b.js("return [...document.querySelectorAll('.log-line')].length > 3 && [...document.querySelectorAll('.log-line')].every((l) => l.textContent.includes('failed'))"))
    b.fill("Host", "nowhere.example")
    b.wait_text("Nothing fits these filters")
    b.fill("Host", "")
    b.wait_gone("Nothing fits")
    b.js("document.querySelector('.log-line').click()")
    b.wait_text("upstream_timeout")
    harness.sound(b)


def test_settings_members_people_and_account(b, mock):
    at(b, mock, "settings", "Unmatched requests")
    b.js("document.querySelector('input[value=deny]').click()")
    b.click("Save")
    b.wait_text("Saved.")
    assert mock.state.policy == "deny"
    at(b, mock, "members", "bob@example.com")
    b.click("Add a member")
    b.fill("E-mail", "carol@example.com")
    b.fill("Role", "admin")
    b.click("Add", "button[type=submit]")
    b.wait_text("carol@example.com")
    b.click("Remove bob@example.com")
    b.click("Remove", "button[type=submit]")
    b.wait_gone("bob@example.com")
    b.open(mock.url + "/instance")
    b.wait_text("mallory@example.net")
    b.click("Let in mallory@example.net")
    b.wait_gone("waiting")
    b.click("Invite somebody")
    b.fill("E-mail", "dan@example.com")
    b.click("Make a link")
    b.wait_text("/invite/av_uinv_good")
    b.click("Done")
    b.wait_text("dan@example.com")
    b.open(mock.url + "/account")
    b.wait_text("this one")
    b.fill("Current password", harness.PASSWORD)
    b.fill("New password", "another long sentence")
    b.click("Change password")
    b.wait_text("Your password is changed")


def test_an_ended_session_leads_to_the_sign_in_and_back(b, mock):
    at(b, mock, "credentials", "Replace")
    mock.state.tokens.clear()
    # A look that the page takes by itself may find out before the click does.
    b.js("[...document.querySelectorAll('a')].find((a) => a.textContent.trim().startsWith('Rules'))?.click()")
    b.wait_text("Sign in")
    b.fill("E-mail", harness.OWNER)
    b.fill("Password", harness.PASSWORD)
    b.click("Sign in")
    b.wait("the page that was asked for, or the one before it", lambda: "no-deletes" in b.text or "Replace" in b.text)


def test_a_server_that_has_gone_is_said_with_what_to_do(b, mock):
    at(b, mock, "credentials", "Replace")
    mock.gone = True
    b.click("Members")
    b.wait_text("Agent-vault does not answer")
    assert "still running?" in b.text
    mock.gone = False
    b.click("Try again")
    b.wait_text("bob@example.com")
    b.js("broken.length = 0")


if __name__ == "__main__":
    harness.run(sys.modules[__name__])
